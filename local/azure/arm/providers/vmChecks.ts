import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError, invalidParameter } from '../failure.ts';
import { key } from '../ids.ts';
import type { Draft } from '../kind.ts';
import { asObject, asText, getAt, objects, setAt } from '../values.ts';
import { checkQuota } from './quota.ts';
import { findSize, type VmSize } from './vmSizes.ts';

/** What the compute provider refuses about a VM's body before it accepts it; `creates`: it needs a host. Throws ArmError. */
export function checkMachine(draft: Draft, creates: boolean): void {
  const { zones, properties } = draft.resource;
  if (zones !== undefined && zones.length > 0 && properties.availabilitySet !== undefined)
    throw invalidParameter(
      'zones',
      'Virtual Machine cannot be in an availability set and in a zone: the two exclude each other.',
    );
  checkSize(draft, creates);
  checkLogin(draft);
  checkInterfaces(draft);
}

function checkSize({ resource, existing, env }: Draft, creates: boolean): void {
  const name = getAt(resource, 'properties.hardwareProfile.vmSize');
  const size = findSize(name);
  if (size === undefined)
    throw invalidParameter(
      'vmSize',
      `The value ${String(name)} provided for the VM size is not valid. The valid sizes in the current region are listed by resourceSkus.`,
    );
  setAt(resource as unknown as Record<string, unknown>, 'properties.hardwareProfile.vmSize', size.name);
  const before = findSize(getAt(existing, 'properties.hardwareProfile.vmSize'));
  const resizes = before?.name !== size.name && existing?.internal.power !== 'deallocated';
  if (creates || resizes) checkRoom(env, size, existing);
}

/** Can the size be had now, and are there cores left for it? Asked at a creation, a resize and a start. Throws 409. */
export function checkRoom(env: ArmEnv, size: VmSize, existing: Stored | undefined): void {
  if (env.options.restrictedSizes.some((name) => name.toLowerCase() === size.name.toLowerCase()))
    throw new ArmError(
      409,
      'SkuNotAvailable',
      `The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: ${size.name}' is currently not available in location '${env.context.location}'. Please try another size or deploy to a different location or different zone. See https://aka.ms/azureskunotavailable for details.`,
    );
  checkQuota(env, size, existing);
}

const refusedNames = new Set(
  'administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console david guest john owner root server sql support support_388945a0 sys test2 test3 user4 user5'.split(
    ' ',
  ),
);

function checkLogin({ resource, existing }: Draft): void {
  const profile = asObject(resource.properties.osProfile);
  if (existing) return;
  if (resource.properties.osProfile === undefined)
    throw invalidParameter('osProfile', "Required parameter 'osProfile' is missing (null).");
  const name = asText(profile.adminUsername);
  if (name === '' || refusedNames.has(name.toLowerCase()))
    throw invalidParameter('adminUsername', `The Admin Username specified is not allowed. '${name}'`);
  const computer = asText(profile.computerName);
  if (!/^[a-z0-9]([-a-z0-9.]{0,62}[a-z0-9])?$/i.test(computer))
    throw invalidParameter(
      'computerName',
      'Linux host name cannot exceed 64 characters in length or contain the following characters: ` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \\ | ; : \' " , < > / ?.',
    );
  const data = Buffer.from(asText(profile.customData), 'base64');
  if (
    profile.customData !== undefined &&
    data.toString('base64').replace(/=+$/, '') !== asText(profile.customData).replace(/=+$/, '')
  )
    throw invalidParameter(
      'customData',
      'Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.',
    );
  if (data.length > 65_535)
    throw invalidParameter(
      'customData',
      'Custom data in OSProfile must be in Base64 encoding and with a maximum length of 87380 characters.',
    );
  checkKeys(profile, name);
}

function checkKeys(profile: Record<string, unknown>, name: string): void {
  const linux = asObject(profile.linuxConfiguration);
  const keys = objects(asObject(linux.ssh).publicKeys);
  if (linux.disablePasswordAuthentication !== true) return;
  if (keys.length === 0)
    throw invalidParameter(
      'linuxConfiguration.ssh.publicKeys',
      'Authentication using either SSH or by user name and password must be enabled in Linux profile.',
    );
  for (const { path, keyData } of keys) {
    if (path !== `/home/${name}/.ssh/authorized_keys`)
      throw invalidParameter(
        'linuxConfiguration.ssh.publicKeys.path',
        `Destination path for SSH public keys is currently limited to its default value /home/${name}/.ssh/authorized_keys  due to a known issue in Linux provisioning agent.`,
      );
    if (!/^(ssh-rsa|ssh-ed25519) [A-Za-z0-9+/]+=*( .*)?\s*$/.test(asText(keyData)))
      throw invalidParameter(
        'linuxConfiguration.ssh.publicKeys.keyData',
        'The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.',
      );
  }
}

function checkInterfaces({ resource, env }: Draft): void {
  const list = objects(asObject(resource.properties.networkProfile).networkInterfaces);
  if (list.length === 0)
    throw invalidParameter('networkProfile', "Required parameter 'networkProfile' is missing (null).");
  if (list.length > 1 && list.filter((nic) => asObject(nic.properties).primary === true).length !== 1)
    throw invalidParameter(
      'networkInterfaces',
      `Virtual Machine ${resource.name} must have one network interface set as the primary.`,
    );
  for (const nic of list) {
    const id = asText(nic.id);
    const other = env.references
      .of(id)
      .find((use) => use.reference.back === 'virtualMachine' && key(use.source) !== key(resource.id));
    if (other) throw new ArmError(400, 'NicInUse', `Network Interface ${id} is used by existing VM ${other.source}.`);
    const stored = env.state.get(id);
    if (
      Number(stored?.internal.reservedUntil ?? 0) > env.clock.wall() &&
      stored?.internal.reservedFor !== key(resource.id)
    )
      throw new ArmError(
        400,
        'NicReservedForAnotherVm',
        `Nic(s) in request is reserved for another Virtual Machine for 180 seconds. Please provide another nic(s) or retry after 180 seconds.`,
      );
  }
}
