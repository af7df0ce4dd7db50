import { beforeEach, describe, expect, it } from 'vitest';
import { guacamoleRoutes } from '../../functions/guacamole.ts';
import { openApiDocument } from '../../functions/openapi.ts';
import { useApi } from './suite.ts';

const api = useApi();
beforeEach(() => api.clear());

interface Kind {
  path: string;
  /** What makes one; `connection` is there to be shared. */
  body(connection: string): Record<string, unknown>;
  /** A change that `PUT` and `PATCH` may name, and what it was before. */
  change: Record<string, unknown>;
  before: Record<string, unknown>;
  /** Where the answer says which one it is. */
  key: 'identifier' | 'username';
}

const KINDS: Record<string, Kind> = {
  connections: {
    path: '/connections',
    body: () => ({ name: 'one', protocol: 'ssh' }),
    change: { name: 'two' },
    before: { name: 'one', parentIdentifier: 'ROOT' },
    key: 'identifier',
  },
  'connection groups': {
    path: '/connection-groups',
    body: () => ({ name: 'one', type: 'BALANCING' }),
    change: { name: 'two' },
    before: { name: 'one', type: 'BALANCING' },
    key: 'identifier',
  },
  'sharing profiles': {
    path: '/sharing-profiles',
    body: (primaryConnectionIdentifier) => ({ name: 'one', primaryConnectionIdentifier }),
    change: { name: 'two' },
    before: { name: 'one' },
    key: 'identifier',
  },
  users: {
    path: '/users',
    body: () => ({ username: 'one', password: 'p' }),
    change: { disabled: true },
    before: { disabled: false },
    key: 'username',
  },
  'user groups': {
    path: '/user-groups',
    body: () => ({ identifier: 'one' }),
    change: { disabled: true },
    before: { disabled: false },
    key: 'identifier',
  },
};

describe.each(Object.entries(KINDS))('%s', (_title, { path, body, change, before, key }) => {
  const make = async () => {
    const shared = await api.call('POST', '/connections', { body: { name: 'shared', protocol: 'ssh' } });
    const given = { ...body(shared.body.identifier), attributes: { team: 'blue', badge: '7' } };
    const made = await api.call('POST', path, { body: given });
    expect(made).toMatchObject({ status: 201, body: { ...before, attributes: { team: 'blue', badge: '7' } } });
    return { one: `${path}/${made.body[key]}`, given, etag: made.headers.ETag ?? '' };
  };

  it('are patched in what is named', async () => {
    const { one } = await make();
    const patched = await api.call('PATCH', one, { body: { ...change, attributes: { team: null, floor: '2' } } });
    expect(patched.status).toBe(200);
    expect(patched.body).toMatchObject(change);
    expect(patched.body.attributes).toEqual({ badge: '7', floor: '2' });
    const emptied = await api.call('PATCH', one, { body: { attributes: null } });
    expect(emptied.body).toMatchObject({ ...change, attributes: {} });
  });

  it('are replaced whole', async () => {
    const { one, given } = await make();
    const replaced = await api.call('PUT', one, { body: { ...given, ...change, attributes: { floor: '2' } } });
    expect(replaced.status).toBe(200);
    expect(replaced.body).toMatchObject(change);
    expect(replaced.body.attributes).toEqual({ floor: '2' });
    const read = await api.call('GET', one);
    expect([read.body, read.headers.ETag]).toEqual([replaced.body, replaced.headers.ETag]);
  });

  it('are changed and deleted only in the version that the caller has seen', async () => {
    const { one, given, etag } = await make();
    const changed = await api.call('PATCH', one, { body: change, headers: { 'if-match': etag } });
    expect(changed.status).toBe(200);
    expect(changed.headers.ETag).not.toBe(etag);
    for (const [method, sent] of [
      ['PUT', given],
      ['PATCH', { attributes: { team: 'red' } }],
      ['DELETE', undefined],
    ] as const) {
      const late = await api.call(method, one, { body: sent, headers: { 'if-match': etag } });
      expect(late).toMatchObject({ status: 412, body: { error: { code: 'PreconditionFailed' } } });
    }
    expect((await api.call('GET', one)).body).toEqual(changed.body);
    const unchanged = { 'if-none-match': changed.headers.ETag ?? '' };
    expect((await api.call('GET', one, { headers: unchanged })).status).toBe(304);
    const gone = { 'if-match': changed.headers.ETag ?? '' };
    expect((await api.call('DELETE', one, { headers: gone })).status).toBe(204);
    expect((await api.call('GET', one)).status).toBe(404);
  });

  it('say of each method whether it compares versions', () => {
    const { paths } = openApiDocument(guacamoleRoutes(api.deps)) as {
      paths: Record<string, Record<string, { responses: Record<string, unknown> }>>;
    };
    const offers = (below: string) =>
      Object.entries(paths[`/jump-servers/{name}${path}${below}`] ?? {})
        .filter(([, { responses }]) => '412' in responses)
        .map(([method]) => method);
    expect([offers(''), offers('/{id}').sort()]).toEqual([[], ['delete', 'patch', 'put']]);
  });
});
