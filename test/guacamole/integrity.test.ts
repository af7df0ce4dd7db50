import fc from 'fast-check';
import { sql } from 'kysely';
import { beforeEach, describe, expect, it } from 'vitest';
import { FIRST_STEPS, PlainModel, type Step, stepArbitrary } from './plainModel.ts';
import { useApi } from './suite.ts';

const api = useApi();
beforeEach(() => api.clear());

describe('writers at the same moment', () => {
  it('make exactly one of each name, at the root, in a group, of users and of user groups, 200 times', async () => {
    const parentIdentifier = (await api.call('POST', '/connection-groups', { body: { name: 'group' } })).body
      .identifier;
    const kinds: [string, (name: string) => object][] = [
      ['/connections', (name) => ({ name, protocol: 'ssh' })],
      ['/connections', (name) => ({ name, protocol: 'ssh', parentIdentifier })],
      ['/connection-groups', (name) => ({ name })],
      ['/users', (name) => ({ username: name })],
      ['/user-groups', (name) => ({ identifier: name })],
    ];
    for (let round = 0; round < 200; round++) {
      const calls = kinds.flatMap(([path, body]) =>
        [0, 1].map(() => api.call('POST', path, { body: body(`n${round}`) })),
      );
      const statuses = (await Promise.all(calls)).map((answer) => answer.status);
      expect(statuses.flatMap((_, index) => (index % 2 === 0 ? statuses.slice(index, index + 2).sort() : []))).toEqual(
        kinds.flatMap(() => [201, 409]),
      );
    }
  }, 60_000);

  it('make exactly one of each name when one of them is an import', async () => {
    const raw = (round: number) => `name,protocol,users\nn${round},ssh,u${round}\nother ${round},ssh,\n`;
    for (let round = 0; round < 40; round++) {
      const [imported, made] = await Promise.all([
        api.call('POST', '/imports', { raw: raw(round), contentType: 'text/csv' }),
        api.call('POST', '/connections', { body: { name: `N${round}`, protocol: 'ssh' } }),
      ]);
      expect([`${imported.status} ${made.status}`, imported.text]).toEqual([
        expect.stringMatching(/^(200 409|400 201)$/),
        expect.stringMatching(/"created":2|"NameTaken"/),
      ]);
      const found = await api.call('GET', `/connections?$filter=name eq 'n${round}'`);
      expect(found.body.value).toHaveLength(1);
    }
  });

  it('never build a cycle out of two moves', async () => {
    const make = async (name: string) =>
      (await api.call('POST', '/connection-groups', { body: { name } })).body.identifier as string;
    for (let round = 0; round < 40; round++) {
      const [a, b] = [await make(`a${round}`), await make(`b${round}`)];
      const moves = await Promise.all([
        api.call('PATCH', `/connection-groups/${a}`, { body: { parentIdentifier: b } }),
        api.call('PATCH', `/connection-groups/${b}`, { body: { parentIdentifier: a } }),
      ]);
      expect(moves.map((move) => move.status).sort()).toEqual([200, 409]);
    }
  });

  it('lose none of two changes to different members of one connection', async () => {
    const { identifier } = (await api.call('POST', '/connections', { body: { name: 'c', protocol: 'ssh' } })).body;
    const names = Array.from({ length: 12 }, (_, i) => `custom-${i}`);
    const answers = await Promise.all(
      names.map((name) => api.call('PATCH', `/connections/${identifier}`, { body: { attributes: { [name]: 'x' } } })),
    );
    expect(answers.map((answer) => answer.status)).toEqual(names.map(() => 200));
    expect(Object.keys((await api.call('GET', `/connections/${identifier}`)).body.attributes)).toHaveLength(12);
  });

  it('are told apart by their versions: of ten with the same ETag one wins', async () => {
    const made = await api.call('POST', '/connections', { body: { name: 'c', protocol: 'ssh' } });
    const calls = Array.from({ length: 10 }, (_, i) =>
      api.call('PUT', `/connections/${made.body.identifier}`, {
        body: { name: `c${i}`, protocol: 'ssh' },
        headers: { 'if-match': made.headers.ETag ?? '' },
      }),
    );
    const statuses = (await Promise.all(calls)).map((answer) => answer.status).sort();
    expect(statuses).toEqual([200, ...Array(9).fill(412)]);
  });
});

describe('any sequence of changes', () => {
  it('leaves the tree, the rows and everybody’s effective permissions as a plain model says', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(stepArbitrary, { minLength: 10, maxLength: 60, size: 'max' }),
        async (steps: Step[]) => {
          await api.clear();
          const model = new PlainModel();
          for (const [index, step] of [...FIRST_STEPS, ...steps].entries()) {
            await model.run(step, api);
            if (index % 8 === 7) await compare(model);
          }
          await compare(model);
          expect(await orphans()).toBe(0);
        },
      ),
      { numRuns: 30, interruptAfterTimeLimit: 40_000 },
    );
  }, 60_000);
});

async function compare(model: PlainModel): Promise<void> {
  expect(await model.readTree(api)).toEqual(model.tree());
  for (const user of model.users.values()) {
    const effective = await api.call('GET', `/users/${encodeURIComponent(user)}/effective-permissions`);
    const { connectionPermissions, userPermissions, userGroupPermissions, systemPermissions } = effective.body;
    expect({ connectionPermissions, userPermissions, userGroupPermissions, systemPermissions }).toEqual(
      model.effective(user),
    );
  }
}

/** Rows whose foreign keys point nowhere; the server's own constraints are not trusted here. */
async function orphans(): Promise<number> {
  const checks = [
    'SELECT COUNT(*) n FROM guacamole_connection c LEFT JOIN guacamole_connection_group g ON g.connection_group_id = c.parent_id WHERE c.parent_id IS NOT NULL AND g.connection_group_id IS NULL',
    'SELECT COUNT(*) n FROM guacamole_connection_permission p LEFT JOIN guacamole_entity e ON e.entity_id = p.entity_id LEFT JOIN guacamole_connection c ON c.connection_id = p.connection_id WHERE e.entity_id IS NULL OR c.connection_id IS NULL',
    'SELECT COUNT(*) n FROM guacamole_user_group_member m LEFT JOIN guacamole_entity e ON e.entity_id = m.member_entity_id LEFT JOIN guacamole_user_group g ON g.user_group_id = m.user_group_id WHERE e.entity_id IS NULL OR g.user_group_id IS NULL',
    "SELECT COUNT(*) n FROM guacamole_entity e LEFT JOIN guacamole_user u ON u.entity_id = e.entity_id LEFT JOIN guacamole_user_group g ON g.entity_id = e.entity_id WHERE IF(e.type = 'USER', u.user_id, g.user_group_id) IS NULL",
  ];
  const counts = await Promise.all(checks.map((check) => sql.raw<{ n: number }>(check).execute(api.db)));
  return counts.reduce((sum, { rows }) => sum + (rows[0]?.n ?? 0), 0);
}
