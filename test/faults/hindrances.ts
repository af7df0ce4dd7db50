import { arm, controlIdentity, principalOf } from '../e2e/azure.ts';
import { control } from './disturbances.ts';
import type { Patient } from './patient.ts';
import type { Hindrance } from './suffering.ts';

const machine = 'Microsoft.Compute/virtualMachines';

/** All calls that match meet the fault, until it is taken away. */
const always = (title: string, fault: object, match: object): Hindrance => ({
  title,
  begin: async ({ world, name }) =>
    void (await control(world, 'POST', '/faults', {
      count: 100_000,
      ...fault,
      match: { id: `/molcajete-${name}/`, ...match },
    })),
  end: async ({ world }) => void (await control(world, 'DELETE', '/faults')),
});

const lockOf = ({ name }: Patient): string =>
  `/resourceGroups/molcajete-${name}/providers/Microsoft.Authorization/locks/audit`;
const roles = '/providers/Microsoft.Authorization/roleAssignments';

/** What an owner of the subscription does; throws unless it is carried out. */
async function asOwner({ world }: Patient, method: string, path: string, version: string, body?: object) {
  const answer = await arm(world, method, path, version, body);
  if (answer.status >= 300) throw new Error(`${method} ${path} was answered with ${answer.status}.`);
  return answer.body;
}

interface Assignment {
  id: string;
  properties: { roleDefinitionId: string; principalId: string; principalType: string; scope: string };
}

/** The control plane's assignment of its role; only an owner sees it while it is taken away. */
function roleTaken(): Hindrance {
  let taken: Assignment | undefined;
  const path = ({ id }: Assignment) => `${roles}/${id.split('/').at(-1)}`;
  return {
    title: "the control plane's role is taken away",
    async begin(patient) {
      const principal = await principalOf(patient.world, controlIdentity);
      const { value } = await asOwner(patient, 'GET', roles, '2022-04-01');
      taken = (value as Assignment[]).find(
        ({ properties }) => properties.principalId === principal && !properties.scope.includes('/resourceGroups/'),
      );
      if (taken === undefined) throw new Error('The control plane has no role on the subscription.');
      await asOwner(patient, 'DELETE', path(taken), '2022-04-01');
    },
    async end(patient) {
      if (taken === undefined) return;
      const { roleDefinitionId, principalId, principalType } = taken.properties;
      const properties = { roleDefinitionId, principalId, principalType };
      await asOwner(patient, 'PUT', path(taken), '2022-04-01', { properties });
    },
  };
}

export const hindrances: Hindrance[] = [
  always('Azure has no room', { kind: 'allocationFailure' }, { type: machine }),
  always(
    'a policy forbids every change',
    {
      kind: 'status',
      status: 403,
      code: 'RequestDisallowedByPolicy',
      message: "Resource was disallowed by policy. Policy identifiers: 'Freeze before the audit'.",
    },
    { method: 'PUT' },
  ),
  always('whatever Azure does fails', { kind: 'failOperation', code: 'InternalServerError' }, {}),
  {
    title: 'the resource group is locked',
    begin: async (patient) =>
      void (await asOwner(patient, 'PUT', lockOf(patient), '2020-05-01', { properties: { level: 'ReadOnly' } })),
    end: async (patient) => void (await asOwner(patient, 'DELETE', lockOf(patient), '2020-05-01')),
  },
  roleTaken(),
];
