import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { type AppDirectory, appDirectory, HostProcess, type TraceLine, until } from './hostProcess.ts';
import { normalise } from './normalise.ts';
import { haveRecordings, recordedApp, recordingsDirectory, whyNot } from './recordings.ts';

describe('Timer functions', () => {
  let directory: AppDirectory;
  let host: HostProcess | undefined;
  afterEach(async () => {
    await host?.end('SIGKILL');
    directory.remove();
  });

  it('run at the next start when no host ran at their time, and are told so', async () => {
    directory = appDirectory('durable.cjs', {
      'durable.cjs': { copyOf: join(import.meta.dirname, 'app/durable.cjs') },
    });
    const runs = join(directory.app, '../runs');
    writeFileSync(runs, '');
    const start = () => HostProcess.start(directory, { env: { RUNS: runs }, args: ['--enable', 'everyHour'] });
    host = await start();
    await host.end();
    expect(readFileSync(runs, 'utf8')).toBe('');
    const store = new DatabaseSync(join(directory.state, 'TestHubName.sqlite'));
    store.prepare('UPDATE timers SET last = ?, next = ?').run('2020-01-01T00:00:00+00:00', '2020-01-01T01:00:00+00:00');
    store.close();
    host = await start();
    await until('the missed run', 5_000, () => (readFileSync(runs, 'utf8') ? true : null));
    expect(readFileSync(runs, 'utf8')).toBe('hour true 2020\n');
    await host.end();
    host = await start();
    expect(readFileSync(runs, 'utf8')).toBe('hour true 2020\n');
  });

  it.skipIf(!haveRecordings)(`get what they got on the real host${whyNot}`, async () => {
    const { invocations } = JSON.parse(readFileSync(join(recordingsDirectory, '55-timer-trigger.json'), 'utf8')) as {
      invocations: TraceLine[];
    };
    // A clock of its own runs this one, every 20 seconds.
    const compared = ({ event, function: name }: TraceLine): boolean =>
      event === 'invocationRequest' && /^tick(Manual|Throw|Client|Startup)$/.test(name);
    directory = recordedApp();
    host = await HostProcess.start(directory);
    for (const [name, body] of [
      ['tickManual', '{}'],
      ['tickManual', '{"input":"abc"}'],
      ['tickThrow', '{}'],
      ['tickClient', '{"input":null}'],
    ]) {
      const answer = await fetch(`${host.origin}/admin/functions/${name}`, {
        method: 'POST',
        body: body ?? '',
        headers: { 'content-type': 'application/json' },
      });
      expect(answer.status).toBe(202);
    }
    const wanted = invocations.filter(compared).map(shown).sort();
    const seen = await until('all runs', 5_000, () => {
      const lines = (host?.trace ?? []).filter(compared).map(shown);
      return lines.length >= wanted.length ? lines.sort() : null;
    });
    expect(seen).toEqual(wanted);
  });
});

function shown({ function: name, request }: TraceLine): string {
  const inputs = request?.inputData.map(({ name: input, data: { data: _oneOf, ...data } }) => {
    const { json$parsed: _json, string$parsed: _string, ...rest } = data;
    return [input, normalise(rest)];
  });
  const metadata = Object.entries(request?.triggerMetadata ?? {}).map(([key, value]) => [key, normalise(value.string)]);
  return JSON.stringify([name, inputs, metadata]);
}
