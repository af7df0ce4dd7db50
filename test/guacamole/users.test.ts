import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';
import { insertRows } from '../../shared/guacamole/bulk.ts';
import { hashPassword } from '../../shared/guacamole/passwords.ts';
import { useApi } from './suite.ts';

const api = useApi();
beforeEach(() => api.clear());

const user = (username: string, more: object = {}) => api.call('POST', '/users', { body: { username, ...more } });
const group = (identifier: string) => api.call('POST', '/user-groups', { body: { identifier } });
const connection = async (name: string): Promise<string> =>
  (await api.call('POST', '/connections', { body: { name, protocol: 'ssh' } })).body.identifier;
const add = (path: string, value: string) => ({ op: 'add', path, value });
const remove = (path: string, value: string) => ({ op: 'remove', path, value });

describe('users', () => {
  it('are made, read, replaced, merged and deleted in the shapes of Guacamole', async () => {
    const attributes = {
      'access-window-start': '08:00:00',
      'valid-until': '2030-02-28',
      timezone: 'Europe/Berlin',
      'guac-full-name': 'Zoë',
      badge: '7',
    };
    const made = await user('zoe', { password: 'p', attributes });
    expect(made).toMatchObject({ status: 201, body: { username: 'zoe', disabled: false, attributes } });
    expect(made.text).not.toContain('password');
    expect((await api.call('GET', '/users/ZOE', { role: 'Reader' })).body.username).toBe('zoe');
    const merged = await api.call('PATCH', '/users/zoe', {
      body: { disabled: true, attributes: { badge: null, expired: 'true' } },
    });
    expect(merged.body).toMatchObject({ disabled: true, attributes: { expired: 'true', timezone: 'Europe/Berlin' } });
    expect(merged.body.attributes).not.toHaveProperty('badge');
    const replaced = await api.call('PUT', '/users/zoe', { body: { attributes: {} } });
    expect(replaced.body).toEqual({ username: 'zoe', disabled: false, attributes: {} });
    expect((await api.call('GET', '/users/zoe/permissions')).body.userPermissions).toEqual({ zoe: ['READ'] });
    expect((await user('Zoe')).body.error.code).toBe('NameTaken');
    expect((await api.call('DELETE', '/users/zoe')).status).toBe(204);
    expect((await api.call('GET', '/users/zoe')).status).toBe(404);
  });

  it('keep their password unless a new one comes, and the old one goes to the history', async () => {
    const hash = async () => await api.db.selectFrom('guacamole_user').selectAll().executeTakeFirstOrThrow();
    await user('a', { password: 'first' });
    const before = await hash();
    expect(before.password_hash).toEqual(hashPassword('first', before.password_salt));
    await api.call('PUT', '/users/a', { body: { attributes: {} } });
    expect((await hash()).password_hash).toEqual(before.password_hash);
    const wrong = await api.call('PUT', '/users/a/password', { body: { oldPassword: 'no', newPassword: 'second' } });
    expect(wrong).toMatchObject({ status: 403, body: { error: { code: 'WrongPassword' } } });
    expect(
      (await api.call('PUT', '/users/a/password', { body: { oldPassword: 'first', newPassword: 'second' } })).status,
    ).toBe(204);
    const after = await hash();
    expect(after.password_hash).toEqual(hashPassword('second', after.password_salt));
    const history = await api.db.selectFrom('guacamole_user_password_history').selectAll().execute();
    expect(history.map((row) => row.password_hash)).toEqual([before.password_hash]);
  });

  it('keep the second factor, which nobody reads, until a body names it', async () => {
    const secret = { 'guac-totp-key-secret': 'JBSWY3DPEHPK3PXP', 'guac-totp-key-confirmed': 'true' };
    const stored = async () =>
      Object.fromEntries(
        (await api.db.selectFrom('guacamole_user_attribute').selectAll().execute()).map((row) => [
          row.attribute_name,
          row.attribute_value,
        ]),
      );
    const made = await user('a', { attributes: { ...secret, badge: '7' } });
    const answers = [
      made,
      await api.call('GET', '/users', { role: 'Reader' }),
      await api.call('GET', '/users/a'),
      await api.call('PATCH', '/users/a', { body: { attributes: { badge: '8' } } }),
      await api.call('PUT', '/users/a', { body: { attributes: { badge: '9' } } }),
      await api.call('PATCH', '/users/a', { body: { attributes: null } }),
      await api.call('PUT', '/users/a', { body: {} }),
    ];
    for (const { text } of answers) expect(text).not.toMatch(/totp|JBSW/);
    expect(await stored()).toEqual(secret);
    await api.call('PATCH', '/users/a', { body: { attributes: { 'GUAC-totp-key-secret': 'other' } } });
    expect(await stored()).toEqual({ 'GUAC-totp-key-secret': 'other', 'guac-totp-key-confirmed': 'true' });
    const reset = { 'guac-totp-key-secret': null, 'guac-totp-key-confirmed': null };
    await api.call('PATCH', '/users/a', { body: { attributes: reset } });
    expect(await stored()).toEqual({});
  });

  it('cannot log in without a password', async () => {
    await user('nobody');
    const row = await api.db.selectFrom('guacamole_user').selectAll().executeTakeFirstOrThrow();
    expect(row.password_hash).not.toEqual(hashPassword('', row.password_salt));
  });

  it('may have names with slashes, dots, percent signs and spaces', async () => {
    for (const name of ['a/b', 'ä ö', '100%', 'x.y@z.com', "o'neil", '%252f', '...']) {
      const made = await user(name);
      expect(made.status).toBe(201);
      expect(decodeURIComponent(made.headers.Location?.split('/').at(-1) ?? '')).toBe(name);
    }
    expect((await api.call('GET', '/users')).body.value).toHaveLength(7);
  });

  it.each(['a%2fb', '%2F', '.', '..'])('may not be called %j, which no path could name', async (name) => {
    for (const refused of [await user(name), await group(name)]) {
      expect(refused.status).toBe(400);
      expect(refused.body.error.message).toContain('must not');
    }
    const list = `[{"name":"c","protocol":"ssh","users":["${name}"],"groups":["${name}"]}]`;
    const imported = await api.call('POST', '/imports', { raw: list });
    expect(imported.body.error.details.map((one: { target: string }) => one.target)).toEqual(['c: users', 'c: groups']);
    await sql`INSERT INTO guacamole_entity (name, type) VALUES (${name}, 'USER')`.execute(api.db);
    await sql`INSERT INTO guacamole_user (entity_id, password_hash, password_date)
      SELECT entity_id, REPEAT('x', 32), UTC_TIMESTAMP() FROM guacamole_entity`.execute(api.db);
    const batch = await api.call('PATCH', '/users', { body: [{ op: 'remove', path: `/${name}` }] });
    expect(batch.status).toBe(200);
  });
});

describe('permissions', () => {
  it('are granted and revoked in batches, the last of several operations on one grant counting', async () => {
    await user('a');
    const c = await connection('c');
    const answer = await api.call('PATCH', '/users/a/permissions', {
      contentType: 'application/json-patch+json',
      body: [
        add(`/connectionPermissions/${c}`, 'READ'),
        add(`/connectionPermissions/${c}`, 'UPDATE'),
        remove(`/connectionPermissions/${c}`, 'READ'),
        add('/systemPermissions', 'AUDIT'),
        remove('/userPermissions/a', 'READ'),
        remove('/connectionPermissions/99999', 'READ'),
      ],
    });
    expect(answer.body).toMatchObject({
      connectionPermissions: { [c]: ['UPDATE'] },
      systemPermissions: ['AUDIT'],
      userPermissions: {},
    });
  });

  it('count two spellings of a name as one grant', async () => {
    for (const name of ['a', 'boss']) await user(name);
    const patch = (...body: object[]) => api.call('PATCH', '/users/a/permissions', { body });
    const [path, other] = ['/userPermissions/boss', '/userPermissions/BOSS'];
    const removed = await patch(add(path, 'READ'), add(other, 'READ'), remove(path, 'READ'));
    expect(removed.body.userPermissions).toEqual({ a: ['READ'] });
    const added = await patch(add(path, 'READ'), remove(other, 'READ'), add(path, 'READ'));
    expect(added.body.userPermissions).toEqual({ a: ['READ'], boss: ['READ'] });
  });

  it('say what is wrong with every operation and change nothing', async () => {
    await user('a');
    const answer = await api.call('PATCH', '/users/a/permissions', {
      body: [
        add('/systemPermissions', 'CREATE_USER'),
        add('/systemPermissions', 'FLY'),
        add('/conectionPermissions/1', 'READ'),
        add('/connectionPermissions/1', 'WRITE'),
        add('/activeConnectionPermissions/1', 'READ'),
        add('/userPermissions', 'READ'),
      ],
    });
    expect(answer.body.error.details.map((one: { target: string }) => one.target)).toEqual([
      '[1]',
      '[2]',
      '[3]',
      '[4]',
      '[5]',
    ]);
    const missing = await api.call('PATCH', '/users/a/permissions', {
      body: [add('/userPermissions/nobody', 'READ'), add('/connectionPermissions/77', 'READ')],
    });
    expect(missing.body.error.details).toHaveLength(2);
    expect((await api.call('GET', '/users/a/permissions')).body.systemPermissions).toEqual([]);
  });

  it('take 10,000 operations in one request', async () => {
    await user('a');
    const lines = Array.from({ length: 2500 }, (_, i) => `c${i},ssh`).join('\n');
    const { body } = await api.call('POST', '/imports', { raw: `name,protocol\n${lines}`, contentType: 'text/csv' });
    const operations = body.records.flatMap((one: { identifier: string }) =>
      ['READ', 'UPDATE', 'DELETE', 'ADMINISTER'].map((value) => add(`/connectionPermissions/${one.identifier}`, value)),
    );
    const answer = await api.call('PATCH', '/users/a/permissions', { body: operations });
    expect(answer.status).toBe(200);
    expect(Object.keys(answer.body.connectionPermissions)).toHaveLength(2500);
  });

  it('come through nested groups, even ones that contain each other, but not through disabled ones', async () => {
    await user('a');
    const c = await connection('c');
    for (const name of ['inner', 'outer', 'off']) await group(name);
    await api.call('PATCH', '/users/a/groups', { body: [add('/', 'inner')] });
    await api.call('PATCH', '/user-groups/outer/members', { body: [add('/memberUserGroups', 'inner')] });
    await api.call('PATCH', '/user-groups/inner/members', { body: [add('/memberUserGroups', 'outer')] });
    await api.call('PATCH', '/user-groups/off/members', { body: [add('/memberUsers', 'a')] });
    await api.call('PATCH', '/user-groups/off', { body: { disabled: true } });
    await api.call('PATCH', '/user-groups/outer/permissions', { body: [add(`/connectionPermissions/${c}`, 'READ')] });
    await api.call('PATCH', '/user-groups/off/permissions', { body: [add('/systemPermissions', 'CREATE_USER')] });
    const effective = await api.call('GET', '/users/a/effective-permissions', { role: 'Reader' });
    expect(effective.body).toMatchObject({
      connectionPermissions: { [c]: ['READ'] },
      systemPermissions: [],
      userPermissions: { a: ['READ'] },
    });
    expect((await api.call('GET', '/users/a/groups')).body).toEqual(['inner', 'off']);
    expect((await api.call('GET', '/user-groups/inner/members')).body).toEqual({
      memberUsers: ['a'],
      memberUserGroups: ['outer'],
    });
    await api.call('PATCH', '/users/a/groups', { body: [remove('/', 'inner')] });
    expect((await api.call('GET', '/users/a/effective-permissions')).body.connectionPermissions).toEqual({});
  });
});

describe('system administrators of Guacamole', () => {
  beforeEach(async () => {
    await user('boss', { password: 'p' });
    await user('a', { password: 'p' });
    await group('bosses');
    await group('nested');
    await api.call('PATCH', '/users/boss/permissions', { body: [add('/systemPermissions', 'ADMINISTER')] });
    await api.call('PATCH', '/user-groups/bosses/permissions', { body: [add('/systemPermissions', 'ADMINISTER')] });
    await api.call('PATCH', '/user-groups/bosses/members', { body: [add('/memberUserGroups', 'nested')] });
    await api.call('PATCH', '/user-groups/bosses', { body: { disabled: true } });
  });

  it.each([
    ['granting it to a user', 'PATCH', '/users/a/permissions', [add('/systemPermissions', 'ADMINISTER')]],
    ['granting it to a group', 'PATCH', '/user-groups/nested/permissions', [add('/systemPermissions', 'ADMINISTER')]],
    ['revoking it', 'PATCH', '/users/boss/permissions', [remove('/systemPermissions', 'ADMINISTER')]],
    ['joining a group that has it', 'PATCH', '/users/a/groups', [add('/', 'bosses')]],
    ['joining a group inside one that has it', 'PATCH', '/user-groups/nested/members', [add('/memberUsers', 'a')]],
    [
      'becoming able to change an administrator',
      'PATCH',
      '/users/a/permissions',
      [add('/userPermissions/BOSS', 'UPDATE')],
    ],
    [
      'becoming able to change such a group',
      'PATCH',
      '/users/a/permissions',
      [add('/userGroupPermissions/bosses', 'ADMINISTER')],
    ],
    ["setting an administrator's password", 'PUT', '/users/boss/password', { newPassword: 'x' }],
    ['setting it by replacing', 'PUT', '/users/boss', { password: 'x' }],
    ['disabling an administrator', 'PATCH', '/users/boss', { disabled: true }],
    ['enabling a group of administrators', 'PATCH', '/user-groups/bosses', { disabled: false }],
    ['deleting an administrator', 'DELETE', '/users/boss', undefined],
    ['deleting one in a batch', 'PATCH', '/users', [{ op: 'remove', path: '/boss' }]],
  ])('need JumpServer.Admin for %s', async (_what, method, path, body) => {
    const refused = await api.call(method, path, { body, role: 'Connection.Admin' });
    expect(refused.text).toContain('AdministratorProtected');
    expect([400, 403]).toContain(refused.status);
    const allowed = await api.call(method, path, { body, role: 'JumpServer.Admin' });
    expect(allowed.status).toBeLessThan(300);
  });

  it('are found behind a chain of 1,100 groups', async () => {
    const depth = 1100;
    await api.db.transaction().execute(async (tx) => {
      const names = Array.from({ length: depth }, (_, i) => [`chain ${String(i).padStart(4, '0')}`, 'USER_GROUP']);
      await insertRows(tx, 'guacamole_entity (name, type)', names);
      await sql`INSERT INTO guacamole_user_group (entity_id)
        SELECT entity_id FROM guacamole_entity WHERE name LIKE 'chain %' ORDER BY name`.execute(tx);
      await sql`INSERT INTO guacamole_user_group_member (user_group_id, member_entity_id)
        SELECT g.user_group_id, below.entity_id FROM guacamole_user_group g
        JOIN guacamole_entity e ON e.entity_id = g.entity_id
        JOIN guacamole_entity below ON below.name = CONCAT('chain ', LPAD(RIGHT(e.name, 4) - 1, 4, '0'))
        WHERE e.name LIKE 'chain %' AND e.name > 'chain 0000'`.execute(tx);
      await sql`INSERT INTO guacamole_system_permission
        SELECT entity_id, 'ADMINISTER' FROM guacamole_entity WHERE name = ${`chain ${depth - 1}`}`.execute(tx);
    });
    const join = { body: [add('/', 'chain 0000')] };
    const refused = await api.call('PATCH', '/users/a/groups', { ...join, role: 'Connection.Admin' });
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 'AdministratorProtected' } } });
    expect((await api.call('PATCH', '/users/a/groups', join)).status).toBe(200);
    const effective = await api.call('GET', '/users/a/effective-permissions');
    expect(effective.body.systemPermissions).toEqual(['ADMINISTER']);
  });

  it('leave Connection.Admin everything else', async () => {
    for (const [method, path, body] of [
      ['PATCH', '/users/a/permissions', [add('/systemPermissions', 'CREATE_USER')]],
      ['PUT', '/users/a/password', { newPassword: 'x' }],
      ['DELETE', '/users/a', undefined],
    ] as const) {
      expect((await api.call(method, path, { body, role: 'Connection.Admin' })).status).toBeLessThan(300);
    }
  });
});
