import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppDirectory, appDirectory, HostProcess, until } from './hostProcess.ts';

const webhook = '/runtime/webhooks/durabletask';
const json = { 'content-type': 'application/json' };

describe('Durable functions on the local host', () => {
  let directory: AppDirectory;
  let host: HostProcess;
  let runs: string;
  beforeAll(async () => {
    directory = appDirectory('durable.cjs', {
      'durable.cjs': { copyOf: join(import.meta.dirname, 'app/durable.cjs') },
    });
    runs = join(directory.app, '../runs');
    writeFileSync(runs, '');
    host = await HostProcess.start(directory, { env: { RUNS: runs } });
  });
  afterAll(async () => {
    await host?.end('SIGKILL');
    directory?.remove();
  });
  const post = (path: string, body: unknown = null): Promise<Response> =>
    fetch(`${host.origin}${webhook}${path}`, { method: 'POST', headers: json, body: JSON.stringify(body) });
  const idsOf = async (query: string): Promise<string[]> => {
    const listed = (await host.json(`${webhook}/instances?${query}`)) as { instanceId: string }[];
    return listed.map(({ instanceId }) => instanceId);
  };
  const warned = (text: RegExp) => until(String(text), 5_000, () => (text.test(host.log) ? true : null));
  const running = (id: string, state = 'Running') =>
    until(`${id} to be ${state}`, 5_000, async () => ((await host.status(id)).runtimeStatus === state ? true : null));

  it('let two starts of one id at the same moment through, of which one runs, and say so', async () => {
    const input = (run: string) => ({ run, steps: 1, ms: 300 });
    const answers = await Promise.all(['a', 'b'].map((run) => host.startInstance('chain', 'twice', input(run))));
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    const status = await host.finished('twice');
    expect([input('a'), input('b')]).toContainEqual(status.input);
    await until('the warning', 5_000, () => (host.log.includes("'twice' was started twice") ? true : null));
  });

  it('refuse a start of an id that is active or suspended, and terminate a suspended one', async () => {
    await host.startInstance('wait', 'busy');
    await running('busy');
    expect((await host.startInstance('wait', 'busy')).status).toBe(409);
    await post('/instances/busy/suspend?reason=r');
    await running('busy', 'Suspended');
    const refused = await host.startInstance('wait', 'busy');
    expect([refused.status, await refused.json()]).toEqual([
      409,
      { Message: 'An Orchestration instance with the status Suspended already exists.' },
    ]);
    await post('/instances/busy/terminate?reason=x');
    expect((await host.finished('busy')).runtimeStatus).toBe('Terminated');
  });

  it('answer a start that waits with the output', async () => {
    const answer = await post('/orchestrators/input?timeout=5&pollingInterval=1', { z: 1 });
    expect([answer.status, await answer.json()]).toEqual([200, { type: 'object', value: { z: 1 } }]);
  });

  it('hand values over with their types, whatever they look like', async () => {
    await host.startInstance('encodings', 'enc');
    const seen = (await host.finished('enc')).output as Record<
      string,
      Record<string, { type: string; value: unknown }>
    >;
    const everywhere = (type: string, value: unknown) => {
      const one = { type, value };
      return { activity: one, activityRetry: one, sub: one, subRetry: one };
    };
    const missing = { type: 'undefined', value: '(undefined)' };
    const nothing = { type: 'null', value: null };
    expect(seen).toEqual({
      text: everywhere('string', 'text'),
      numeric: everywhere('string', '5'),
      jsonish: everywhere('string', '{"a":1}'),
      bool: everywhere('string', 'true'),
      empty: everywhere('string', ''),
      number: everywhere('number', 5),
      zero: everywhere('number', 0),
      obj: everywhere('object', { a: 1 }),
      arr: everywhere('object', [1, 'x']),
      nul: { activity: missing, activityRetry: missing, sub: nothing, subRetry: nothing },
      undef: { activity: missing, activityRetry: missing, sub: nothing, subRetry: nothing },
    });
  });

  it('lose an event that arrives while the orchestrator waits for something else and will wait anew', async () => {
    await host.startInstance('waitAnew', 'anew', { run: 'anew' });
    await until('the activity', 5_000, () => (readFileSync(runs, 'utf8').includes('begin anew 0') ? true : null));
    await post('/instances/anew/raiseEvent/go', 'lost');
    expect((await host.finished('anew')).output).toEqual({ seen: null });
  });

  it('carry events that came together from generation to generation, in order', async () => {
    await host.startInstance('gather', 'gather', { left: 3 });
    await Promise.all(['a', 'b', 'c'].map((value) => post('/instances/gather/raiseEvent/go', value)));
    expect(((await host.finished('gather')).output as string[]).sort()).toEqual(['a', 'b', 'c']);
  });

  it('wake from a timer up to a second early, never before', async () => {
    const begun = Date.now();
    await host.startInstance('timer', 'early', { seconds: 1.9 });
    await host.finished('early');
    expect(Date.now() - begun).toBeGreaterThan(890);
    expect(Date.now() - begun).toBeLessThan(1_850);
    expect(host.log).not.toContain("'early'");
  });

  it('wake at once from a timer of less than a second, with a warning', async () => {
    await host.startInstance('timer', 'at-once', { seconds: 0.9 });
    const { historyEvents = [] } = await host
      .finished('at-once')
      .then(() => host.status('at-once', '?showHistory=true'));
    const [created, ended] = ['TimerCreated', 'ExecutionCompleted'].map((type) =>
      Date.parse(String(historyEvents.find(({ EventType }) => EventType === type)?.Timestamp)),
    );
    expect(Number(ended) - Number(created)).toBeLessThan(800);
    await warned(/warning \[timer\] Instance 'at-once': a timer of \d+ ms fires at once/);
  });

  it('answer an event for a finished instance with 410, with a warning', async () => {
    await host.startInstance('input', 'over');
    await host.finished('over');
    expect((await post('/instances/over/raiseEvent/go', 1)).status).toBe(410);
    await warned(/warning \[durable\] raiseevent for 'over', which is Completed: answered with 410/);
  });

  it('give a caught activity error as one text', async () => {
    await host.startInstance('catches', 'caught');
    expect((await host.finished('caught')).output).toBe("Activity function 'fail' failed:  no luck ");
  });

  it('list instances page by page, by status and by prefix', async () => {
    for (const id of ['page-1', 'page-2', 'page-3']) await host.startInstance('input', id);
    for (const id of ['page-1', 'page-2', 'page-3']) await host.finished(id);
    const ids: string[] = [];
    let token = '';
    do {
      const page = await fetch(
        `${host.origin}${webhook}/instances?top=1&instanceIdPrefix=page-&runtimeStatus=Completed`,
        {
          headers: token ? { 'x-ms-continuation-token': token } : {},
        },
      );
      ids.push(...((await page.json()) as { instanceId: string }[]).map(({ instanceId }) => instanceId));
      token = page.headers.get('x-ms-continuation-token') ?? '';
    } while (token);
    expect(ids).toEqual(['page-1', 'page-2', 'page-3']);
  });

  it('list by several statuses, and all instances when a status is unknown', async () => {
    await host.startInstance('input', 'kind-completed');
    await host.startInstance('wait', 'kind-terminated');
    await running('kind-terminated');
    await post('/instances/kind-terminated/terminate?reason=x');
    for (const id of ['kind-completed', 'kind-terminated']) await host.finished(id);
    expect(await idsOf('instanceIdPrefix=kind-&runtimeStatus=Failed,Terminated')).toEqual(['kind-terminated']);
    expect(await idsOf('instanceIdPrefix=kind-&runtimeStatus=Nope')).toEqual(['kind-completed', 'kind-terminated']);
  });

  it('purge finished instances of a time and a status, and count them', async () => {
    const from = new Date().toISOString();
    for (const id of ['purge-1', 'purge-2']) {
      await host.startInstance('input', id);
      await host.finished(id);
    }
    await host.startInstance('wait', 'purge-3');
    await running('purge-3');
    const purge = async (query: string) => {
      const answer = await fetch(`${host.origin}${webhook}/instances?${query}`, { method: 'DELETE' });
      return [answer.status, answer.ok && (await answer.json())];
    };
    expect(await purge(`createdTimeFrom=2020-01-01T00:00:00Z&createdTimeTo=2020-01-02T00:00:00Z`)).toEqual([
      404,
      false,
    ]);
    expect(await purge(`createdTimeFrom=${from}&runtimeStatus=Failed`)).toEqual([404, false]);
    expect(await purge(`createdTimeFrom=${from}`)).toEqual([200, { instancesDeleted: 2 }]);
    expect(await idsOf('instanceIdPrefix=purge-')).toEqual(['purge-3']);
  });
});
