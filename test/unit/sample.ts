import type { Outputs, Resource } from '../../shared/azure/resource.ts';
import { type JumpServerSpec, specBody, specFor } from '../../shared/spec.ts';
import { type Environment, topology } from '../../shared/topology.ts';
import type { AzureStub } from './azureStub.ts';

export const subscriptionId = '11111111-1111-4111-8111-111111111111';

const control = `/subscriptions/${subscriptionId}/resourceGroups/molcajete-control`;

export const environment: Environment = {
  subscriptionId,
  tenantId: '22222222-2222-4222-8222-222222222222',
  apiUrl: 'https://molcajete.test/api',
  apiAudience: 'api://molcajete',
  egress: ['198.51.100.7/32'],
  endpointSubnetId: `${control}/providers/Microsoft.Network/virtualNetworks/control-vnet/subnets/endpoints`,
  dnsZoneId: `${control}/providers/Microsoft.Network/privateDnsZones/privatelink.mysql.database.azure.com`,
  controlResourceGroup: 'molcajete-control',
  administratorPassword: async () => 'a-Secret-of-2026',
};

/** The least a user must say. */
export const minimal = { location: 'westeurope', network: { allowedSources: ['203.0.113.0/24'] } };

export const specOf = (body: object = minimal): JumpServerSpec => specFor('demo', specBody.parse(body));

/** The minimal spec with some members replaced, one level deep. */
export function specWith(change: Record<string, object>): JumpServerSpec {
  const base: Record<string, unknown> = { ...minimal };
  for (const [key, value] of Object.entries(change)) {
    const before = base[key];
    base[key] = typeof before === 'object' ? { ...before, ...value } : value;
  }
  return specOf(base);
}

/** The control plane's network, which its own deployment makes. */
export function seedControlNetwork(stub: AzureStub): void {
  const id = environment.endpointSubnetId.replace(/\/subnets\/.*/, '');
  stub.stored.set(id.toLowerCase(), { id, name: 'control-vnet', location: 'northeurope', properties: {} });
}

/** Looks at each resource in order, writes what differs, and looks again. Returns the keys that were written. */
export async function ensureAll(stub: AzureStub, spec: JumpServerSpec): Promise<string[]> {
  const written: string[] = [];
  const outputs: Record<string, Outputs[string]> = {};
  for (const one of topology('demo', spec, environment)) {
    const before = await one.look(stub.azure, outputs);
    if (before.change !== undefined) {
      await before.change.write();
      written.push(one.key);
    }
    outputs[one.key] = (await one.look(stub.azure, outputs)).output;
  }
  return written;
}

export function resourceNamed(spec: JumpServerSpec, key: string): Resource {
  const found = topology('demo', spec, environment).find((one) => one.key === key);
  if (found === undefined) throw new Error(`There is no ${key} in the topology.`);
  return found;
}
