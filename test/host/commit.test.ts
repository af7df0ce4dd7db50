import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitEpisode } from '../../local/host/durable/commit.ts';
import { HubDatabase } from '../../local/host/durable/database.ts';
import { event, eventType, executionStarted } from '../../local/host/durable/history.ts';
import { createInstance, findInstance, historyOf } from '../../local/host/durable/instances.ts';

describe('The commit of an episode', () => {
  let dir: string;
  let database: HubDatabase;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'molcajete-commit-'));
    database = new HubDatabase(dir, 'hub');
    const start = { instanceId: 'i', executionId: 'e', name: 'o', input: '1', parent: null, generation: 0 };
    createInstance(database, {
      id: 'i',
      execution: 'e',
      name: 'o',
      input: '1',
      parent: null,
      started: executionStarted(start),
    });
    database.run('UPDATE instances SET owner = 1');
  });
  afterEach(() => {
    database.close();
    rmSync(dir, { recursive: true });
  });
  const commit = (owner: number) => {
    const instance = findInstance(database, 'i');
    if (!instance) throw new Error('The instance was created.');
    const completion = { status: 'Completed' as const, output: '7', details: null };
    const decision = { scheduled: [], completion, suspended: null, unconsumedEvents: [], warnings: [] };
    const fresh = [event(eventType.orchestratorStarted, {})];
    return commitEpisode(database, {
      instance,
      owner,
      messageIds: [1],
      pastLength: 0,
      fresh,
      decision,
      customStatus: null,
    });
  };

  it('writes nothing for a host that no longer has the lease', () => {
    expect(commit(2)).toBeNull();
    expect(findInstance(database, 'i')?.status).toBe('Pending');
    expect([historyOf(database, 'i'), database.all('SELECT id FROM messages').length]).toEqual([[], 1]);
  });

  it('writes history and state, consumes the messages and gives the lease back, all at once', () => {
    expect(commit(1)).toEqual({ instances: [], activities: 0 });
    expect(findInstance(database, 'i')).toMatchObject({ status: 'Completed', output: '7' });
    expect(historyOf(database, 'i').map(({ EventType }) => EventType)).toEqual([12, 1, 13]);
    expect(database.all('SELECT owner FROM instances')).toEqual([{ owner: null }]);
    expect(database.all('SELECT id FROM messages')).toEqual([]);
  });
});
