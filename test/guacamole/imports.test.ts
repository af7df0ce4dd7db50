import { execFileSync } from 'node:child_process';
import { parse } from 'csv-parse/sync';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { importsRoutes } from '../../functions/imports.ts';
import { textStream } from '../../shared/guacamole/csvText.ts';
import { writeExport } from '../../shared/guacamole/export/writeFile.ts';
import { readImport } from '../../shared/guacamole/import/readFile.ts';
import { dryRunImport } from '../../shared/guacamole/import/runImport.ts';
import { createTablesStub } from '../unit/tablesStub.ts';
import { callRoute, startApi, type TestApi } from './api.ts';
import { startMariadb, type TestServer } from './mariadb.ts';

let server: TestServer;
let api: TestApi;
beforeAll(async () => {
  server = await startMariadb();
  api = await startApi(server);
}, 60_000);
afterAll(async () => {
  await api.close();
  await server.stop();
});
beforeEach(() => api.clear());

/** The example of Guacamole's manual. */
const MANUAL_CSV = `name,protocol,username,password,hostname,group,users,groups,guacd-encryption (attribute)
conn1,vnc,alice,pass1,conn1.web.com,ROOT,guac user 1;guac user 2,Connection 1 Users,none
conn2,rdp,bob,pass2,conn2.web.com,ROOT/Parent Group,guac user 1,,ssl
conn3,ssh,carol,pass3,conn3.web.com,ROOT/Parent Group/Child Group,guac user 2;guac user 3,,
conn4,kubernetes,,,,,,,
`;
const MANUAL_YAML = `---
- name: conn1
  protocol: vnc
  parameters:
    username: alice
    password: pass1
    hostname: conn1.web.com
  group: ROOT
  users:
    - guac user 1
    - guac user 2
  groups:
    - Connection 1 Users
  attributes:
    guacd-encryption: none
- name: conn2
  protocol: rdp
  parameters:
    username: bob
    password: pass2
    hostname: conn2.web.com
    port: 3389
  group: ROOT/Parent Group
`;

const send = (raw: string, query = 'createGroups=true', contentType = 'text/csv', role?: 'Connection.Admin') =>
  api.call('POST', `/imports?${query}`, { raw, contentType, ...(role ? { role } : {}) });

const download = async (format: string) => (await api.call('GET', `/exports?format=${format}`)).text;

const rows = async (): Promise<number> =>
  (await api.db.selectFrom('guacamole_connection').selectAll().execute()).length;

const aliasBomb = (): string => {
  const levels = Array.from({ length: 9 }, (_, i) => `- &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`);
  return ['- &l0 x', ...levels].join('\n');
};

describe('an import', () => {
  it("takes the CSV of Guacamole's manual, makes groups, users and user groups, and says so for every line", async () => {
    const answer = await send(MANUAL_CSV);
    expect(answer.body).toMatchObject({
      dryRun: false,
      created: 4,
      replaced: 0,
      createdGroups: ['ROOT/Parent Group', 'ROOT/Parent Group/Child Group'],
      createdUsers: ['guac user 1', 'guac user 2', 'guac user 3'],
      createdUserGroups: ['Connection 1 Users'],
    });
    expect(
      answer.body.records.map((one: { line: number; name: string; group: string; action: string }) => [
        one.line,
        one.name,
        one.group,
        one.action,
      ]),
    ).toEqual([
      [2, 'conn1', 'ROOT', 'create'],
      [3, 'conn2', 'ROOT/Parent Group', 'create'],
      [4, 'conn3', 'ROOT/Parent Group/Child Group', 'create'],
      [5, 'conn4', 'ROOT', 'create'],
    ]);
    const [conn1] = answer.body.records;
    expect((await api.call('GET', `/connections/${conn1.identifier}/parameters`)).body).toEqual({
      username: 'alice',
      password: 'pass1',
      hostname: 'conn1.web.com',
    });
    expect((await api.call('GET', `/connections/${conn1.identifier}`)).body.attributes).toEqual({
      'guacd-encryption': 'none',
    });
    const user = await api.call('GET', '/users/guac%20user%201/permissions');
    expect(user.body.connectionPermissions[conn1.identifier]).toEqual(['READ']);
    expect(user.body.userPermissions).toEqual({ 'guac user 1': ['READ'] });
    expect(
      (await api.call('GET', '/user-groups/Connection%201%20Users/permissions')).body.connectionPermissions,
    ).toEqual({ [conn1.identifier]: ['READ'] });
  });

  it('takes the same as YAML and JSON, chosen by content type or by the name of the file', async () => {
    const yaml = await send(MANUAL_YAML, 'createGroups=true', 'application/yaml');
    expect(yaml.body).toMatchObject({ created: 2, records: [{ line: 2 }, { line: 16 }] });
    const json = await api.call('POST', '/imports?fileName=more.json', {
      raw: JSON.stringify([{ name: 'j', protocol: 'ssh', parentIdentifier: 'ROOT', parameters: { hostname: 'h' } }]),
      contentType: 'application/octet-stream',
    });
    expect(json.body.created).toBe(1);
    expect((await send('x', '', 'image/png')).status).toBe(415);
  });

  it('reports everything that is wrong, by line, and imports nothing', async () => {
    const csv = `name,protocol,hostname,port,group,users,weight
good,rdp,h,3389,,,
,rdp,h,,,,
twice,ssh,h,,,,
TWICE,ssh,h,,,,
bad,rpd,h,,,,
lost,rdp,h,abc,ROOT/No Such,,x
vncs,kubernetes,h,22,,,
`;
    const answer = await send(csv, '');
    expect(answer.status).toBe(400);
    const found = answer.body.error.details.map(
      (one: { line: number; target: string; code: string }) => `${one.line} ${one.target} ${one.code}`,
    );
    expect(found).toEqual([
      '3 : name InvalidValue',
      '5 TWICE: name DuplicateInFile',
      '6 bad: protocol InvalidValue',
      '7 lost: parameters.port InvalidValue',
      '7 lost: attributes.weight InvalidValue',
      '7 lost: group NotFound',
    ]);
    expect(await rows()).toBe(0);
    const dry = await send(csv, 'dryRun=true');
    expect(dry).toMatchObject({ status: 200, body: { dryRun: true, created: 3, failed: 4 } });
    expect(dry.body.records[0]).toEqual({ index: 0, line: 2, name: 'good', group: 'ROOT', action: 'create' });
    expect(await rows()).toBe(0);
  });

  it.each([
    ['name,name,protocol\na,b,ssh', /'name' is there twice/],
    ['name,protocol,hostnam\na,ssh,x', /'hostnam' is neither.*'hostname'/],
    ['name\na', /no column 'protocol'/],
    ['name,protocol\n"a,ssh', /quote/],
    ['name,protocol\n', /holds no connections/],
    ['', /holds no connections/],
    ['name,protocol\na,ssh,extra', /3 cells, the header 2/],
    ['name,protocol,group,parentIdentifier\na,ssh,ROOT,1', /Only one of group and parentIdentifier/],
    ['name,protocol,parentIdentifier\na,ssh,99999', /no connection group '99999'/],
  ])('says what is wrong with the file %j', async (csv, message) => {
    const answer = await send(csv, '');
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(message);
  });

  it.each([
    ['an object', '{"name":"a"}', 'application/json', 'ListRequired'],
    ['a list of other things', '[1, null, ["x"]]', 'application/json', 'ImportFailed'],
    [
      'fields of the wrong type',
      '[{"name":7,"protocol":true,"users":"x","parameters":[],"colour":1}]',
      'application/json',
      'ImportFailed',
    ],
    ['half a surrogate pair', '[{"name":"a\\ud800","protocol":"ssh"}]', 'application/json', 'ImportFailed'],
    [
      'characters of four bytes',
      '[{"name":"\u{1F600}","protocol":"ssh","users":["\u{1F600}"]}]',
      'application/json',
      'ImportFailed',
    ],
    ['100,000 brackets', '['.repeat(100_000), 'application/json', 'InvalidJson'],
    ['broken YAML', '- a: [', 'application/yaml', 'InvalidYaml'],
    ['an alias bomb', aliasBomb(), 'application/yaml', 'InvalidYaml'],
    ['an alias in what it names', '- &a [*a]', 'application/yaml', 'InvalidYaml'],
    ['an alias before its anchor', '- *a\n- &a x', 'application/yaml', 'InvalidYaml'],
    ['a key that is there twice', '- name: a\n  name: b', 'application/yaml', 'InvalidYaml'],
    ['20,000 nested lists', `${'- '.repeat(20_000)}x`, 'application/yaml', 'InvalidYaml'],
    [
      'texts that are too long',
      JSON.stringify([{ name: 'x'.repeat(129), protocol: 'ssh', parameters: { hostname: 'y'.repeat(4097) } }]),
      'application/json',
      'ImportFailed',
    ],
  ])('refuses %s', async (_what, raw, contentType, code) => {
    const answer = await send(raw, '', contentType);
    expect(answer.status).toBe(400);
    expect(answer.body.error.code).toBe(code);
    expect(await rows()).toBe(0);
  });

  it('writes out an anchor as often as it is used, also as a key', async () => {
    const uses = Array.from({ length: 300 }, (_, i) => `- name: n${i}\n  *p : ssh\n  parameters: *h`).join('\n');
    const yaml = `- name: first\n  &p protocol: ssh\n  parameters: &h {hostname: h, port: 22}\n${uses}\n`;
    const answer = await send(yaml, '', 'application/yaml');
    expect(answer).toMatchObject({ status: 200, body: { created: 301, records: { 300: { line: 901 } } } });
    const { identifier } = answer.body.records[300];
    expect((await api.call('GET', `/connections/${identifier}/parameters`)).body).toEqual({
      hostname: 'h',
      port: '22',
    });
  });

  it.each([
    ['anchors and aliases', () => Array.from({ length: 20_000 }, (_, i) => `- &a${i} x\n- *a${i}`).join('\n')],
    ['keys of one mapping', () => `- ${Array.from({ length: 40_000 }, (_, i) => `k${i}: x`).join('\n  ')}`],
  ])('is not held up by a file of many %s', async (_what, yaml) => {
    const begun = performance.now();
    expect((await send(yaml(), '', 'application/yaml')).status).toBe(400);
    // In quadratic time it would be 6 and 24 seconds on the machine where this takes half a second.
    expect(performance.now() - begun).toBeLessThan(4000);
  });

  it('refuses bytes that are not UTF-8, and files that are too large', async () => {
    const binary = await api.call('POST', '/imports', {
      raw: new Uint8Array([0x6e, 0xff, 0xfe, 0x00]),
      contentType: 'text/csv',
    });
    expect(binary.body.error.code).toBe('NotUtf8');
    const announced = await api.call('POST', '/imports', {
      raw: 'x',
      contentType: 'text/csv',
      headers: { 'content-length': String(200 * 1024 * 1024) },
    });
    expect(announced.status).toBe(413);
    const sent = await api.call('POST', '/imports', {
      raw: 'x'.repeat(9 * 1024 * 1024),
      contentType: 'application/yaml',
    });
    expect(sent.status).toBe(413);
  });

  it('replaces connections only when told so, and takes away permissions only when told so', async () => {
    await send('name,protocol,hostname,users,weight\na,rdp,old,u1,3');
    const refused = await send('name,protocol,hostname\nA,rdp,new');
    expect(refused.body.error.details).toMatchObject([{ code: 'NameTaken' }]);
    const kept = await send('name,protocol,username,users\nA,ssh,new,u2', 'replaceConnections=true');
    expect(kept.body).toMatchObject({ created: 0, replaced: 1 });
    const id = kept.body.records[0].identifier;
    expect((await api.call('GET', `/connections/${id}`)).body).toMatchObject({
      name: 'A',
      protocol: 'ssh',
      attributes: {},
    });
    expect((await api.call('GET', `/connections/${id}/parameters`)).body).toEqual({ username: 'new' });
    const may = async (user: string) =>
      (await api.call('GET', `/users/${user}/permissions`)).body.connectionPermissions;
    expect([await may('u1'), await may('u2')]).toEqual([{ [id]: ['READ'] }, { [id]: ['READ'] }]);
    await send('name,protocol,users\na,ssh,u2', 'replaceConnections=true&resetPermissions=true');
    expect([await may('u1'), await may('u2')]).toEqual([{}, { [id]: ['READ'] }]);
  });

  it('knows names that the database does not tell apart: case, accents, spaces at the end', async () => {
    await send('name,protocol,users\nÉtude,ssh,Zoë');
    const again = await send('name,protocol,users\n"etude ",ssh,ZOE', 'replaceConnections=true');
    expect(again.body).toMatchObject({ created: 0, replaced: 1, createdUsers: [] });
    const twice = await send('name,protocol\nströße,ssh\nSTROSE,ssh');
    expect(twice.body.error.details).toMatchObject([{ code: 'DuplicateInFile' }]);
  });

  it('finds a connection made before whose name differs by a character that nothing has asked about yet', async () => {
    const made = await api.call('POST', '/connections', { body: { name: 'Gy\u0151r', protocol: 'ssh' } });
    const refused = await send('name,protocol\nGyor,ssh');
    expect(refused.body.error.details).toMatchObject([{ code: 'NameTaken' }]);
    const replaced = await send('name,protocol\nGyor,ssh', 'replaceConnections=true');
    expect(replaced.body.records).toMatchObject([{ action: 'replace', identifier: made.body.identifier }]);
    expect(await rows()).toBe(1);
  });

  it('does not compare a connection whose group is missing with those at the root', async () => {
    await api.call('POST', '/connections', { body: { name: 'taken', protocol: 'ssh' } });
    const csv = 'name,protocol,group\ntaken,ssh,A\na,ssh,A\na,ssh,ROOT\nb,ssh,\n';
    const answer = await send(`${csv}lost,ssh,B/C\n`, 'dryRun=true');
    expect(
      answer.body.records.map((one: { group: string; problems?: { code: string }[] }) => [
        one.group,
        ...(one.problems ?? []).map(({ code }) => code),
      ]),
    ).toEqual([['A', 'NotFound'], ['A', 'NotFound'], ['ROOT'], ['ROOT'], ['B/C', 'NotFound']]);
  });

  it('says the same when a lost connection makes it plan a second time', async () => {
    async function* file() {
      yield new TextEncoder().encode('name,protocol,group\na,ssh,A\nb,ssh,ROOT\nB,ssh,ROOT\n');
    }
    const options = {
      replaceConnections: false,
      resetPermissions: false,
      createGroups: false,
      allowUnknownParameters: false,
    };
    const records = await readImport(file(), 'csv', null, false);
    const dryRun = () =>
      dryRunImport(api.db, { objectId: 'o', name: 'n', roles: ['Connection.Admin'] }, records, options);
    const first = await dryRun();
    expect(first.failed).toBe(2);
    expect(await dryRun()).toEqual(first);
  });

  it('keeps the parameters of a protocol that a newer Guacamole has', async () => {
    const csv = 'name,protocol,hostname,new-thing,weight\na,spice,h,x,3\n';
    const answer = await send(csv, 'allowUnknownParameters=true');
    const { identifier } = answer.body.records[0];
    expect((await api.call('GET', `/connections/${identifier}/parameters`)).body).toEqual({
      hostname: 'h',
      'new-thing': 'x',
    });
    expect((await api.call('GET', `/connections/${identifier}`)).body.attributes).toEqual({ weight: '3' });
  });

  it('reads paths of groups as Guacamole does and names with escaped separators', async () => {
    const answer = await send(
      'name,protocol,group,users\na,ssh,/X/Y/,"u\\;1;u\\\\2"\nb,ssh,X//Y,\nc,ssh,ROOT/x/y,\nd,ssh,ROOT,',
    );
    expect(answer.body.createdGroups).toEqual(['ROOT/X', 'ROOT/X/Y']);
    expect(answer.body.createdUsers).toEqual(['u;1', 'u\\2']);
    expect(new Set(answer.body.records.map((one: { group: string }) => one.group))).toEqual(
      new Set(['ROOT/X/Y', 'ROOT']),
    );
  });

  it('may not touch an administrator of Guacamole unless the caller administers the jump server', async () => {
    await api.call('POST', '/users', { body: { username: 'boss', password: 'p' } });
    await api.call('PATCH', '/users/boss/permissions', {
      body: [{ op: 'add', path: '/systemPermissions', value: 'ADMINISTER' }],
    });
    const csv = 'name,protocol,users\na,ssh,BOSS';
    const refused = await send(csv, '', 'text/csv', 'Connection.Admin');
    expect(refused.body.error.details).toMatchObject([{ code: 'AdministratorProtected', line: 2 }]);
    expect((await send(csv)).status).toBe(200);
  });
});

describe('an import that is sent again', () => {
  const repeatable = async (id: string, raw: string, query = '') => {
    const route = importsRoutes(deps()).find(({ definition }) => definition.operationId === 'Imports_Run');
    if (!route) throw new Error('there is no such route');
    const headers = { 'repeatability-request-id': id };
    return callRoute(route, deps(), `/imports${query}`, { name: 'js' }, { raw, contentType: 'text/csv', headers });
  };
  let tables = createTablesStub();
  beforeEach(() => {
    tables = createTablesStub();
  });
  const deps = () => ({ ...api.deps, tables });
  const ID = '0b6f1e4e-6f7a-4d2c-9d1e-2f6c0a7b8c9d';

  it('with the same Repeatability-Request-ID is done once and answered twice', async () => {
    const first = await repeatable(ID, 'name,protocol\na,ssh\n');
    const second = await repeatable(ID, 'name,protocol\na,ssh\n');
    expect(first).toMatchObject({ status: 200, body: { created: 1 } });
    expect(second).toMatchObject({ status: 200, body: first.body });
    expect(await rows()).toBe(1);
  });

  it('with another file, or other options, under the same id is refused', async () => {
    await repeatable(ID, 'name,protocol\na,ssh\n');
    for (const other of [
      await repeatable(ID, 'name,protocol\nb,ssh\n'),
      await repeatable(ID, 'name,protocol\na,ssh\n', '?dryRun=true'),
    ])
      expect(other).toMatchObject({ status: 400, body: { error: { code: 'RepeatabilityMismatch' } } });
    expect(await rows()).toBe(1);
  });

  it('counts as the first when the first was refused', async () => {
    expect((await repeatable(ID, 'name,protocol\na,shh\n')).status).toBe(400);
    expect((await repeatable(ID, 'name,protocol\na,ssh\n')).status).toBe(200);
  });
});

describe('an export', () => {
  it.each(['csv', 'json', 'yaml'])('as %s comes back the same after it was imported elsewhere', async (format) => {
    await send(MANUAL_CSV);
    await api.call('POST', '/connection-groups', { body: { name: 'a/b' } });
    const group = (await api.call('POST', '/connection-groups', { body: { name: 'with space ' } })).body.identifier;
    await api.call('POST', '/connections?allowUnknownParameters=true', {
      body: {
        name: ' odd, "name" \\;\n=1+1 ? ?? :x',
        protocol: 'ssh',
        parentIdentifier: group,
        parameters: { command: 'line 1\nline 2\r\n"quoted", ü', name: 'clash', 'new-thing': '#x: y' },
        attributes: { 'failover-only': 'true', 'x-team': 'yes', weight: '7' },
      },
    });
    await api.call('POST', '/users', { body: { username: 'semi;colon\\' } });
    const list = await api.call('GET', "/connections?$filter=contains(name,'odd')");
    const odd = list.body.value[0].identifier;
    await api.call('PATCH', '/users/semi;colon%5C/permissions', {
      body: [{ op: 'add', path: `/connectionPermissions/${odd}`, value: 'READ' }],
    });
    const first = await download(format);
    const other = await startApi(server);
    try {
      const types: Record<string, string> = { csv: 'text/csv', json: 'application/json', yaml: 'application/yaml' };
      const answer = await other.call('POST', '/imports?createGroups=true&allowUnknownParameters=true', {
        raw: first,
        contentType: types[format] ?? '',
      });
      expect(answer).toMatchObject({ status: 200, body: { created: 5 } });
      expect((await other.call('GET', `/exports?format=${format}`)).text).toBe(first);
    } finally {
      await other.close();
    }
  });

  it.each(['csv', 'json', 'yaml'] as const)(
    'as %s is of one moment, whatever changes while it is written',
    async (format) => {
      const lines = Array.from({ length: 600 }, (_, i) => `n${i},ssh,h`);
      await send(`name,protocol,hostname\n${lines.join('\n')}`);
      const parts = writeExport(api.db, format);
      let text = (await parts.next()).value as string;
      const list = await api.call('GET', "/connections?$filter=name eq 'n599'");
      const path = `/connections/${list.body.value[0].identifier}`;
      await api.call('PATCH', path, { body: { name: 'late', parameters: { 'font-size': '12' } } });
      for await (const part of parts) text += part;
      expect(text).toContain('n599');
      expect(text).not.toMatch(/late|font-size/);
      expect(await download(format)).toMatch(/late[\s\S]*12/);
    },
  );

  it('gives its connection back when the reader goes away', async () => {
    await send(`name,protocol\n${Array.from({ length: 600 }, (_, i) => `n${i},ssh`).join('\n')}`);
    for (let n = 0; n < 25; n++) {
      const stream = await textStream(writeExport(api.db, 'json'));
      const reader = stream.getReader();
      await reader.read();
      await reader.cancel();
    }
    expect((await download('json')).length).toBeGreaterThan(600);
  });

  it('holds secrets, so readers get none and every download is audited', async () => {
    expect((await api.call('GET', '/exports', { role: 'Reader' })).status).toBe(403);
    const before = api.audit.length;
    expect((await api.call('GET', '/exports', { role: 'Connection.Admin' })).text).toBe('[]\n');
    expect(api.audit.slice(before)).toMatchObject([{ operation: 'Exports_Get', outcome: 'succeeded' }]);
  });

  it('carries 10,000 connections in one file there and back', async () => {
    const lines = Array.from(
      { length: 10_000 },
      (_, i) => `host ${i},rdp,10.0.${i >> 8}.${i & 255},3389,p${i},ROOT/site ${i % 40},team ${i % 9}`,
    );
    const csv = `name,protocol,hostname,port,password,group,groups\n${lines.join('\n')}\n`;
    const answer = await send(csv);
    expect(answer.body).toMatchObject({ created: 10_000, createdUserGroups: { length: 9 } });
    const exported = await download('csv');
    const rowsOf = (text: string): Record<string, string>[] => parse(text, { columns: true });
    const given = rowsOf(csv);
    const columns = Object.keys(given[0] ?? {});
    const found = rowsOf(exported).map((row) => Object.fromEntries(columns.map((name) => [name, row[name]])));
    expect(found).toEqual(given);
    const other = await startApi(server);
    try {
      const again = await other.call('POST', '/imports?createGroups=true', { raw: exported, contentType: 'text/csv' });
      expect(again.body.created).toBe(10_000);
      expect((await other.call('GET', '/exports?format=csv')).text).toBe(exported);
    } finally {
      await other.close();
    }
  }, 30_000);

  it('is read in little more memory than its records need', () => {
    // The records of these 60 MB and 100,000 connections need about 100 MB of heap; what is read must not pile up beside them.
    const script = new URL('bigImport.ts', import.meta.url).pathname;
    const output = execFileSync(process.execPath, [
      '--max-old-space-size=200',
      '--disable-warning=ExperimentalWarning',
      script,
    ]);
    expect(output.toString()).toBe('100000');
  }, 60_000);
});
