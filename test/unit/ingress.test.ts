import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { Attempt } from '../../shared/azure/engine.ts';
import type { Deps } from '../../shared/deps.ts';
import { controlSecrets } from '../../shared/secrets/vaults.ts';
import { ingressStep } from '../../shared/steps/ingress.ts';
import { secondsAfter } from '../../shared/time.ts';
import { createPublicAuthority } from './publicAuthority.ts';
import { specOf, specWith } from './sample.ts';
import { createVaultsStub } from './vaultsStub.ts';

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

test('a certificate that has ended ends no proof, but is said; one that is about to be replaced is waited for', async () => {
  const now = new Date();
  const [control, own, hostname] = [
    'https://control.vault.azure.net/',
    'https://own.vault.azure.net/',
    'jump.contoso.com',
  ];
  const authority = await createPublicAuthority();
  const { key, leaf } = await authority.issue({ names: [hostname], notAfter: secondsAfter(now, -60) });
  const cert = leaf + authority.intermediate + authority.root;
  const ingress = createServer({ key, cert }).listen(0, '127.0.0.1');
  await once(ingress, 'listening');
  const { port } = ingress.address() as AddressInfo;
  const vaults = createVaultsStub(control);
  await vaults.at(own).put('certificate', key + cert, { contentType: '' });
  const login = JSON.stringify({ username: 'guacadmin', password: 'a-Secret-of-2026' });
  await vaults.control.put(controlSecrets.guacadmin('demo'), login, { contentType: '' });
  const health = async () => ({ loadBalancerBackendAddresses: [{ ipAddress: '10.20.0.4', state: 'Up' }] });
  const azure = { network: { loadBalancerLoadBalancingRules: { health } } };
  const deps = { config: { AZURE_SUBSCRIPTION_ID: 'sub' }, azure, vaults, now: () => now } as unknown as Deps;
  const step = ingressStep(deps, 'demo', specWith({ ingress: { hostname, port } }), [1]);
  const proof = (seconds: number) =>
    step.ensure(
      {
        publicIpAddress: { ipAddress: '127.0.0.1' },
        vault: { vaultUri: own },
        'node-1/networkInterface': { privateIPAddress: '10.20.0.4' },
        certificate: { notAfter: secondsAfter(now, seconds).toISOString() },
      },
      attempt,
    );
  expect(await proof(-60)).toMatchObject({
    state: 'ready',
    output: { url: expect.stringContaining(hostname) },
    detail: expect.stringContaining('has ended'),
  });
  expect(await proof(3600)).toMatchObject({ state: 'pending', detail: expect.stringContaining('CERT_HAS_EXPIRED') });
  ingress.close();
});
