import { expect, test } from 'vitest';
import type { Attempt } from '../../shared/azure/engine.ts';
import type { Deps } from '../../shared/deps.ts';
import { ingressStep } from '../../shared/steps/ingress.ts';
import { specOf } from './sample.ts';

const attempt: Attempt = { permit: async () => undefined, within: async (work) => ({ value: await work }) };

/** A step whose balancer answers the question after its health like this. */
function stepOf(health: () => Promise<object>) {
  const network = { loadBalancerLoadBalancingRules: { health } };
  const deps = { config: { AZURE_SUBSCRIPTION_ID: 'sub' }, azure: { network } } as unknown as Deps;
  return ingressStep(deps, 'demo', specOf(), [1]);
}

const refusing = (statusCode: number, code: string) => async () => {
  throw Object.assign(new Error('text'), { statusCode, code });
};

test('a right on the balancer that is missing ends the proof at once, with what to do', async () => {
  expect(await stepOf(refusing(403, 'AuthorizationFailed')).ensure({}, attempt)).toMatchObject({
    state: 'failed',
    failure: { code: 'AuthorizationFailed', advice: expect.stringContaining('roles') },
  });
});

test('a balancer that does not answer just now is asked again', async () => {
  const step = stepOf(refusing(429, 'TooManyRequests'));
  expect(await step.ensure({}, attempt)).toMatchObject({ state: 'pending', lookAgainSeconds: 2 });
});

test('a balancer that sees no node yet is asked ever more rarely: each question is a write to Azure', async () => {
  const step = stepOf(async () => ({ loadBalancerBackendAddresses: [] }));
  const waits: number[] = [];
  for (let look = 0; look < 12; look++) {
    const outcome = await step.ensure({}, attempt);
    if (outcome.state === 'pending') waits.push(outcome.lookAgainSeconds);
  }
  expect(waits).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10]);
});
