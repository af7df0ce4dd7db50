import type { ArmResource } from '../../contract.ts';
import type { ArmEnv } from '../env.ts';
import { invalidParameter } from '../failure.ts';
import { groupId } from '../ids.ts';
import type { Draft } from '../kind.ts';
import { asObject, asText, defaults, idOf, objects } from '../values.ts';

/** What the compute provider adds to a VM's body, and the OS disk that comes with it. */

const diskType = 'Microsoft.Compute/disks';

export function completeStorage({ resource, existing }: Draft): void {
  const storage = asObject(resource.properties.storageProfile);
  resource.properties.storageProfile = storage;
  const before = asObject(asObject(existing?.properties.storageProfile).osDisk);
  const image = asObject(storage.imageReference);
  const disk = asObject(storage.osDisk);
  if (
    !existing &&
    idOf(image) === undefined &&
    ['publisher', 'offer', 'sku', 'version'].some((name) => asText(image[name]) === '')
  )
    throw invalidParameter('imageReference', "Required parameter 'imageReference' is missing (null).");
  if (!existing && disk.createOption !== 'FromImage')
    throw invalidParameter(
      'osDisk.createOption',
      `osDisk.createOption '${String(disk.createOption)}' is not supported here: use FromImage.`,
    );
  const name =
    asText(before.name) || asText(disk.name) || `${resource.name}_OsDisk_1_${crypto.randomUUID().replaceAll('-', '')}`;
  storage.osDisk = { ...before, ...disk, name };
  defaults(asObject(storage.osDisk), {
    osType: 'Linux',
    createOption: 'FromImage',
    caching: 'ReadWrite',
    deleteOption: 'Detach',
    diskSizeGB: 30,
    managedDisk: { storageAccountType: 'Premium_LRS' },
  });
  const managed = asObject(asObject(storage.osDisk).managedDisk);
  managed.id = idOf(asObject(before.managedDisk)) ?? `${groupId(resource.id)}/providers/${diskType}/${name}`;
  storage.dataDisks ??= [];
  if (image.version === 'latest') image.exactVersion = '24.04.202611010';
  storage.diskControllerType ??= 'SCSI';
}

export function completeLogin({ resource }: Draft): void {
  const profile = asObject(resource.properties.osProfile);
  defaults(profile, { secrets: [], allowExtensionOperations: true, requireGuestProvisionSignal: true });
  defaults(asObject(profile.linuxConfiguration), {
    provisionVMAgent: true,
    patchSettings: { patchMode: 'ImageDefault', assessmentMode: 'ImageDefault' },
  });
  for (const nic of objects(asObject(resource.properties.networkProfile).networkInterfaces))
    nic.properties = { primary: true, deleteOption: 'Detach', ...asObject(nic.properties) };
}

export function giveIdentity({ resource, existing, env }: Draft): void {
  const identity = resource.identity ?? (existing?.identity as ArmResource['identity'] | undefined);
  if (identity === undefined) return;
  const user = identity.type.includes('UserAssigned') ? (identity.userAssignedIdentities ?? {}) : undefined;
  resource.identity = {
    type: identity.type,
    ...(identity.type.includes('SystemAssigned')
      ? { principalId: env.principalOf(resource.id).objectId, tenantId: env.context.tenantId }
      : {}),
    ...(user
      ? { userAssignedIdentities: Object.fromEntries(Object.keys(user).map((id) => [id, clientOf(env, id)])) }
      : {}),
  };
}

const clientOf = (env: ArmEnv, id: string) => {
  const properties = env.state.get(id)?.properties;
  return { principalId: asText(properties?.principalId), clientId: asText(properties?.clientId) };
};

/** The OS disk comes with the machine. */
export function makeDisk({ resource, existing, env }: Draft): void {
  if (existing) return;
  const storage = asObject(resource.properties.storageProfile);
  const disk = asObject(storage.osDisk);
  const managed = asObject(disk.managedDisk);
  env.state.put({
    id: asText(managed.id),
    name: asText(disk.name),
    type: diskType,
    location: resource.location,
    sku: { name: managed.storageAccountType, tier: 'Premium' },
    ...(resource.tags ? { tags: resource.tags } : {}),
    properties: {
      osType: disk.osType,
      hyperVGeneration: 'V2',
      creationData: {
        createOption: 'FromImage',
        imageReference: {
          id: `/Subscriptions/${env.context.subscriptionId}/Providers/Microsoft.Compute/Locations/${resource.location}/Publishers/image`,
        },
      },
      diskSizeGB: disk.diskSizeGB,
      diskSizeBytes: Number(disk.diskSizeGB) * 2 ** 30,
      networkAccessPolicy: 'AllowAll',
      publicNetworkAccess: 'Enabled',
      timeCreated: new Date(env.clock.wall()).toISOString(),
      provisioningState: 'Succeeded',
      uniqueId: crypto.randomUUID(),
    },
    internal: { created: resource.internal.created },
  });
}
