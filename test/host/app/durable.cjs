// What the tests of recovery, of two hosts and of single behaviours run. Every activity notes that it ran in the file RUNS.
const { appendFileSync } = require('node:fs');
const { app } = require('@azure/functions');
const df = require('durable-functions');

const note = (text) => process.env.RUNS && appendFileSync(process.env.RUNS, `${text}\n`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

df.app.activity('step', {
  handler: async ({ run, k, ms }) => {
    note(`begin ${run} ${k}`);
    await sleep(ms);
    note(`end ${run} ${k}`);
    return k;
  },
});
df.app.activity('type', { handler: (value) => ({ type: value === null ? 'null' : typeof value, value: value === undefined ? '(undefined)' : value }) });
df.app.activity('fail', { handler: () => { throw new Error('no luck'); } });

/** One activity after the other; the result proves that nothing was lost or reordered. */
df.app.orchestration('chain', function* (context) {
  const { run, steps, ms } = context.df.getInput();
  const done = [];
  for (let k = 0; k < steps; k += 1) done.push(yield context.df.callActivity('step', { run, k, ms }));
  return done;
});
df.app.orchestration('fan', function* (context) {
  const { run, steps, ms } = context.df.getInput();
  return yield context.df.Task.all(Array.from({ length: steps }, (_, k) => context.df.callActivity('step', { run, k, ms })));
});
df.app.orchestration('family', function* (context) {
  const { run, children, steps, ms } = context.df.getInput();
  return yield context.df.Task.all(
    Array.from({ length: children }, (_, child) => context.df.callSubOrchestrator('chain', { run: `${run}.${child}`, steps, ms })),
  );
});
/** As many generations as asked for, each with an activity. */
df.app.orchestration('generations', function* (context) {
  const { run, left, sum = 0 } = context.df.getInput();
  const k = yield context.df.callActivity('step', { run, k: left, ms: 0 });
  if (left > 1) context.df.continueAsNew({ run, left: left - 1, sum: sum + k });
  return sum + k;
});
df.app.orchestration('timer', function* (context) {
  const { seconds } = context.df.getInput();
  yield context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + seconds * 1000));
  return 'woke';
});
df.app.orchestration('wait', function* (context) {
  return yield context.df.waitForExternalEvent('go');
});
/** Waits anew each time round, with an activity in between: what comes during the activity goes to the abandoned wait. */
df.app.orchestration('waitAnew', function* (context) {
  const { run } = context.df.getInput();
  for (let k = 0; k < 2; k += 1) {
    const event = context.df.waitForExternalEvent('go');
    const timer = context.df.createTimer(new Date(context.df.currentUtcDateTime.getTime() + 500));
    const winner = yield context.df.Task.any([event, timer]);
    if (winner === event) {
      timer.cancel();
      return { seen: event.result };
    }
    yield context.df.callActivity('step', { run, k, ms: 300 });
  }
  return { seen: null };
});
/** One event a generation; events that come together are carried from one to the next. */
df.app.orchestration('gather', function* (context) {
  const { left, got = [] } = context.df.getInput();
  const value = yield context.df.waitForExternalEvent('go');
  if (left > 1) context.df.continueAsNew({ left: left - 1, got: [...got, value] });
  return [...got, value];
});
df.app.orchestration('input', function* (context) {
  const value = context.df.getInput();
  return { type: value === null ? 'null' : typeof value, value };
});
/** How each value arrives everywhere it can go. */
df.app.orchestration('encodings', function* (context) {
  const values = { text: 'text', numeric: '5', jsonish: '{"a":1}', bool: 'true', empty: '', number: 5, zero: 0, obj: { a: 1 }, arr: [1, 'x'], nul: null, undef: undefined };
  const retry = new df.RetryOptions(100, 2);
  const seen = {};
  for (const [name, value] of Object.entries(values)) {
    seen[name] = {
      activity: yield context.df.callActivity('type', value),
      activityRetry: yield context.df.callActivityWithRetry('type', retry, value),
      sub: yield context.df.callSubOrchestrator('input', value),
      subRetry: yield context.df.callSubOrchestratorWithRetry('input', retry, value),
    };
  }
  return seen;
});
df.app.orchestration('catches', function* (context) {
  try {
    yield context.df.callActivity('fail');
  } catch (error) {
    return error.message.split('\n')[0];
  }
});

app.http('slow', { methods: ['GET'], handler: async () => { await sleep(700); return { body: 'done' }; } });
app.http('settings', { methods: ['GET'], handler: async () => ({ jsonBody: { a: process.env.SETTING_A, b: process.env.SETTING_B, host: process.env.WEBSITE_HOSTNAME } }) });
app.http('other', { methods: ['GET'], handler: async () => ({ body: 'other' }) });
app.timer('everyHour', { schedule: '0 0 * * * *', handler: async (timer) => note(`hour ${timer.isPastDue} ${timer.scheduleStatus.last.slice(0, 4)}`) });
app.timer('everySecond', { schedule: '* * * * * *', handler: async () => note(`tick ${Math.round(Date.now() / 1000)}`) });
