import { nodeName } from '../../shared/azure/names.ts';
import type { Resource } from '../../shared/azure/resource.ts';
import type { NodeReport } from '../../shared/node/report.ts';
import { desiredNode } from '../../shared/nodes.ts';
import type { JumpServerSpec } from '../../shared/spec.ts';
import { listInventory, putInventory } from '../../shared/store/inventory.ts';
import { listNodes } from '../../shared/store/nodes.ts';
import { putReport } from '../../shared/store/reports.ts';
import type { Tables } from '../../shared/store/tables.ts';

export const jumpServer = 'demo';

/** What a node's agent has in force. */
export interface SimulatedNode {
  running: boolean;
  account: string | null;
  certificate: string | null;
  sessions: number;
  /** It runs and says nothing. */
  mute?: true;
}

/** What finished resources have told, for a jump server of these nodes. */
export async function seedInventory(tables: Tables, numbers: readonly number[]): Promise<void> {
  const outputs: Record<string, Record<string, string>> = {
    vault: { vaultUri: 'https://demo.vault.test/' },
    identity: { clientId: 'client' },
    certificate: { version: 'c1', peerName: 'peer' },
    mysqlServer: { fullyQualifiedDomainName: 'demo.mysql.test', state: 'Ready' },
    database: { nodeAccountVersion: 'a1' },
    publicIpAddress: { ipAddress: '198.51.100.9' },
    ...Object.fromEntries(numbers.map((number) => [`node-${number}/networkInterface`, addressOf(number)])),
  };
  for (const [key, output] of Object.entries(outputs))
    await putInventory(tables, jumpServer, { key, type: '', id: '', dependsOn: [], output });
}

export const addressOf = (number: number) => ({ privateIPAddress: `10.20.0.${number + 3}` });

/** Every node that runs takes what is wanted of it, and reports. @param accepts whether the database takes a version of its account */
export async function reportAll(
  tables: Tables,
  spec: JumpServerSpec,
  nodes: Map<string, SimulatedNode>,
  accepts: (version: string | null) => boolean,
): Promise<void> {
  const fleet = await listNodes(tables, jumpServer);
  const inventory = await listInventory(tables, jumpServer);
  const outputs = Object.fromEntries(inventory.map(({ key, output }) => [key, output]));
  const well = { healthy: true };
  for (const { number } of fleet) {
    const name = nodeName(jumpServer, number);
    const node = nodes.get(name);
    const desired = desiredNode(jumpServer, spec, fleet, outputs, name);
    if (node?.running !== true || node.mute || desired === undefined) continue;
    node.account = desired.secrets.database;
    node.certificate = desired.secrets.certificate;
    const { account: database, certificate } = node;
    const report: NodeReport = {
      ...{ bootId: 'b', agentVersion: '1', applied: desired.version, haproxy: well, web: well, guacd: well },
      database: { healthy: accepts(database) },
      sessions: { served: node.sessions, relayed: 0 },
      secrets: { ...(database === null ? {} : { database }), ...(certificate === null ? {} : { certificate }) },
      draining: desired.draining,
    };
    await putReport(tables, jumpServer, { node: name, report, receivedAt: new Date() });
  }
}

/** As much of Azure as a machine is made with; each call is one write of its process. */
interface Machines {
  exists(node: string): boolean;
  create(node: string): Promise<void>;
}

/** In the place of the topology: what nodes of these numbers are made of. */
export const machineParts = (numbers: readonly number[]): Resource[] =>
  numbers.flatMap((number) => [part(number, 'networkInterface', true), part(number, 'virtualMachine', false)]);

function part(number: number, name: string, always: boolean): Resource {
  const node = nodeName(jumpServer, number);
  return {
    key: `node-${number}/${name}`,
    type: '',
    id: `/${node}/${name}`,
    dependsOn: always ? ['virtualNetwork'] : [`node-${number}/networkInterface`, 'availabilitySet'],
    writeQueue: undefined,
    async look(azure) {
      const machines = azure as unknown as Machines;
      const there = always || machines.exists(node);
      const change = { kind: 'create' as const, write: () => machines.create(node) };
      const output = always ? addressOf(number) : {};
      return { observed: there ? 'ready' : 'missing', output, change: there ? undefined : change };
    },
  };
}
