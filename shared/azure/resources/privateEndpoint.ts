import type { PrivateEndpoint } from '@azure/arm-network';
import { ApiError } from '../../errors.ts';
import type { Blueprint } from '../blueprint.ts';
import type { AzureClients } from '../clients.ts';
import { parts, resourceId } from '../names.ts';
import { hasFailed, type Observed, type Resource, resource } from '../resource.ts';
import { bodyToPut } from './difference.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Network/privateEndpoints';

/** How nodes reach the database: an address in the jump server's data subnet. */
export function dataEndpoint(blueprint: Blueprint): Resource {
  const { names, spec, place } = blueprint;
  const network = blueprint.id('Microsoft.Network/virtualNetworks', names.virtualNetwork);
  return privateEndpoint(blueprint, {
    key: 'dataEndpoint',
    name: names.dataEndpoint,
    group: place.resourceGroup,
    subnet: `${network}/subnets/${parts.dataSubnet}`,
    dependsOn: ['mysqlServer', 'virtualNetwork'],
    location: async () => spec.location,
  });
}

/** How the control plane reaches it, without a peering: an address in its own network, so that address spaces may overlap. */
export function controlEndpoint(blueprint: Blueprint): Resource {
  const { names, environment } = blueprint;
  return privateEndpoint(blueprint, {
    key: 'controlEndpoint',
    name: names.controlEndpoint,
    group: environment.controlResourceGroup,
    subnet: environment.endpointSubnetId,
    dependsOn: ['mysqlServer'],
    location: (azure) => locationOfSubnet(azure, environment.endpointSubnetId),
  });
}

interface Endpoint {
  key: string;
  name: string;
  group: string;
  subnet: string;
  dependsOn: string[];
  /** An endpoint is where its network is; the server may be in another region. */
  location(azure: AzureClients): Promise<string>;
}

interface Write {
  body: PrivateEndpoint;
  /** A disconnected endpoint never connects again: it is deleted first. */
  replaces: boolean;
}

function privateEndpoint(blueprint: Blueprint, { key, name, group, subnet, dependsOn, location }: Endpoint): Resource {
  const server = blueprint.id('Microsoft.DBforMySQL/flexibleServers', blueprint.names.mysqlServer);
  return resource<Write, PrivateEndpoint>({
    key,
    type,
    id: resourceId({ subscriptionId: blueprint.place.subscriptionId, resourceGroup: group }, type, name),
    dependsOn,
    writeQueue: subnet.slice(0, subnet.toLowerCase().lastIndexOf('/subnets/')),
    get: (azure) => azure.network.privateEndpoints.get(group, name),
    desired(found) {
      const replaces = found !== undefined && disconnected.has(statusOf(found));
      const body = bodyToPut<PrivateEndpoint>(replaces ? undefined : found, {
        tags: tagsOver(found, blueprint),
        subnet: { id: subnet },
        privateLinkServiceConnections: [{ name, privateLinkServiceId: server, groupIds: ['mysqlServer'] }],
      });
      return body && { body, replaces };
    },
    async put(azure, { body, replaces }) {
      const where = body.location ?? (await location(azure));
      if (replaces) await azure.network.privateEndpoints.delete(group, name);
      return azure.network.privateEndpoints.createOrUpdate(group, name, { ...body, location: where });
    },
    observe,
  });
}

/** The server was deleted, or its owner ended the connection. */
const disconnected = new Set(['Rejected', 'Disconnected']);

const statusOf = (found: PrivateEndpoint): string =>
  found.privateLinkServiceConnections?.[0]?.privateLinkServiceConnectionState?.status ?? '';

/** With rights on both ends Azure approves the connection by itself. */
function observe(found: PrivateEndpoint): Observed {
  if (hasFailed(found) || disconnected.has(statusOf(found))) return 'failed';
  return found.provisioningState === 'Succeeded' && statusOf(found) === 'Approved' ? 'ready' : 'pending';
}

async function locationOfSubnet(azure: AzureClients, subnetId: string): Promise<string> {
  const match = /\/resourceGroups\/([^/]+)\/providers\/Microsoft\.Network\/virtualNetworks\/([^/]+)\/subnets\//i.exec(
    subnetId,
  );
  const [, group, name] = match ?? [];
  if (group === undefined || name === undefined) throw badSubnet(subnetId);
  const { location } = await azure.network.virtualNetworks.get(group, name);
  if (location === undefined) throw badSubnet(subnetId);
  return location;
}

const badSubnet = (id: string): ApiError =>
  new ApiError(
    500,
    'BadSetting',
    `MOLCAJETE_ENDPOINT_SUBNET_ID is no id of a subnet: '${id}'. Correct the application setting.`,
  );
