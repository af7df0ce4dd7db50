import type { Deps } from '../../shared/deps.ts';
import type { NodeReport } from '../../shared/node/report.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import { type JumpServer, putJumpServer } from '../../shared/store/jumpServers.ts';
import { type NodeRecord, putNode } from '../../shared/store/nodes.ts';
import { putReport } from '../../shared/store/reports.ts';
import { secondsAfter } from '../../shared/time.ts';
import { azureStub } from './azureStub.ts';
import { ensureAll, environment, seedControlNetwork, specOf, subscriptionId } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

export const noon = new Date('2026-11-23T12:00:00Z');
export const ago = (seconds: number): Date => secondsAfter(noon, -seconds);

const fine = { healthy: true };
/** A report in which all is well, but for what is given. */
export const reportWith = (change: Partial<NodeReport> = {}): NodeReport => ({
  bootId: 'b',
  agentVersion: '1',
  applied: null,
  haproxy: fine,
  web: fine,
  guacd: fine,
  database: fine,
  sessions: { served: 0, relayed: 0 },
  secrets: {},
  draining: false,
  ...change,
});
export const broken = { healthy: false, detail: 'it is broken' };

/** The jump server `demo` of two nodes that run, on the tables' and Azure's stand-ins, at noon. */
export async function openHealingWorld(more: object = {}) {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  const world = { now: noon };
  const deps = {
    config: {
      AZURE_SUBSCRIPTION_ID: subscriptionId,
      AZURE_TENANT_ID: environment.tenantId,
      MOLCAJETE_API_URL: environment.apiUrl,
      MOLCAJETE_API_AUDIENCE: [environment.apiAudience],
      MOLCAJETE_EGRESS: environment.egress,
      MOLCAJETE_ENDPOINT_SUBNET_ID: environment.endpointSubnetId,
      MOLCAJETE_DNS_ZONE_ID: environment.dnsZoneId,
      MOLCAJETE_RESOURCE_GROUP: environment.controlResourceGroup,
      MOLCAJETE_REPORT_SECONDS: 30,
    },
    now: () => world.now,
    tables: createTablesStub(),
    azure: stub.azure,
    vaults: { control: vaultOf(), at: () => vaultOf() },
    databases: { forget: async () => {} },
    ...more,
  } as unknown as Deps;
  const server: JumpServer = {
    name: 'demo',
    spec: specOf(),
    state: 'Ready',
    createdAt: ago(86_400),
    lastOperation: 'op',
    etag: '',
  };
  const { etag: _, ...row } = server;
  await putJumpServer(deps.tables, row);
  const healing = {
    deps,
    stub,
    server,
    world,
    /** What the nodes are meant to be. */
    nodes: async (...states: NodeRecord['state'][]) => {
      for (const [index, state] of states.entries())
        await putNode(deps.tables, 'demo', { number: index + 1, state, since: ago(7200) });
    },
    heard: (number: number, change: Partial<NodeReport> = {}, seconds = 5) =>
      putReport(deps.tables, 'demo', {
        node: `demo-${number}`,
        report: reportWith(change),
        receivedAt: ago(seconds),
      }),
    /** Everything that the spec asks for, as Azure would have it. */
    build: () => ensureAll(stub, server.spec),
    /** What is known of the nodes' addresses. */
    addresses: async () => {
      for (const number of [1, 2])
        await putInventory(deps.tables, 'demo', {
          key: `node-${number}/networkInterface`,
          type: '',
          id: '',
          dependsOn: [],
          output: { privateIPAddress: `10.20.0.${number + 3}` },
        });
    },
  };
  await healing.nodes('running', 'running');
  return healing;
}

/** Holds a login under every name. */
function vaultOf() {
  const value = JSON.stringify({ username: 'someone', password: 'a-Secret-of-2026' });
  const secret = { value, version: 'v1', createdOn: ago(86_400), tags: {} };
  return { find: async () => secret, findVersion: async () => secret, put: async () => 'v1' };
}
