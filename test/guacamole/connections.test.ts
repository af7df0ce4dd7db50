import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';
import type { TestApi } from './api.ts';
import { useApi } from './suite.ts';

/** Guacamole fills it in when a session starts. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: a token of Guacamole
const TOKEN = '${GUAC_PASSWORD}';

const api = useApi();
let counter = 0;
let name: string;
beforeEach(() => {
  counter += 1;
  name = `thing ${counter}`;
});

const create = async (body: object) => {
  const answer = await api.call('POST', '/connections', { body: { protocol: 'rdp', name, ...body } });
  expect(answer.body).toMatchObject({ identifier: expect.any(String) });
  return answer;
};

describe('connections', () => {
  it('are made, read, replaced and deleted in the shapes of Guacamole', async () => {
    const made = await create({
      parameters: { hostname: '10.0.0.4', port: '3389', password: TOKEN },
      attributes: {
        'max-connections': '2',
        'guacd-encryption': 'ssl',
        'failover-only': 'true',
        team: 'blue',
        weight: '',
      },
    });
    expect(made.status).toBe(201);
    const expected = {
      name,
      identifier: made.body.identifier,
      parentIdentifier: 'ROOT',
      protocol: 'rdp',
      attributes: { 'max-connections': '2', 'failover-only': 'true', 'guacd-encryption': 'ssl', team: 'blue' },
      activeConnections: 0,
    };
    expect(made.body).toEqual(expected);
    const path = `/connections/${made.body.identifier}`;
    expect(made.headers.Location).toBe(`https://api.test/api/jump-servers/js${path}`);
    const read = await api.call('GET', path, { role: 'Reader' });
    expect(read.body).toEqual(expected);
    expect(read.headers.ETag).toBe(made.headers.ETag);
    expect((await api.call('GET', path, { headers: { 'if-none-match': made.headers.ETag ?? '' } })).status).toBe(304);
    expect((await api.call('GET', `${path}/parameters`)).body).toEqual({
      hostname: '10.0.0.4',
      port: '3389',
      password: TOKEN,
    });

    const replaced = await api.call('PUT', path, {
      body: { ...expected, protocol: 'rdp', name: `${name} new`, attributes: { weight: '3' } },
    });
    expect(replaced.body).toMatchObject({ name: `${name} new`, attributes: { weight: '3' } });
    expect((await api.call('GET', `${path}/parameters`)).body).toHaveProperty('password');
    const emptied = await api.call('PUT', path, { body: { name, protocol: 'ssh', parameters: {} } });
    expect(emptied.body).toMatchObject({ protocol: 'ssh', attributes: {} });
    expect((await api.call('GET', `${path}/parameters`)).body).toEqual({});
    expect((await api.call('DELETE', path)).status).toBe(204);
    expect((await api.call('GET', path)).status).toBe(404);
  });

  it('merge what a PATCH names and lose what it sets to null', async () => {
    const { body } = await create({
      parameters: { hostname: 'a', username: 'u' },
      attributes: { team: 'blue', weight: '1' },
    });
    const path = `/connections/${body.identifier}`;
    const patched = await api.call('PATCH', path, {
      body: { parameters: { username: null, domain: 'd' }, attributes: { weight: null, 'max-connections': '9' } },
      contentType: 'application/merge-patch+json',
    });
    expect(patched.body).toMatchObject({ name, protocol: 'rdp', attributes: { team: 'blue', 'max-connections': '9' } });
    expect((await api.call('GET', `${path}/parameters`)).body).toEqual({ hostname: 'a', domain: 'd' });
  });

  it('may have names of their own that only look like known attributes, and weights below zero', async () => {
    const attributes = { 'weight-2': 'x', weight: '-1', 'max-connections-per-user-2': 'y' };
    expect((await create({ attributes })).body.attributes).toEqual(attributes);
    for (const name of ['Weight', 'max_connections', 'guacd hostname']) {
      const refused = await api.call('POST', '/connections', {
        body: { name: 'other', protocol: 'ssh', attributes: { [name]: '1' } },
      });
      expect(refused.status, name).toBe(400);
    }
  });

  it('are patched also where somebody else has stored what would be refused here', async () => {
    const { body } = await create({ protocol: 'ssh' });
    const id = body.identifier;
    await sql`UPDATE guacamole_connection SET protocol = 'spice', max_connections = -7, proxy_port = 0 WHERE connection_id = ${id}`.execute(
      api.db,
    );
    await sql`INSERT INTO guacamole_connection_attribute VALUES (${id}, 'Weight', 'x')`.execute(api.db);
    const path = `/connections/${id}`;
    const renamed = await api.call('PATCH', path, { body: { name: `${name} new`, attributes: { team: 'blue' } } });
    expect(renamed.body).toMatchObject({
      name: `${name} new`,
      protocol: 'spice',
      attributes: { 'max-connections': '-7', 'guacd-port': '0', Weight: 'x', team: 'blue' },
    });
    expect((await api.call('PATCH', path, { body: { attributes: { 'guacd-port': '0' } } })).status).toBe(400);
    const removed = await api.call('PATCH', path, { body: { attributes: { Weight: null } } });
    expect(removed.body.attributes).not.toHaveProperty('Weight');
  });

  it.each([
    ['attributes', { étage: '1', etage: '2' }, /'étage' and 'etage' are one name/],
    ['attributes', { Team: '1', team: '2' }, /'Team' and 'team' are one name/],
    ['parameters', { 'new-é': '1', 'NEW-E': '2' }, /'new-é' and 'NEW-E' are one name/],
  ])('name those of their %s that are one name to the database', async (map, values, message) => {
    const [first = ''] = Object.keys(values);
    const query = '?allowUnknownParameters=true';
    const refused = await api.call('POST', `/connections${query}`, { body: { name, protocol: 'ssh', [map]: values } });
    expect(refused).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(message) } } });
    const { body } = await api.call('POST', `/connections${query}`, {
      body: { name, protocol: 'ssh', [map]: { [first]: '1' } },
    });
    const late = await api.call('PATCH', `/connections/${body.identifier}${query}`, { body: { [map]: values } });
    expect(late).toMatchObject({ status: 400, body: { error: { message: expect.stringMatching(message) } } });
    const imported = await api.call('POST', `/imports${query}`, {
      raw: JSON.stringify([{ name: `${name} too`, protocol: 'ssh', [map]: values }]),
    });
    expect(imported.body.error.details).toMatchObject([{ message: expect.stringMatching(message) }]);
  });

  it('answer soon and briefly however much is wrong with them', async () => {
    const wrong = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`hostnam${i}`, 'x']));
    const begun = performance.now();
    const refused = await api.call('POST', '/connections', { body: { name, protocol: 'rdp', parameters: wrong } });
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(refused.body.error.message).toContain('(and 19999 more)');
    expect(refused.body.error.details).toHaveLength(1000);
    const batch = await api.call('PATCH', '/connections', {
      body: [0, 1].map((n) => ({ op: 'add', path: '/', value: { name: `${n}`, protocol: 'rdp', parameters: wrong } })),
    });
    expect(batch.body.error.details).toHaveLength(1000);
    const imported = await api.call('POST', '/imports?dryRun=true', {
      raw: JSON.stringify([{ name, protocol: 'rdp', parameters: wrong }]),
    });
    expect(imported.body.records[0].problems).toHaveLength(21);
    expect(imported.body.records[0].problems.at(-1).message).toBe('19980 more problems of this record are not listed.');
  });

  it('never show parameters in lists or single reads, and parameters only to who may change them', async () => {
    const { body } = await create({ parameters: { password: 'hunter2-secret' } });
    for (const path of ['/connections', `/connections/${body.identifier}`]) {
      expect((await api.call('GET', path, { role: 'Reader' })).text).not.toContain('hunter2');
    }
    const refused = await api.call('GET', `/connections/${body.identifier}/parameters`, { role: 'Reader' });
    expect(refused.status).toBe(403);
    const before = api.audit.length;
    await api.call('GET', `/connections/${body.identifier}/parameters`, { role: 'Connection.Admin' });
    expect(api.audit.slice(before)).toMatchObject([{ operation: 'Connections_GetParameters', outcome: 'succeeded' }]);
    expect(JSON.stringify(api.audit)).not.toContain('hunter2');
  });

  it('refuse an unknown parameter by naming the nearest known one, unless the caller insists', async () => {
    const body = { name, protocol: 'rdp', parameters: { hostnme: 'x', port: 'abc', security: 'none' } };
    const refused = await api.call('POST', '/connections', { body });
    expect(refused.status).toBe(400);
    expect(refused.body.error.details).toHaveLength(3);
    expect(refused.body.error.message).toContain("'hostname'");
    const allowed = await api.call('POST', '/connections?allowUnknownParameters=true', {
      body: { ...body, parameters: { hostnme: 'x' } },
    });
    expect(allowed.status).toBe(201);
  });

  it('are not overwritten by who read them before somebody else changed them', async () => {
    const { body, headers } = await create({ parameters: { password: 'a' } });
    const path = `/connections/${body.identifier}`;
    await api.call('PATCH', path, { body: { parameters: { password: 'b' } } });
    const late = await api.call('PUT', path, {
      body: { name, protocol: 'rdp' },
      headers: { 'if-match': headers.ETag ?? '' },
    });
    expect(late.status).toBe(412);
    const current = await api.call('GET', path);
    const now = await api.call('PUT', path, {
      body: { name, protocol: 'rdp' },
      headers: { 'if-match': current.headers.ETag ?? '' },
    });
    expect(now.status).toBe(200);
  });

  it('change in a batch all or not at all, and the error names every operation that fails', async () => {
    const { body: old } = await create({});
    const failing = await api.call('PATCH', '/connections', {
      contentType: 'application/json-patch+json',
      body: [
        { op: 'add', path: '/', value: { name: `${name} a`, protocol: 'ssh' } },
        { op: 'add', path: '/', value: { name: `${name} b`, protocol: 'shh' } },
        { op: 'remove', path: '/999999' },
        { op: 'replace', path: `/${old.identifier}`, value: { name: 7 } },
      ],
    });
    expect(failing.status).toBe(400);
    expect(failing.body.error.details.map((detail: { target: string }) => detail.target.split('.')[0])).toEqual(
      expect.arrayContaining(['[1]', '[2]', '[3]']),
    );
    expect((await api.call('GET', `/connections?$filter=startswith(name,'${name} ')`)).body.value).toEqual([]);
    const done = await api.call('PATCH', '/connections', {
      contentType: 'application/json-patch+json',
      body: [
        { op: 'add', path: '/', value: { name: `${name} a`, protocol: 'ssh' } },
        { op: 'replace', path: `/${old.identifier}`, value: { name: `${name} c`, protocol: 'vnc' } },
      ],
    });
    expect(done.body.patches).toMatchObject([
      { op: 'add', identifier: expect.stringMatching(/^\d+$/) },
      { op: 'replace', identifier: old.identifier },
    ]);
  });

  it('come in pages that hold each one once, in both directions, by name and by identifier, across groups', async () => {
    const group = (await api.call('POST', '/connection-groups', { body: { name: `${name} group` } })).body.identifier;
    for (const parentIdentifier of ['ROOT', group]) {
      for (let index = 0; index < 7; index++) await create({ name: `${name} page ${index}`, parentIdentifier });
    }
    for (const order of ['name', 'name desc', 'identifier', 'identifier desc']) {
      const seen: string[] = [];
      let next: string | undefined = `/connections?$top=3&$orderby=${order}&$filter=startswith(name,'${name} page')`;
      while (next) {
        const page: Awaited<ReturnType<TestApi['call']>> = await api.call('GET', next, { role: 'Reader' });
        expect(page.status).toBe(200);
        seen.push(...page.body.value.map((one: { identifier: string }) => one.identifier));
        next = page.body.nextLink?.split('/js')[1];
      }
      expect(new Set(seen).size).toBe(14);
      expect(seen).toHaveLength(14);
    }
  });
});

describe('connection groups', () => {
  const group = async (body: object) =>
    (await api.call('POST', '/connection-groups', { body: { name, ...body } })).body.identifier as string;

  it('nest, show their tree, and are deleted with their content only when told so', async () => {
    const top = await group({ type: 'BALANCING', attributes: { 'enable-session-affinity': 'true' } });
    const child = await group({ parentIdentifier: top });
    const { body: connection } = await create({ parentIdentifier: child });
    const profile = await api.call('POST', '/sharing-profiles', {
      body: { name, primaryConnectionIdentifier: connection.identifier, parameters: { 'read-only': 'true' } },
    });
    expect(profile.status).toBe(201);
    const tree = await api.call('GET', `/connection-groups/${top}/tree`, { role: 'Reader' });
    expect(tree.body).toMatchObject({
      identifier: top,
      type: 'BALANCING',
      childConnectionGroups: [
        { identifier: child, childConnections: [{ identifier: connection.identifier, sharingProfiles: [{ name }] }] },
      ],
    });
    expect((await api.call('GET', '/connection-groups/ROOT/tree')).text).toContain(`"identifier":"${top}"`);
    const refused = await api.call('DELETE', `/connection-groups/${top}`);
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'GroupNotEmpty' } } });
    expect((await api.call('DELETE', `/connection-groups/${top}?recursive=true`)).status).toBe(204);
    expect((await api.call('GET', `/connections/${connection.identifier}`)).status).toBe(404);
  });

  it('cannot be moved into themselves or below', async () => {
    const a = await group({});
    const b = await group({ parentIdentifier: a });
    const c = await group({ parentIdentifier: b });
    for (const into of [a, b, c]) {
      const moved = await api.call('PATCH', `/connection-groups/${a}`, { body: { parentIdentifier: into } });
      expect(moved).toMatchObject({ status: 409, body: { error: { code: 'GroupCycle' } } });
    }
  });

  it('nest deeper than cascades of the database go, and can still be deleted', async () => {
    let parentIdentifier = await group({});
    const top = parentIdentifier;
    for (let depth = 0; depth < 30; depth++) parentIdentifier = await group({ parentIdentifier });
    await create({ parentIdentifier });
    expect((await api.call('DELETE', `/connection-groups/${top}?recursive=true`)).status).toBe(204);
  });
});
