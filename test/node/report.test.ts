import { describe, expect, test } from 'vitest';
import {
  type DesiredNodeInput,
  desiredNodeState,
  isHealthy,
  type NodeReport,
  nodeReportSchema,
  reasonsUnhealthy,
} from '../../shared/node/report.ts';

const node = (name: string, address: string, draining = false) => ({ name, address, draining });
const input: DesiredNodeInput = {
  node: node('contoso-1', '10.20.1.4'),
  peers: [node('contoso-2', '10.20.1.5'), node('contoso-3', '10.20.1.6')],
  peerName: 'node.contoso.molcajete.internal',
  guacamoleVersion: '1.6.0',
  database: { host: 'db.mysql.database.azure.com', port: 3306, name: 'guacamole' },
  vault: { url: 'https://v.vault.azure.net/', identityClientId: 'c' },
  secrets: { database: 'd1', certificate: 'c1' },
};
const desired = desiredNodeState(input);
const healthy: NodeReport = {
  bootId: 'b',
  agentVersion: '1.0.0',
  applied: desired.version,
  haproxy: { healthy: true, version: '2.8.5' },
  web: { healthy: true },
  guacd: { healthy: true },
  database: { healthy: true },
  sessions: { served: 2, relayed: 1 },
  secrets: { database: 'd1', certificate: 'c1' },
  guacamoleVersion: '1.6.0',
  draining: false,
};

describe('the version of a desired state', () => {
  test('stays the same for the same node, in whatever order its peers come', () => {
    expect(desiredNodeState({ ...input, peers: input.peers.toReversed() })).toEqual(desired);
  });

  test.each<[string, Partial<DesiredNodeInput>]>([
    ['the node drains', { node: node('contoso-1', '10.20.1.4', true) }],
    ['a peer drains', { peers: [node('contoso-2', '10.20.1.5', true), node('contoso-3', '10.20.1.6')] }],
    ['a peer goes', { peers: [node('contoso-2', '10.20.1.5')] }],
    ['the name between nodes changes', { peerName: 'jump.example' }],
    ['Guacamole gets another version', { guacamoleVersion: '1.6.1' }],
    ['the database moves', { database: { host: 'other.mysql.database.azure.com', port: 3306, name: 'guacamole' } }],
    ['the account is rotated', { secrets: { database: 'd2', certificate: 'c1' } }],
    ['the certificate is renewed', { secrets: { database: 'd1', certificate: 'c2' } }],
    ['the vault is another one', { vault: { url: 'https://w.vault.azure.net/', identityClientId: 'c' } }],
  ])('is another one when %s', (_title, change) => {
    expect(desiredNodeState({ ...input, ...change }).version).not.toBe(desired.version);
  });

  test('nodes report often until their database account exists', () => {
    const early = desiredNodeState({ ...input, secrets: { database: null, certificate: 'c1' } });
    expect([early.reportEverySeconds, desired.reportEverySeconds]).toEqual([2, 30]);
  });
});

describe('a node', () => {
  test.each<[string, Partial<NodeReport>, RegExp | undefined]>([
    ['healthy when everything is', {}, undefined],
    ['healthy while it drains', { draining: true }, undefined],
    ['not healthy without HAProxy', { haproxy: { healthy: false, detail: 'no worker' } }, /haproxy .* no worker/],
    ['not healthy without Guacamole', { web: { healthy: false } }, /web is not healthy: no detail/],
    ['not healthy without guacd', { guacd: { healthy: false } }, /guacd/],
    [
      'not healthy without a database login',
      { database: { healthy: false, detail: 'Access denied' } },
      /Access denied/,
    ],
    [
      'not healthy when it works and could not be changed',
      { haproxy: { healthy: false, works: true, detail: 'refused' } },
      /haproxy works, but could not be changed: refused/,
    ],
    ['not healthy in a former desired state', { applied: 'former' }, /not wholly applied/],
    ['not healthy before its first desired state', { applied: null }, /not wholly applied/],
  ])('is %s', (_title, change, reason) => {
    const report = { ...healthy, ...change };
    expect(isHealthy(report, desired)).toBe(reason === undefined);
    expect(reasonsUnhealthy(report, desired).join()).toMatch(reason ?? /^$/);
  });

  test('cannot be healthy before it has a database account', () => {
    const early = desiredNodeState({ ...input, secrets: { database: null, certificate: 'c1' } });
    expect(reasonsUnhealthy({ ...healthy, applied: early.version }, early)).toEqual([
      'there is no database account for it yet',
    ]);
  });
});

describe('a report', () => {
  test.each<[string, unknown]>([
    ['an unknown field', { ...healthy, password: 'x' }],
    ['an unknown field of a part', { ...healthy, web: { healthy: true, secret: 'x' } }],
    ['a missing part', { ...healthy, guacd: undefined }],
    ['a negative number of sessions', { ...healthy, sessions: { served: -1, relayed: 0 } }],
    ['an endless detail', { ...healthy, web: { healthy: false, detail: 'x'.repeat(1001) } }],
    ['no object', 'healthy'],
  ])('with %s is refused', (_title, body) => {
    expect(nodeReportSchema.safeParse(body).success).toBe(false);
  });

  test('as the agent sends it is accepted', () => {
    expect(nodeReportSchema.parse(healthy)).toEqual(healthy);
  });
});
