import { afterAll, beforeAll, expect } from 'vitest';
import { type Bodies, login } from './bodies.ts';
import { type Rule, testRules } from './rules.ts';
import { location, startWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld({ coreQuota: 100, restrictedSizes: ['Standard_D16s_v5'] });
});
afterAll(() => world.close());

type Step = [string, string, unknown?];
const vm = (b: Bodies) => b.com('virtualMachines', 'vm');
const set = (b: Bodies) => b.com('availabilitySets', 'set');
const disk = (b: Bodies) => b.com('disks', 'vm-osdisk');
const nic = (b: Bodies) => b.net('networkInterfaces', 'nic');
const network = (b: Bodies): Step[] => [
  ['PUT', b.net('virtualNetworks', 'vnet'), b.vnet()],
  ['PUT', nic(b), b.nic()],
];
const machine = (b: Bodies, properties: object = {}, more: object = {}): Step[] => [
  ...network(b),
  ['PUT', vm(b), b.vm(properties, more)],
];
const did = (b: Bodies, ...actions: string[]): Step[] => [
  ...machine(b),
  ...actions.map((action): Step => ['POST', `${vm(b)}/${action}`]),
];
const power = (state: string) => ({
  statuses: [{ code: 'ProvisioningState/succeeded' }, { code: `PowerState/${state}` }],
});
const aligned = { location, sku: { name: 'Aligned' }, properties: { platformFaultDomainCount: 2 } };

const rules: Rule[] = [
  {
    fact: 'a VM is Creating in its first answer',
    given: network,
    when: (b) => ['PUT', vm(b), b.vm()],
    answers: [
      201,
      {
        properties: {
          provisioningState: 'Creating',
          vmId: expect.any(String),
          storageProfile: { osDisk: { osType: 'Linux', deleteOption: 'Delete' } },
        },
      },
    ],
    lacks: 'customData',
  },
  {
    fact: 'customData is never returned',
    given: machine,
    when: (b) => ['GET', vm(b)],
    answers: [200],
    lacks: 'customData',
  },
  {
    fact: 'userData is returned when it is asked for',
    given: (b) => machine(b, { userData: 'aGFsbG8=' }),
    when: (b) => ['GET', `${vm(b)}?$expand=userData`],
    answers: [200, { properties: { userData: 'aGFsbG8=' } }],
  },
  {
    fact: 'userData is not returned otherwise',
    given: (b) => machine(b, { userData: 'aGFsbG8=' }),
    when: (b) => ['GET', vm(b)],
    answers: [200],
    lacks: 'aGFsbG8=',
  },
  {
    fact: 'userData can be changed',
    given: (b) => machine(b, { userData: 'aGFsbG8=' }),
    when: (b) => ['PATCH', vm(b), { properties: { userData: 'bmV1' } }],
    answers: [200],
  },
  {
    fact: 'customData cannot be changed',
    given: machine,
    when: (b) => ['PUT', vm(b), b.vm({ osProfile: { ...login, customData: 'bmV1' } })],
    answers: [409, 'PropertyChangeNotAllowed'],
    says: "Changing property 'osProfile.customData' is not allowed.",
  },
  {
    fact: 'the availability set is fixed at creation',
    given: (b) => [...machine(b), ['PUT', set(b), aligned]],
    when: (b) => ['PUT', vm(b), b.vm({ availabilitySet: { id: set(b) } })],
    answers: [409, 'PropertyChangeNotAllowed'],
  },
  {
    fact: 'the image is fixed',
    given: machine,
    when: (b) => [
      'PUT',
      vm(b),
      b.vm({
        storageProfile: {
          imageReference: { publisher: 'Canonical', offer: 'ubuntu-24_04-lts', sku: 'other', version: 'latest' },
        },
      }),
    ],
    answers: [409, 'PropertyChangeNotAllowed'],
  },
  ...(
    [
      ['the administrator', { osProfile: { ...login, adminUsername: 'other' } }],
      ['the host name', { osProfile: { ...login, computerName: 'other' } }],
      [
        'the SSH key',
        {
          osProfile: {
            ...login,
            linuxConfiguration: {
              disablePasswordAuthentication: true,
              ssh: { publicKeys: [{ path: '/home/molcajete/.ssh/authorized_keys', keyData: 'ssh-rsa AAAAother' }] },
            },
          },
        },
      ],
      ['the zone', {}, { zones: ['2'] }],
    ] as const
  ).map(
    ([what, properties, more]): Rule => ({
      fact: `${what} is fixed`,
      given: (b) => machine(b, {}, { zones: ['1'] }),
      when: (b) => ['PUT', vm(b), b.vm(properties, more)],
      answers: [409, 'PropertyChangeNotAllowed'],
    }),
  ),
  {
    fact: 'what is fixed may be left out',
    given: (b) => machine(b, {}, { zones: ['1'] }),
    when: (b) => ['PUT', vm(b), b.vm({ osProfile: undefined })],
    answers: [200, { zones: ['1'], properties: { osProfile: { adminUsername: 'molcajete' } } }],
  },
  {
    fact: 'the size can be changed',
    given: machine,
    when: (b) => ['PATCH', vm(b), { properties: { hardwareProfile: { vmSize: 'Standard_B2ms' } } }],
    answers: [200, { properties: { provisioningState: 'Updating', hardwareProfile: { vmSize: 'Standard_B2ms' } } }],
  },
  {
    fact: 'an unknown size is refused',
    given: network,
    when: (b) => ['PUT', vm(b), b.vm({ hardwareProfile: { vmSize: 'Standard_Z9' } })],
    answers: [400, 'InvalidParameter'],
  },
  {
    fact: 'a size that cannot be had here is refused at once',
    given: network,
    when: (b) => ['PUT', vm(b), b.vm({ hardwareProfile: { vmSize: 'Standard_D16s_v5' } })],
    answers: [409, 'SkuNotAvailable'],
  },
  ...['admin', 'root', 'test', 'user'].map(
    (adminUsername): Rule => ({
      fact: `the administrator may not be called ${adminUsername}`,
      given: network,
      when: (b) => ['PUT', vm(b), b.vm({ osProfile: { ...login, adminUsername } })],
      answers: [400, 'InvalidParameter'],
    }),
  ),
  {
    fact: 'the path of the SSH key is given',
    given: network,
    when: (b) => [
      'PUT',
      vm(b),
      b.vm({
        osProfile: {
          ...login,
          linuxConfiguration: {
            disablePasswordAuthentication: true,
            ssh: { publicKeys: [{ path: '/root/.ssh/authorized_keys', keyData: 'ssh-rsa AAAA' }] },
          },
        },
      }),
    ],
    answers: [400, 'InvalidParameter'],
    says: 'authorized_keys',
  },
  {
    fact: 'customData is Base64',
    given: network,
    when: (b) => ['PUT', vm(b), b.vm({ osProfile: { ...login, customData: '#cloud-config' } })],
    answers: [400, 'InvalidParameter'],
  },
  {
    fact: 'customData has at most 65,535 bytes',
    given: network,
    when: (b) => [
      'PUT',
      vm(b),
      b.vm({ osProfile: { ...login, customData: Buffer.alloc(65_536, 'a').toString('base64') } }),
    ],
    answers: [400, 'InvalidParameter'],
  },
  {
    fact: 'an interface serves one VM',
    given: machine,
    when: (b) => [
      'PUT',
      b.com('virtualMachines', 'second'),
      b.vm({
        storageProfile: {
          imageReference: b.vm().properties.storageProfile.imageReference,
          osDisk: { createOption: 'FromImage' },
        },
      }),
    ],
    answers: [400, 'NicInUse'],
  },
  {
    fact: 'a VM names an interface that does not exist',
    when: (b) => ['PUT', vm(b), b.vm()],
    answers: [400, 'InvalidResourceReference'],
  },
  {
    fact: 'a misspelt property is refused',
    given: network,
    when: (b) => ['PUT', vm(b), b.vm({ osProfil: {} })],
    answers: [400, 'BadRequest'],
    says: "Could not find member 'osProfil'",
  },
  {
    fact: 'a property of a wrong type is refused',
    given: network,
    when: (b) => ['PUT', vm(b), b.vm({ hardwareProfile: { vmSize: 2 } })],
    answers: [400, 'BadRequest'],
    says: 'Error converting value',
  },

  {
    fact: 'a VM brings its OS disk',
    given: machine,
    when: (b) => ['GET', disk(b)],
    answers: [
      200,
      {
        managedBy: expect.stringMatching(/virtualMachines\/vm$/),
        properties: { diskState: 'Attached', provisioningState: 'Succeeded' },
      },
    ],
  },
  {
    fact: 'the disk of a deallocated VM is Reserved',
    given: (b) => did(b, 'deallocate'),
    when: (b) => ['GET', disk(b)],
    answers: [200, { properties: { diskState: 'Reserved' } }],
  },
  {
    fact: 'an attached disk cannot be deleted',
    given: machine,
    when: (b) => ['DELETE', disk(b)],
    answers: [409, 'OperationNotAllowed'],
    says: /Disk vm-osdisk is attached to VM/,
  },
  {
    fact: 'deleteOption Delete takes the disk with the VM',
    given: (b) => [...machine(b), ['DELETE', vm(b)]],
    when: (b) => ['GET', disk(b)],
    answers: [404, 'ResourceNotFound'],
  },
  {
    fact: 'without deleteOption the interface stays',
    given: (b) => [...machine(b), ['DELETE', vm(b)]],
    when: (b) => ['GET', nic(b)],
    answers: [200],
    lacks: 'virtualMachine"',
  },
  {
    fact: 'deleteOption Delete takes the interface with the VM',
    given: (b) => [
      ...machine(b, {
        networkProfile: { networkInterfaces: [{ id: nic(b), properties: { deleteOption: 'Delete' } }] },
      }),
      ['DELETE', vm(b)],
    ],
    when: (b) => ['GET', nic(b)],
    answers: [404, 'ResourceNotFound'],
  },
  {
    fact: 'a disk only grows',
    given: (b) => [
      ['PUT', disk(b), { location, properties: { creationData: { createOption: 'Empty' }, diskSizeGB: 64 } }],
    ],
    when: (b) => ['PATCH', disk(b), { properties: { diskSizeGB: 32 } }],
    answers: [400, 'InvalidParameter'],
  },
  {
    fact: 'a disk needs creationData',
    when: (b) => ['PUT', disk(b), { location, properties: { diskSizeGB: 64 } }],
    answers: [400, 'BadRequest'],
  },

  {
    fact: 'after a creation the VM runs',
    given: machine,
    when: (b) => ['GET', `${vm(b)}/instanceView`],
    answers: [200, power('running')],
  },
  {
    fact: 'powerOff stops it',
    given: (b) => did(b, 'powerOff'),
    when: (b) => ['GET', `${vm(b)}/instanceView`],
    answers: [200, power('stopped')],
  },
  {
    fact: 'deallocate releases its host',
    given: (b) => did(b, 'deallocate'),
    when: (b) => ['GET', `${vm(b)}/instanceView`],
    answers: [200, power('deallocated')],
  },
  {
    fact: 'start brings it back',
    given: (b) => did(b, 'deallocate', 'start'),
    when: (b) => ['GET', `${vm(b)}/instanceView`],
    answers: [200, power('running')],
  },
  {
    fact: 'the model is shown with its view on request',
    given: machine,
    when: (b) => ['GET', `${vm(b)}?$expand=instanceView`],
    answers: [200, { properties: { instanceView: power('running') } }],
  },
  {
    fact: 'a VM that does not run cannot be restarted',
    given: (b) => did(b, 'deallocate'),
    when: (b) => ['POST', `${vm(b)}/restart`],
    answers: [409, 'OperationNotAllowed'],
  },
  {
    fact: 'nor run a command',
    given: (b) => did(b, 'powerOff'),
    when: (b) => ['POST', `${vm(b)}/runCommand`, { commandId: 'RunShellScript', script: ['true'] }],
    answers: [409, 'OperationNotAllowed'],
  },
  {
    fact: 'an extension needs a running VM',
    given: (b) => did(b, 'deallocate'),
    when: (b) => [
      'PUT',
      `${vm(b)}/extensions/access`,
      {
        location,
        properties: { publisher: 'Microsoft.OSTCExtensions', type: 'VMAccessForLinux', typeHandlerVersion: '1.5' },
      },
    ],
    answers: [409, 'OperationNotAllowed'],
    says: 'Cannot modify extensions in the VM when the VM is not running.',
  },
  {
    fact: 'protected settings of an extension are never returned',
    given: (b) => [
      ...machine(b),
      [
        'PUT',
        `${vm(b)}/extensions/access`,
        {
          location,
          properties: {
            publisher: 'p',
            type: 't',
            typeHandlerVersion: '1.5',
            protectedSettings: { password: 'h1dden' },
          },
        },
      ],
    ],
    when: (b) => ['GET', `${vm(b)}/extensions/access`],
    answers: [200],
    lacks: 'h1dden',
  },
  {
    fact: 'a handler has one extension',
    given: (b) => [
      ...machine(b),
      ['PUT', `${vm(b)}/extensions/a`, { location, properties: { publisher: 'p', type: 't' } }],
    ],
    when: (b) => ['PUT', `${vm(b)}/extensions/b`, { location, properties: { publisher: 'p', type: 't' } }],
    answers: [400, 'BadRequest'],
    says: 'Multiple VMExtensions per handler not supported',
  },

  {
    fact: 'an availability set is there at once',
    when: (b) => ['PUT', set(b), aligned],
    answers: [200, { sku: { name: 'Aligned' }, properties: { platformUpdateDomainCount: 5, virtualMachines: [] } }],
  },
  {
    fact: 'managed disks need an aligned set',
    when: (b) => ['PUT', set(b), { location }],
    answers: [400, 'InvalidParameter'],
  },
  {
    fact: 'its fault domains are fixed',
    given: (b) => [['PUT', set(b), aligned]],
    when: (b) => ['PUT', set(b), { ...aligned, properties: { platformFaultDomainCount: 3 } }],
    answers: [409, 'PropertyChangeNotAllowed'],
  },
  {
    fact: 'it has at most three fault domains',
    when: (b) => ['PUT', set(b), { ...aligned, properties: { platformFaultDomainCount: 4 } }],
    answers: [400, 'InvalidParameter'],
  },
  {
    fact: 'a set with a VM cannot be deleted',
    given: (b) => [...network(b), ['PUT', set(b), aligned], ['PUT', vm(b), b.vm({ availabilitySet: { id: set(b) } })]],
    when: (b) => ['DELETE', set(b)],
    answers: [409, 'OperationNotAllowed'],
    says: 'ensure that it does not contain any VM',
  },
  {
    fact: 'a set shows its VMs',
    given: (b) => [...network(b), ['PUT', set(b), aligned], ['PUT', vm(b), b.vm({ availabilitySet: { id: set(b) } })]],
    when: (b) => ['GET', set(b)],
    answers: [200, { properties: { virtualMachines: [{ id: expect.stringMatching(/virtualMachines\/vm$/) }] } }],
  },
  {
    fact: 'a set and a zone exclude each other',
    given: (b) => [...network(b), ['PUT', set(b), aligned]],
    when: (b) => ['PUT', vm(b), b.vm({ availabilitySet: { id: set(b) } }, { zones: ['1'] })],
    answers: [400, 'InvalidParameter'],
  },
  {
    fact: 'an identity of the system shows its principal in the answer',
    given: network,
    when: (b) => ['PUT', vm(b), b.vm({}, { identity: { type: 'SystemAssigned' } })],
    answers: [
      201,
      {
        identity: {
          type: 'SystemAssigned',
          principalId: expect.stringMatching(/^[0-9a-f-]{36}$/),
          tenantId: expect.any(String),
        },
      },
    ],
  },
];

testRules(() => world, rules);
