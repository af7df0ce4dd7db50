import type { VirtualMachine, VirtualMachineUpdate } from '@azure/arm-compute';
import { cloudInit } from '../../node/cloudInit.ts';
import type { Blueprint } from '../blueprint.ts';
import { networkInterfaceName, nodeKey, osDiskName } from '../names.ts';
import { hasFailed, type Resource, resource } from '../resource.ts';
import { holds } from './difference.ts';
import { throwAwaySshKey } from './sshKey.ts';
import { tagsOver } from './tags.ts';

const type = 'Microsoft.Compute/virtualMachines';

const administrator = 'molcajete';

/**
 * A machine is created whole, later changed by PATCH: name, image, set, custom data and keys are fixed from then on. Whether a PATCH mends
 * one whose last write failed is written nowhere; to reapply its model does (azure-behaviour.md, 2.14).
 */
type Write = { create: VirtualMachine } | { update: VirtualMachineUpdate | undefined; reapply: boolean };

/** One node. */
export function virtualMachine(blueprint: Blueprint, node: string, number: number): Resource {
  const { names, place } = blueprint;
  const identity = blueprint.id('Microsoft.ManagedIdentity/userAssignedIdentities', names.identity);
  return resource<Write, VirtualMachine>({
    key: nodeKey(number, 'virtualMachine'),
    type,
    id: blueprint.id(type, node),
    dependsOn: [nodeKey(number, 'networkInterface'), 'availabilitySet', 'identity'],
    get: (azure) => azure.compute.virtualMachines.get(place.resourceGroup, node),
    desired(found) {
      if (found === undefined) return { create: machine(blueprint, node, identity) };
      // The machine's own identity reports to us, the shared one reads secrets.
      const wanted = { tags: tagsOver(found, blueprint), identity: identities(identity) };
      const [differs, reapply] = [!holds(found, wanted), hasFailed(found)];
      return differs || reapply ? { update: differs ? wanted : undefined, reapply } : undefined;
    },
    async put(azure, write) {
      const { virtualMachines } = azure.compute;
      if ('create' in write)
        return virtualMachines.createOrUpdate(place.resourceGroup, node, await withKey(write.create));
      if (write.update !== undefined) await virtualMachines.update(place.resourceGroup, node, write.update);
      if (write.reapply) await virtualMachines.reapply(place.resourceGroup, node);
    },
    output: (found) => ({ principalId: found.identity?.principalId ?? '' }),
  });
}

const identities = (userAssigned: string) => ({
  type: 'SystemAssigned, UserAssigned' as const,
  userAssignedIdentities: { [userAssigned]: {} },
});

function machine(blueprint: Blueprint, node: string, identity: string): VirtualMachine {
  const { spec, names, environment } = blueprint;
  const { apiUrl, apiAudience: audience } = environment;
  const bootstrap = cloudInit({ apiUrl, audience, jumpServer: blueprint.name, node });
  return {
    location: spec.location,
    tags: tagsOver(undefined, blueprint),
    identity: identities(identity),
    availabilitySet: { id: blueprint.id('Microsoft.Compute/availabilitySets', names.availabilitySet) },
    hardwareProfile: { vmSize: spec.web.vmSize },
    // Not left to a default that differs between portal and API: virtual-machines/trusted-launch.
    securityProfile: { securityType: 'TrustedLaunch', uefiSettings: { secureBootEnabled: true, vTpmEnabled: true } },
    storageProfile: {
      // The `server` plan is the generation 2 image, which trusted launch needs.
      imageReference: { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'server', version: 'latest' },
      osDisk: {
        name: osDiskName(node),
        createOption: 'FromImage',
        // The API's default is Detach, which leaves a disk behind each machine: virtual-machines/delete.
        deleteOption: 'Delete',
        managedDisk: { storageAccountType: 'StandardSSD_LRS' },
      },
    },
    osProfile: {
      computerName: node,
      adminUsername: administrator,
      customData: Buffer.from(bootstrap).toString('base64'),
      linuxConfiguration: { disablePasswordAuthentication: true },
    },
    networkProfile: {
      networkInterfaces: [
        {
          id: blueprint.id('Microsoft.Network/networkInterfaces', networkInterfaceName(node)),
          primary: true,
          // A rebuilt node keeps its address.
          deleteOption: 'Detach',
        },
      ],
    },
    // Without a storage account's address the platform keeps screenshots and serial log itself.
    diagnosticsProfile: { bootDiagnostics: { enabled: true } },
  };
}

/** A Linux machine cannot be created without a way in. This one nobody has: its private half is dropped at once. */
async function withKey(body: VirtualMachine): Promise<VirtualMachine> {
  const path = `/home/${administrator}/.ssh/authorized_keys`;
  const linuxConfiguration = {
    ...body.osProfile?.linuxConfiguration,
    ssh: { publicKeys: [{ path, keyData: await throwAwaySshKey() }] },
  };
  return { ...body, osProfile: { ...body.osProfile, linuxConfiguration } };
}
