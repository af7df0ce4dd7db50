import { afterAll, beforeAll, expect, test } from 'vitest';
import { logIn, type Session, visibleConnections } from './users.ts';
import { type Answer, openWorld, spec, type World } from './world.ts';

const base = '/jump-servers/team';

let world: World;
let ingress: string;
beforeAll(async () => {
  world = await openWorld();
  const operation = await world.provision('team', spec({ web: { count: 1 } }));
  expect(operation.status, JSON.stringify(operation.error)).toBe('Succeeded');
  const { body } = await world.call('GET', base);
  ingress = `https://${body.status.ingress.address}/guacamole/`;
}, 180_000);
afterAll(() => world?.close());

async function change(method: string, path: string, body: unknown): Promise<Answer> {
  const answer = await world.call(method, base + path, { body });
  expect(answer.status, answer.text).toBeLessThan(300);
  return answer;
}

const enter = (username: string): Promise<Session | undefined> =>
  logIn({ ingress, from: '127.0.0.21' }, username, 'correct horse 1');

test('a node sees a new connection, a revoked permission and a disabled user at the next request', async () => {
  await change('POST', '/users', { username: 'eva', password: 'correct horse 1' });
  await change('POST', '/user-groups', { identifier: 'ops' });
  await change('PATCH', '/users/eva/groups', [{ op: 'add', path: '/', value: 'ops' }]);
  const session = await enter('eva');
  if (session === undefined) throw new Error('eva cannot log in');
  expect(await visibleConnections(session)).toEqual([]);

  const { body: made } = await change('POST', '/connections', {
    name: 'web',
    protocol: 'ssh',
    parameters: { hostname: 'h' },
  });
  const path = `/connectionPermissions/${made.identifier}`;
  await change('PATCH', '/user-groups/ops/permissions', [{ op: 'add', path, value: 'READ' }]);
  expect(await visibleConnections(session)).toEqual(['web']);

  await change('PATCH', '/user-groups/ops/permissions', [{ op: 'remove', path, value: 'READ' }]);
  expect(await visibleConnections(session)).toEqual([]);

  await change('PATCH', '/users/eva', { disabled: true });
  expect(await enter('eva')).toBeUndefined();
});

test('a file of 10,000 connections goes in and comes back over the real host, in pieces of unknown length', async () => {
  const lines = Array.from(
    { length: 10_000 },
    (_, i) => `host ${i},rdp,10.0.0.${i % 250},ROOT/site ${i % 30},team ${i % 7}`,
  );
  const csv = `name,protocol,hostname,group,users\n${lines.join('\n')}\n`;
  const token = await world.stack.token('Connection.Admin');
  const pieces = async function* () {
    for (let start = 0; start < csv.length; start += 50_000) yield Buffer.from(csv.slice(start, start + 50_000));
  };
  const sent = await fetch(`${world.stack.endpoints.api}${base}/imports?createGroups=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'text/csv' },
    body: pieces(),
    duplex: 'half',
  } as RequestInit);
  expect(await sent.json()).toMatchObject({ created: 10_000, createdUsers: { length: 7 } });
  const exported = await world.call('GET', `${base}/exports?format=csv`, { token });
  const found = exported.text.split('\r\n').filter((line) => line.startsWith('host '));
  expect(found).toHaveLength(10_000);
  expect(found[9_999]).toContain('host 9999,rdp,ROOT/site 9,,team 3,');
  const tooMuch = await world.call('POST', `${base}/imports`, {
    raw: 'x'.repeat(70 * 1024 * 1024),
    headers: { 'content-type': 'text/csv' },
  });
  expect([tooMuch.status, tooMuch.body.error.code]).toEqual([413, 'PayloadTooLarge']);
});
