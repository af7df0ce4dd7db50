import type { VirtualNetworkPeering } from '@azure/arm-network';
import type { GenericResource } from '@azure/arm-resources';
import { readArmError } from '../armError.ts';
import type { Blueprint } from '../blueprint.ts';
import type { AzureClients } from '../clients.ts';
import { peeringName } from '../names.ts';
import { orUndefinedIfMissing, type Resource, resource } from '../resource.ts';
import { networkApiVersion } from './apiVersions.ts';
import { bodyToPut } from './difference.ts';

const type = 'Microsoft.Network/virtualNetworks/virtualNetworkPeerings';

type Peering = Blueprint['spec']['network']['peerings'][number];

/** A peering carries traffic when both networks have their side of it; the far side is made too unless the spec says otherwise. */
export const peerings = (blueprint: Blueprint): Resource[] =>
  blueprint.spec.network.peerings.flatMap((peering) => {
    const near = nearSide(blueprint, peering);
    if (!peering.bothSides) return [near];
    const far = farSide(blueprint, peering);
    return peering.useRemoteGateways ? [far, near] : [near, far];
  });

/** A side whose other side was taken away never connects again: it is deleted first. Nothing passes through it. */
interface Write<Body> {
  body: Body;
  /** Id of what is deleted first. */
  replaces?: string;
}

function nearSide(blueprint: Blueprint, peering: Peering): Resource {
  const { names, place } = blueprint;
  const name = peeringName(peering.virtualNetworkId);
  const network = networkId(blueprint);
  const id = nearId(blueprint, peering);
  const comesAfter = peering.bothSides && !peering.useRemoteGateways;
  return resource<Write<VirtualNetworkPeering>, VirtualNetworkPeering>({
    key: `peering-${name}`,
    type,
    id,
    // A side that uses the other's gateway is refused until the far side offers it.
    dependsOn: ['virtualNetwork', ...(peering.useRemoteGateways && peering.bothSides ? [farKey(name)] : [])],
    writeQueue: network,
    get: (azure) => azure.network.virtualNetworkPeerings.get(place.resourceGroup, names.virtualNetwork, name),
    desired: (found) =>
      write(found, found?.peeringState === 'Disconnected' ? id : undefined, {
        remoteVirtualNetwork: { id: peering.virtualNetworkId },
        allowVirtualNetworkAccess: true,
        allowForwardedTraffic: peering.allowForwardedTraffic,
        allowGatewayTransit: false,
        useRemoteGateways: peering.useRemoteGateways,
      }),
    put: (azure, { body, replaces }) =>
      rewrite(
        azure,
        replaces,
        () =>
          azure.network.virtualNetworkPeerings.createOrUpdate(place.resourceGroup, names.virtualNetwork, name, body),
        async () => (comesAfter ? (await findFarSide(azure, blueprint, peering))?.id : undefined),
      ),
  });
}

const networkId = (blueprint: Blueprint): string =>
  blueprint.id('Microsoft.Network/virtualNetworks', blueprint.names.virtualNetwork);

const nearId = (blueprint: Blueprint, { virtualNetworkId }: Peering): string =>
  `${networkId(blueprint)}/virtualNetworkPeerings/${peeringName(virtualNetworkId)}`;

const farKey = (name: string): string => `peering-${name}/farSide`;

/** By id, because the other network may be in another subscription, which the network client cannot write to. */
function farSide(blueprint: Blueprint, peering: Peering): Resource {
  const near = peeringName(peering.virtualNetworkId);
  const id = farId(peering, blueprint.names.remotePeering);
  const elsewhere = (found: GenericResource | undefined) =>
    found?.id === undefined || found.id.toLowerCase() === id.toLowerCase() ? undefined : found.id;
  return resource<Write<GenericResource> & { at: string }, GenericResource>({
    key: farKey(near),
    type,
    id,
    dependsOn: peering.useRemoteGateways ? ['virtualNetwork'] : [`peering-${near}`],
    writeQueue: peering.virtualNetworkId.toLowerCase(),
    async get(azure) {
      const found = await findFarSide(azure, blueprint, peering);
      return found ?? azure.resources.resources.getById(id, networkApiVersion);
    },
    desired(found) {
      const at = elsewhere(found) ?? id;
      const change = write<GenericResource>(
        found,
        found?.properties?.peeringState === 'Disconnected' ? at : undefined,
        {
          properties: {
            remoteVirtualNetwork: { id: networkId(blueprint) },
            allowVirtualNetworkAccess: true,
            allowForwardedTraffic: false,
            allowGatewayTransit: peering.useRemoteGateways,
            useRemoteGateways: false,
          },
        },
      );
      return change && { ...change, at: change.replaces === undefined ? at : id };
    },
    put: (azure, { body, replaces, at }) =>
      rewrite(
        azure,
        replaces,
        () =>
          azure.resources.resources.beginCreateOrUpdateByIdAndWait(at, networkApiVersion, {
            properties: writable(body.properties),
          }),
        async () => (peering.useRemoteGateways ? nearId(blueprint, peering) : undefined),
      ),
    output(found): Record<string, string> {
      const foundAt = elsewhere(found);
      return foundAt === undefined ? {} : { foundAt };
    },
  });
}

const farId = ({ virtualNetworkId }: Peering, name: string): string =>
  `${virtualNetworkId}/virtualNetworkPeerings/${name}`;

/** Under its name, or under its former one where that is with this very network and not with a namesake's. */
async function findFarSide(
  azure: AzureClients,
  blueprint: Blueprint,
  peering: Peering,
): Promise<GenericResource | undefined> {
  const { remotePeering, formerRemotePeering } = blueprint.names;
  const at = (name: string) =>
    orUndefinedIfMissing(azure.resources.resources.getById(farId(peering, name), networkApiVersion));
  const found = await at(remotePeering);
  if (found !== undefined) return found;
  const former = await at(formerRemotePeering);
  const { id = '' } = (former?.properties?.remoteVirtualNetwork ?? {}) as { id?: string };
  return id.toLowerCase() === networkId(blueprint).toLowerCase() ? former : undefined;
}

function write<Body extends object>(
  found: Body | undefined,
  replaces: string | undefined,
  wanted: Body,
): Write<Body> | undefined {
  const body = bodyToPut(replaces === undefined ? found : undefined, wanted);
  return body && { body, ...(replaces === undefined ? {} : { replaces }) };
}

/**
 * Azure makes no side while the other one is disconnected (400 RemotePeeringIsDisconnected): then that one goes, and is made anew in its
 * turn.
 * @param findOther id of the other side, if its turn comes after this one's
 */
async function rewrite(
  azure: AzureClients,
  replaces: string | undefined,
  put: () => PromiseLike<unknown>,
  findOther: () => Promise<string | undefined>,
): Promise<unknown> {
  const remove = (id: string) => azure.resources.resources.beginDeleteByIdAndWait(id, networkApiVersion);
  if (replaces !== undefined) await remove(replaces);
  try {
    return await put();
  } catch (error) {
    const other = readArmError(error).failure.code === 'RemotePeeringIsDisconnected' ? await findOther() : undefined;
    if (other === undefined) throw error;
    await remove(other);
    return put();
  }
}

const readOnly = new Set(['provisioningState', 'resourceGuid', 'remoteVirtualNetworkEncryption']);

const writable = (properties: Record<string, unknown> = {}) =>
  Object.fromEntries(Object.entries(properties).filter(([key]) => !readOnly.has(key)));
