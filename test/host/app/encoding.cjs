// The app of recording 71, made again from what it shows: how values travel as inputs, results and events.
const { app } = require('@azure/functions');
const df = require('durable-functions');

const values = {
  text: 'text', numeric: '5', jsonish: '{"a":1}', bool: 'true', empty: '', number: 5, zero: 0, obj: { a: 1 }, arr: [1, 'x'],
  nul: null, undef: undefined, quoted: '"q"', date: '2026-01-02T03:04:05Z', dateTz: '2026-01-02T03:04:05+02:00',
};
const shown = (value) => ({ type: value === null ? 'null' : typeof value, value: value === undefined ? '(undefined)' : value });

df.app.activity('type', { handler: shown });
df.app.activity('ret', { handler: (key) => values[key] });
df.app.orchestration('child', function* (context) { return shown(context.df.getInput()); });
df.app.orchestration('inp', function* (context) { return shown(context.df.getInput()); });
df.app.orchestration('enc', function* (context) {
  const retry = new df.RetryOptions(100, 2);
  const seen = {};
  for (const [key, value] of Object.entries(values)) {
    seen[key] = {
      activity: yield context.df.callActivity('type', value),
      activityRetry: yield context.df.callActivityWithRetry('type', retry, value),
      sub: yield context.df.callSubOrchestrator('child', value),
      subRetry: yield context.df.callSubOrchestratorWithRetry('child', retry, value),
      returned: shown(yield context.df.callActivity('ret', key)),
    };
  }
  return seen;
});
df.app.orchestration('ev', function* (context) {
  const seen = [];
  for (let k = 0; k < 9; k += 1) seen.push(shown(yield context.df.waitForExternalEvent('e')));
  return seen;
});

const client = { methods: ['POST'], extraInputs: [df.input.durableClient()] };
app.http('start', { ...client, route: 'start/{name}', handler: async (request, context) => {
  const { id, key } = await request.json();
  await df.getClient(context).startNew(request.params.name, { instanceId: id, input: values[key] });
  return { jsonBody: { id } };
} });
app.http('ops', { ...client, route: 'ops', handler: async (request, context) => {
  const { op, args, key } = await request.json();
  await df.getClient(context)[op](...args, values[key]);
  return { jsonBody: { ok: true } };
} });
