import { RestError } from '@azure/core-rest-pipeline';
import { expect, test } from 'vitest';
import type { Deps } from '../../shared/deps.ts';
import { planChanges } from '../../shared/plan.ts';
import { putNode } from '../../shared/store/nodes.ts';
import type { Json } from './azureAnswers.ts';
import { azureStub } from './azureStub.ts';
import { ensureAll, resourceNamed, seedControlNetwork, specOf, specWith, subscriptionId } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';

/** A plan, while Azure answers the question after its group like this. */
function plan(error: Error) {
  const { azure } = azureStub(subscriptionId);
  Object.assign(azure.resources.resourceGroups, { get: () => Promise.reject(error) });
  return planChanges(depsWith(azure), 'demo', specOf());
}

function depsWith(azure: ReturnType<typeof azureStub>['azure']): Deps {
  const config = {
    AZURE_SUBSCRIPTION_ID: subscriptionId,
    MOLCAJETE_API_AUDIENCE: ['api://molcajete'],
    MOLCAJETE_EGRESS: [],
    MOLCAJETE_ENDPOINT_SUBNET_ID: `/subscriptions/${subscriptionId}/resourceGroups/c/providers/Microsoft.Network/virtualNetworks/n/subnets/e`,
    MOLCAJETE_DNS_ZONE_ID: `/subscriptions/${subscriptionId}/resourceGroups/c/providers/Microsoft.Network/privateDnsZones/z`,
    MOLCAJETE_RESOURCE_GROUP: 'c',
  };
  return { config, azure, now: () => new Date(), tables: createTablesStub() } as unknown as Deps;
}

test('a right that is missing is what the caller of a plan is told, with the way out', async () => {
  const refusal = new RestError('The client has no right.', { code: 'AuthorizationFailed', statusCode: 403 });
  await expect(plan(refusal)).rejects.toMatchObject({
    status: 502,
    code: 'AzureRefuses',
    message: expect.stringMatching(/no right.*infra\/main.bicep/s),
    details: [{ code: 'AuthorizationFailed' }],
  });
});

test.each([
  ['throttled', new RestError('Slow down.', { code: 'TooManyRequests', statusCode: 429 })],
  ['broken', new RestError('Oops.', { code: 'InternalServerError', statusCode: 500 })],
  ['silent', new RestError('No answer.', { code: 'RequestTimeout' })],
])('a plan while Azure is %s is to be asked for again', async (_, error) => {
  await expect(plan(error)).rejects.toMatchObject({ status: 503, headers: { 'Retry-After': expect.any(String) } });
});

test('a fault of ours stays one', async () => {
  await expect(plan(new TypeError('undefined is not a function'))).rejects.toBeInstanceOf(TypeError);
});

test('the stopped MySQL server of a jump server that sleeps is planned to be left as it is', async () => {
  const stub = azureStub(subscriptionId);
  seedControlNetwork(stub);
  await ensureAll(stub, specOf());
  (stub.find(resourceNamed(specOf(), 'mysqlServer').id).properties as Json).state = 'Stopped';
  const deps = depsWith(stub.azure);
  await putNode(deps.tables, 'demo', { number: 1, state: 'deallocated', since: new Date() });
  const schedule = [{ name: 'never', cron: '0 0 * * *', timeZone: 'UTC', count: 0 }];
  const { changes } = await planChanges(deps, 'demo', specWith({ tags: { team: 'platform' }, scaling: { schedule } }));
  expect(changes.find(({ key }) => key === 'mysqlServer')?.change).toBe('none');
});
