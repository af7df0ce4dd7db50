import type { Provider } from '../provider.ts';

const type = 'Microsoft.ManagedIdentity/userAssignedIdentities';

export const managedIdentity: Provider = {
  namespace: 'Microsoft.ManagedIdentity',
  kinds: [
    {
      type,
      style: 'sync',
      location: 'required',
      properties: { tenantId: 'ro', principalId: 'ro', clientId: 'ro', isolationScope: 'None|Regional' },
      patch: 'merge',
      namePattern: /^[a-z0-9][-\w]{2,127}$/i,
      prepare({ resource, existing, env }) {
        const { objectId, clientId } = env.principalOf(resource.id);
        const kept = existing?.properties;
        Object.assign(resource.properties, {
          tenantId: env.context.tenantId,
          principalId: kept?.principalId ?? objectId,
          clientId: kept?.clientId ?? clientId,
        });
      },
    },
  ],
  routes: [],
};
