import { spawnSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { arm, controlIdentity, mysqlNames, principalOf, vault, vaults } from '../e2e/azure.ts';
import type { Patient } from './patient.ts';
import type { Trouble } from './suffering.ts';

const machine = 'Microsoft.Compute/virtualMachines';
const network = 'Microsoft.Network';
const mysql = 'Microsoft.DBforMySQL/flexibleServers';

/** What a person does in the portal: an action of ARM. */
async function act({ world, name }: Patient, resource: string, action: string, version: string, body?: object) {
  const path = `/resourceGroups/molcajete-${name}/providers/${resource}/${action}`;
  // Another one may be under way, and calls may fail just now.
  for (let tries = 0; ; tries++) {
    const { status } = await arm(world, 'POST', path, version, body);
    if (status === 202) return;
    if ((status < 500 && status !== 409 && status !== 429) || tries === 20)
      throw new Error(`${action} was answered with ${status}.`);
    await delay(500);
  }
}

const actOnNode = (patient: Patient, number: number, action: string, body?: object): Promise<void> =>
  act(patient, `${machine}/${patient.name}-${number}`, action, '2026-04-01', body);

const runOnNode = (patient: Patient, number: number, command: string): Promise<void> =>
  actOnNode(patient, number, 'runCommand', { commandId: 'RunShellScript', script: [command] });

const serverOf = (patient: Patient): Promise<{ id: string }> => patient.find(mysql, patient.name);

/** Runs SQL as the server's administrator. */
async function asAdministrator({ world, name }: Patient, statements: string): Promise<void> {
  const [oid, all] = await Promise.all([principalOf(world, controlIdentity), vaults(world)]);
  const uri = all.find((one) => one.name === 'molcajete-control')?.uri.replace(/\/$/, '');
  const secret = await vault(world, oid, `${uri}/secrets/${name}-mysql-admin`);
  const { username, password } = JSON.parse(secret.body.value) as { username: string; password: string };
  const host = mysqlNames(world)[0]?.address ?? '';
  const flags = ['--ssl', '--skip-ssl-verify-server-cert', '-h', host, '-u', username, `-p${password}`];
  const { status, stderr } = spawnSync('mariadb', [...flags, '-e', statements], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`The statements failed: ${stderr}`);
}

/** What happens to nodes: users log in all the while, by way of the other one. */
export const nodeTroubles: Trouble[] = [
  {
    title: 'a node crashes',
    strike: (patient) => patient.strike(patient.id(machine, `${patient.name}-1`), 'crash'),
    timer: 'healing',
    reason: /ill-1 does not answer.*restart its virtual machine/,
  },
  {
    title: 'a node freezes',
    strike: (patient) => patient.strike(patient.id(machine, `${patient.name}-2`), 'freeze'),
    timer: 'healing',
    reason: /ill-2 does not answer/,
  },
  {
    title: 'the host of a node loses its network',
    strike: (patient) => patient.strike(patient.id(machine, `${patient.name}-1`), 'isolate'),
    timer: 'healing',
    reason: /ill-1 does not answer.*move its virtual machine to another host/,
  },
  {
    title: 'the disk of a node is lost',
    strike: (patient) => patient.strike(patient.id(machine, `${patient.name}-2`), 'lose'),
    timer: 'healing',
    reason: /ill-2 does not answer.*delete its virtual machine and make it again/,
  },
  {
    title: 'the agent of a node is stopped',
    strikes: 'first',
    strike: (patient) => runOnNode(patient, 2, 'systemctl stop molcajete-agent'),
    timer: 'healing',
    reason: /ill-2 runs, but its agent says nothing.*restart its agent/,
  },
  {
    title: 'a node crashes after a change of it has failed',
    async strike(patient) {
      const id = patient.id(machine, `${patient.name}-2`);
      await patient.change(id, { properties: { provisioningState: 'Failed' } });
      await patient.strike(id, 'crash');
    },
    timer: 'healing',
    // The comparison may be quicker.
    reason: /ill-2 has a virtual machine whose last change failed|node-2\/virtualMachine differs/,
  },
  {
    title: 'somebody stops a virtual machine',
    strike: (patient) => actOnNode(patient, 2, 'powerOff'),
    timer: 'healing',
    reason: /ill-2 has a virtual machine that is stopped/,
  },
  {
    title: 'somebody deallocates a virtual machine',
    strike: (patient) => actOnNode(patient, 1, 'deallocate'),
    timer: 'healing',
    reason: /ill-1 has a virtual machine that was deallocated/,
  },
  {
    title: 'somebody deletes a virtual machine',
    strikes: 'last',
    strike: (patient) => patient.vanish(patient.id(machine, `${patient.name}-1`)),
    timer: 'healing',
    reason: /ill-1 has no virtual machine/,
  },
];

/** What happens to the network; the way in may be closed until it is healed. */
export const networkTroubles: Trouble[] = [
  {
    title: 'an interface is taken out of the pool',
    async strike(patient) {
      const nic = await patient.find(`${network}/networkInterfaces`, `${patient.name}-1-nic`);
      const stored = nic as unknown as { properties: { ipConfigurations: { properties: object }[] } };
      const ipConfigurations = stored.properties.ipConfigurations.map((one) => ({
        ...one,
        properties: { ...one.properties, loadBalancerBackendAddressPools: [] },
      }));
      await patient.change(nic.id, { properties: { ipConfigurations } });
    },
    timer: 'comparing',
    reason: /node-1\/networkInterface differs/,
  },
  {
    title: 'the rule that lets users in is deleted',
    strike: (patient) =>
      patient.vanish(
        patient.id(`${network}/networkSecurityGroups`, `${patient.name}-web-nsg/securityRules/allow-users`),
      ),
    timer: 'comparing',
    reason: /webNetworkSecurityGroup differs/,
  },
  {
    title: 'the load balancer is deleted',
    strikes: 'last',
    strike: (patient) => patient.vanish(patient.id(`${network}/loadBalancers`, `${patient.name}-lb`)),
    timer: 'comparing',
    reason: /loadBalancer is gone/,
  },
  {
    title: "the balancer's rule sends users to another port",
    strikes: 'first',
    async strike(patient) {
      const balancer = await patient.find(`${network}/loadBalancers`, `${patient.name}-lb`);
      const { properties } = balancer as unknown as { properties: { loadBalancingRules: { properties: object }[] } };
      const loadBalancingRules = properties.loadBalancingRules.map((rule) => ({
        ...rule,
        properties: { ...rule.properties, backendPort: 9999 },
      }));
      await patient.change(balancer.id, { properties: { loadBalancingRules } });
    },
    timer: 'comparing',
    reason: /loadBalancer differs/,
  },
  {
    title: 'the public address is detached: the frontend is deleted, with the rules that use it',
    strikes: 'first',
    async strike(patient) {
      const { id } = await patient.find(`${network}/loadBalancers`, `${patient.name}-lb`);
      await patient.change(id, {
        properties: { frontendIPConfigurations: [], loadBalancingRules: [], outboundRules: [] },
      });
    },
    timer: 'comparing',
    reason: /loadBalancer differs/,
  },
  {
    title: 'the security group is taken off the subnet',
    async strike(patient) {
      const found = await patient.find(`${network}/virtualNetworks`, `${patient.name}-vnet`);
      const { properties } = found as unknown as { properties: { subnets: { properties: object }[] } };
      const subnets = properties.subnets.map((subnet) => ({
        ...subnet,
        properties: { ...subnet.properties, networkSecurityGroup: null },
      }));
      await patient.change(found.id, { properties: { subnets } });
    },
    timer: 'comparing',
    reason: /virtualNetwork differs/,
  },
];

/** The comparison may be quicker than the nodes' grace. */
const noDatabase = /No node reaches the database|The MySQL server is stopped/;

/** What happens to the database: nobody can log in until it is healed. */
export const databaseTroubles: Trouble[] = [
  {
    title: 'the MySQL server stops',
    strike: async (patient) => patient.strike((await serverOf(patient)).id, 'stop'),
    timer: 'healing',
    reason: noDatabase,
  },
  {
    title: 'somebody stops the MySQL server',
    strike: async (patient) => {
      const { id } = await serverOf(patient);
      await act(patient, `${mysql}/${id.split('/').at(-1)}`, 'stop', '2024-12-30');
    },
    timer: 'healing',
    reason: noDatabase,
  },
  {
    title: 'somebody shortens the backups of the MySQL server',
    strike: async (patient) =>
      patient.change((await serverOf(patient)).id, { properties: { backup: { backupRetentionDays: 1 } } }),
    timer: 'comparing',
    reason: /mysqlServer differs/,
  },
  {
    title: "somebody drops the nodes' accounts",
    strikes: 'first',
    strike: (patient) => asAdministrator(patient, 'DROP USER IF EXISTS molcajete_node_a, molcajete_node_b'),
    timer: 'healing',
    reason: /No node reaches the database/,
  },
  {
    title: "the database's name is taken out of the zone",
    strikes: 'first',
    strike: async (patient) =>
      patient.vanish((await patient.find(`${network}/privateDnsZones/A`, `/molcajete-${patient.name}/`)).id),
    timer: 'comparing',
    reason: /The DNS record .* of dataEndpointDns is gone/,
  },
  {
    title: "the nodes' private endpoint is deleted",
    strikes: 'last',
    strike: (patient) => patient.vanish(patient.id(`${network}/privateEndpoints`, `${patient.name}-mysql-endpoint`)),
    timer: 'comparing',
    reason: /dataEndpoint is gone/,
  },
];
