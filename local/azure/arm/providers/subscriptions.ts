import type { ArmEnv } from '../env.ts';
import { key } from '../ids.ts';
import type { Route } from '../provider.ts';
import { isRegistered } from '../registration.ts';

const region = (env: ArmEnv) => ({
  id: `/subscriptions/${env.context.subscriptionId}/locations/${env.context.location}`,
  name: env.context.location,
  displayName: 'West Europe',
  regionalDisplayName: '(Europe) West Europe',
  type: 'Region',
  metadata: { regionType: 'Physical', regionCategory: 'Recommended' },
});

const registration = (env: ArmEnv, namespace: string) => ({
  id: `/subscriptions/${env.context.subscriptionId}/providers/${namespace}`,
  namespace,
  registrationState: isRegistered(env, namespace) ? 'Registered' : 'NotRegistered',
  registrationPolicy: 'RegistrationRequired',
  resourceTypes: [...env.kinds.values()]
    .filter((kind) => key(kind.type).startsWith(`${key(namespace)}/`))
    .map((kind) => ({ resourceType: kind.type.slice(namespace.length + 1), locations: ['West Europe'] })),
});

const subscription = (env: ArmEnv) => ({
  id: `/subscriptions/${env.context.subscriptionId}`,
  subscriptionId: env.context.subscriptionId,
  tenantId: env.context.tenantId,
  displayName: 'Local Azure',
  state: 'Enabled',
});

/** What ARM says about the subscription itself. */
export const subscriptionRoutes: Route[] = [
  {
    method: 'GET',
    pattern: '/subscriptions/{subscription}',
    permission: 'Microsoft.Resources/subscriptions/read',
    handle: (env) => ({ status: 200, body: subscription(env) }),
  },
  {
    method: 'GET',
    pattern: '/subscriptions/{subscription}/locations',
    permission: 'Microsoft.Resources/subscriptions/locations/read',
    handle: (env) => ({ status: 200, body: { value: [region(env)] } }),
  },
  {
    method: 'GET',
    pattern: '/subscriptions/{subscription}/providers/{namespace}',
    permission: 'Microsoft.Resources/subscriptions/providers/read',
    handle: (env, { namespace = '' }) => ({ status: 200, body: registration(env, namespace) }),
  },
  {
    method: 'POST',
    pattern: '/subscriptions/{subscription}/providers/{namespace}/register',
    permission: 'Microsoft.Resources/subscriptions/providers/register/action',
    handle(env, { namespace = '' }) {
      env.options.unregistered = env.options.unregistered.filter((name) => key(name) !== key(namespace));
      return { status: 200, body: registration(env, namespace) };
    },
  },
  {
    method: 'GET',
    pattern: '/subscriptions',
    handle: (env) => ({ status: 200, body: { value: [subscription(env)] } }),
  },
];
