import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HubDatabase } from '../../local/host/durable/database.ts';
import { Engine } from '../../local/host/durable/engine.ts';
import { event, eventType, executionStarted } from '../../local/host/durable/history.ts';
import { createInstance, findInstance, sendMessage } from '../../local/host/durable/instances.ts';
import { workerWith } from './fakeApp.ts';
import { until } from './hostProcess.ts';

describe('The engines of two hosts on one store', () => {
  let dir: string;
  const open: { engine: Engine; database: HubDatabase }[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'molcajete-engine-'));
  });
  afterEach(() => {
    for (const { engine, database } of open.splice(0)) {
      engine.stop();
      database.close();
    }
    rmSync(dir, { recursive: true });
  });

  /** A host that has looked at the store once and has nothing to do. */
  const start = async (run: () => unknown) => {
    const database = new HubDatabase(dir, 'hub');
    const worker = workerWith('work', { type: 'activityTrigger', name: 'input', direction: 'in' }, run);
    const functions = { orchestrators: new Map(), activities: worker.functions };
    const engine = new Engine(database, worker, functions, { maxActivities: 1, maxOrchestrators: 1 });
    engine.start();
    open.push({ engine, database });
    await setImmediate();
    return { engine, database };
  };
  /** A running instance with an empty inbox. The first message to it ends it, as no host here has its orchestrator. */
  const addInstance = (database: HubDatabase, id: string): void => {
    const what = { name: 'o', input: 'null', parent: null };
    const started = executionStarted({ ...what, instanceId: id, executionId: 'now', generation: 0 });
    createInstance(database, { ...what, id, execution: 'now', started });
    database.run('DELETE FROM messages WHERE instance = ?', id);
    database.run("UPDATE instances SET status = 'Running' WHERE id = ?", id);
  };
  const isFinished = (database: HubDatabase, id: string) =>
    findInstance(database, id)?.status === 'Failed' ? true : null;

  it('go on within two seconds with what the one that leaves has given back, timers too', async () => {
    let taken = 0;
    let ranAgain = 0;
    const leaving = await start(() => {
      taken += 1;
      return new Promise(() => {});
    });
    const staying = await start(() => {
      ranAgain += 1;
    });
    for (const id of ['a', 't']) addInstance(leaving.database, id);
    leaving.database.run("INSERT INTO activities (instance, execution, task, name) VALUES ('a', 'now', 0, 'work')");
    sendMessage(leaving.database, 't', 'now', event(eventType.timerFired, { TimerId: 0 }), Date.now() + 500);
    leaving.engine.wake();
    await until('the activity to begin', 1_000, () => taken || null);
    leaving.engine.stop();
    leaving.engine.leave();
    const finished = () => (isFinished(staying.database, 'a') && isFinished(staying.database, 't') ? true : null);
    await until('the other to go on', 3_000, finished);
    expect(ranAgain).toBe(1);
  });

  it('lose no message that one writes while the other, at the same instance, drops an outdated one', async () => {
    const { engine, database } = await start(() => undefined);
    const neighbour = new HubDatabase(dir, 'hub');
    addInstance(database, 'i');
    sendMessage(database, 'i', 'an earlier execution', event(eventType.taskCompleted, { TaskScheduledId: 0 }));
    const all = database.all.bind(database);
    const spy = vi.spyOn(database, 'all').mockImplementation((sql, ...values) => {
      if (sql.startsWith('SELECT event FROM history') && spy.mock.calls.filter(([each]) => each === sql).length === 1)
        sendMessage(neighbour, 'i', null, event(eventType.eventRaised, { Name: 'go', Input: '1' }));
      return all(sql, ...values);
    });
    engine.wake('i');
    // Well before it looks by itself at what the neighbour has done.
    await until('the message to be handled', 1_000, () => isFinished(database, 'i'));
    neighbour.close();
  });
});
