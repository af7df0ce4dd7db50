import { arm } from '../e2e/azure.ts';
import type { Trouble } from './patient.ts';

const machine = 'Microsoft.Compute/virtualMachines';
const network = 'Microsoft.Network';

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
    async strike(patient) {
      const path = `/resourceGroups/molcajete-${patient.name}/providers/${machine}/${patient.name}-2/runCommand`;
      const body = { commandId: 'RunShellScript', script: ['systemctl stop molcajete-agent'] };
      const { status } = await arm(patient.world, 'POST', path, '2026-04-01', body);
      if (status !== 202) throw new Error(`The command was answered with ${status}.`);
    },
    timer: 'healing',
    reason: /ill-2 runs, but its agent says nothing.*restart its agent/,
  },
  {
    title: 'somebody deallocates a virtual machine',
    async strike(patient) {
      const path = `/resourceGroups/molcajete-${patient.name}/providers/${machine}/${patient.name}-1/deallocate`;
      const { status } = await arm(patient.world, 'POST', path, '2026-04-01');
      if (status !== 202) throw new Error(`The command was answered with ${status}.`);
    },
    timer: 'healing',
    reason: /ill-1 has a virtual machine that was deallocated/,
  },
  {
    title: 'somebody deletes a virtual machine',
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
    strike: (patient) => patient.vanish(patient.id(`${network}/loadBalancers`, `${patient.name}-lb`)),
    timer: 'comparing',
    reason: /loadBalancer is gone/,
  },
  {
    title: "the balancer's rule sends users to another port",
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

/** What happens to the database: nobody can log in until it is healed. */
export const databaseTroubles: Trouble[] = [
  {
    title: 'the MySQL server stops',
    strike: async (patient) =>
      patient.strike((await patient.find('Microsoft.DBforMySQL/flexibleServers', patient.name)).id, 'stop'),
    timer: 'healing',
    reason: /No node reaches the database/,
  },
  {
    title: "the database's name is taken out of the zone",
    strike: async (patient) =>
      patient.vanish((await patient.find(`${network}/privateDnsZones/A`, `/molcajete-${patient.name}/`)).id),
    timer: 'comparing',
    reason: /The DNS record .* of dataEndpointDns is gone/,
  },
  {
    title: "the nodes' private endpoint is deleted",
    strike: (patient) => patient.vanish(patient.id(`${network}/privateEndpoints`, `${patient.name}-mysql-endpoint`)),
    timer: 'comparing',
    reason: /dataEndpoint is gone/,
  },
];
