import type { Stored } from '../../state.ts';
import type { ArmEnv } from '../env.ts';
import { ArmError } from '../failure.ts';
import type { Provider } from '../provider.ts';
import { page } from '../read.ts';
import { asObject } from '../values.ts';

const type = 'Microsoft.ResourceHealth/AvailabilityStatuses';

/** What Resource Health says about a resource: Available, unless `PUT {control}/health` has said otherwise. */
function statusOf(resource: Stored, env: ArmEnv) {
  const said = asObject(resource.internal.health);
  const now = new Date(env.clock.wall()).toISOString();
  return {
    id: `${resource.id}/providers/${type}/current`,
    name: 'current',
    type,
    location: resource.location,
    properties: {
      availabilityState: 'Available',
      title: 'Available',
      summary: "There aren't any known Azure platform problems affecting this resource",
      reasonType: '',
      occuredTime: resource.internal.created,
      reasonChronicity: 'Transient',
      reportedTime: now,
      ...said,
    },
  };
}

const watched = [
  'Microsoft.Compute/virtualMachines',
  'Microsoft.DBforMySQL/flexibleServers',
  'Microsoft.Network/loadBalancers',
];

export const resourceHealth: Provider = {
  namespace: 'Microsoft.ResourceHealth',
  kinds: [],
  routes: [
    {
      method: 'GET',
      pattern: '/{scope*}/providers/Microsoft.ResourceHealth/availabilityStatuses/current',
      permission: 'Microsoft.ResourceHealth/availabilityStatuses/current/read',
      handle(env, { scope }) {
        const resource = env.state.get(`/${scope}`);
        if (resource === undefined) throw new ArmError(404, 'ResourceNotFound', `There is no resource '/${scope}'.`);
        return { status: 200, body: statusOf(resource, env) };
      },
    },
    {
      method: 'GET',
      pattern: '/{scope*}/providers/Microsoft.ResourceHealth/availabilityStatuses',
      permission: 'Microsoft.ResourceHealth/availabilityStatuses/read',
      handle(env, { scope }, request) {
        const resources = watched.flatMap((one) => env.state.list(one, `/${scope}`));
        return page(
          resources.map((resource) => statusOf(resource, env)),
          request,
        );
      },
    },
  ],
};
