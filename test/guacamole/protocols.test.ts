import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeDatabaseError } from '../../shared/guacamole/databaseErrors.ts';
import { joinNames, splitNames } from '../../shared/guacamole/import/csv.ts';
import { nearestName } from '../../shared/guacamole/nearest.ts';
import { sameNames } from '../../shared/guacamole/problems.ts';
import { parameterProblems, protocolProblem, sharingParameterProblems } from '../../shared/guacamole/protocols.ts';
import { protocols } from '../../shared/guacamole/protocolTable.ts';
import { isJavaTimeZone } from '../../shared/guacamole/timeZones.ts';

const OFFICIAL = new URL('../../../shared/facts/guacamole-protocol-parameters-1.6.json', import.meta.url);

interface Official {
  parameters: Record<string, { group: string; type: string; options?: string[] }>;
  sharingParameters: string[];
}

/** A token that Guacamole fills in when a session starts. */
const token = (name: string): string => `$${`{${name}}`}`;

describe('the table of protocols', () => {
  it.skipIf(!existsSync(OFFICIAL))('has every parameter of Guacamole 1.6, with its group, form and choices', () => {
    const official = JSON.parse(readFileSync(OFFICIAL, 'utf8')) as Record<string, Official>;
    const ours = Object.fromEntries(
      Object.entries(protocols).map(([protocol, { groups, sharing }]) => [
        protocol,
        {
          sharing,
          parameters: Object.entries(groups).flatMap(([group, ones]) =>
            Object.entries(ones).map(([name, form]) => [group, name, form]),
          ),
        },
      ]),
    );
    const theirs = Object.fromEntries(
      Object.entries(official).map(([protocol, { parameters, sharingParameters }]) => [
        protocol,
        {
          sharing: sharingParameters,
          parameters: Object.entries(parameters).map(([name, one]) => [
            one.group,
            name,
            one.type === 'ENUM' ? one.options?.filter((option) => option !== '') : one.type,
          ]),
        },
      ]),
    );
    expect(Object.keys(ours)).toEqual(Object.keys(theirs));
    for (const protocol of Object.keys(theirs)) {
      expect(ours[protocol]?.sharing).toEqual(theirs[protocol]?.sharing);
      expect(ours[protocol]?.parameters.map(String).sort()).toEqual(theirs[protocol]?.parameters.map(String).sort());
    }
  });

  it.each([
    ['rdp', { hostnam: 'x' }, /nearest known one is 'hostname'/],
    ['rdp', { port: '33.89' }, /must be a whole number/],
    ['rdp', { port: token('PORT') }, undefined],
    ['rdp', { port: '' }, undefined],
    ['rdp', { nonsense: null }, undefined],
    ['rdp', { 'ignore-cert': 'yes' }, /must be 'true' or 'false'/],
    ['rdp', { security: 'nla' }, undefined],
    ['rdp', { security: 'NLA' }, /must be one of any, nla, rdp, tls, vmconnect/],
    ['ssh', { timezone: 'Mars/Olympus' }, /must be a time zone/],
    ['ssh', { 'color-scheme': 'foreground: rgb:00/ff/00' }, undefined],
    ['ssh', { hostname: 'x'.repeat(4097) }, /4097 characters; at most 4096/],
    ['ssh', { hostname: 'a', Hostname: 'b' }, /no parameter 'Hostname'/],
    ['ssh', { password: 'hunter2\u{1F600}' }, /above U\+FFFF/],
  ])('%s with %j: %s', (protocol, values, message) => {
    const problems = parameterProblems(protocol, values as Record<string, string | null>, false);
    if (message) expect(problems.map((one) => one.message).join('\n')).toMatch(message);
    else expect(problems).toEqual([]);
    expect(JSON.stringify(problems)).not.toContain('hunter2');
  });

  it('lets what newer Guacamoles know pass on request, but nothing that cannot be stored', () => {
    expect(parameterProblems('rdp', { 'brand-new': 'x' }, true)).toEqual([]);
    expect(parameterProblems('brand-new', { anything: 'x' }, true)).toEqual([]);
    expect(protocolProblem('brand-new', true)).toBeUndefined();
    expect(protocolProblem('brand-new', false)).toMatch(/Known: kubernetes/);
    expect(protocolProblem('shh', false)).toMatch(/did you mean 'ssh'/);
    expect(protocolProblem('Not A Name', true)).toMatch(/no protocol/);
    expect(sameNames('parameters', { a: '1', A: '2' }, (name) => name.toUpperCase())).toHaveLength(1);
    expect(sharingParameterProblems('ssh', { command: 'x' }, false)[0]?.message).toMatch(/may set read-only/);
  });
});

describe('names', () => {
  it('are suggested only when they are near', () => {
    expect(nearestName('usernme', ['username', 'password'])).toBe('username');
    expect(nearestName('zzz', ['username', 'password'])).toBeUndefined();
  });

  it('survive being joined and split, whatever they hold', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ minLength: 1, unit: fc.constantFrom('a', ';', '\\', ' ', '\n', 'ü', '"') })),
        (names) => {
          expect(splitNames(joinNames(names))).toEqual(names);
        },
      ),
    );
  });
});

describe('a time zone', () => {
  it.each([
    'Europe/Berlin',
    'Asia/Kolkata',
    'Asia/Calcutta',
    'America/Port-au-Prince',
    'US/Eastern',
    'Etc/GMT+5',
    'UTC',
    'GMT',
  ])('may be %s', (name) => expect(isJavaTimeZone(name)).toBe(true));

  it.each(['europe/berlin', 'EUROPE/BERLIN', '+01:00', '-05', 'GMT+1', 'utc', 'Berlin', 'Europe/', ''])(
    'may not be %j, which Java takes for GMT',
    (name) => expect(isJavaTimeZone(name)).toBe(false),
  );
});

describe("the database's word for a time that is none", () => {
  it.each([1292, 1525])('%i is the fault of the caller', (errno) => {
    expect(describeDatabaseError(Object.assign(new Error('x'), { errno }))).toMatchObject({ status: 400 });
  });
});
