import { setTimeout as delay } from 'node:timers/promises';
import { ownedResources } from '../e2e/azure.ts';
import { writesOf } from '../e2e/world.ts';
import type { Patient } from './patient.ts';
import type { Healed } from './suffering.ts';

/** Ids of everything in Azure that belongs to it. */
export const inventoryOf = async (patient: Patient): Promise<string[]> =>
  (await ownedResources(patient.world, patient.name))
    .map((id) => id.toLowerCase())
    // An endpoint's interface has a random name.
    .filter((id) => !id.includes('.nic.'))
    .sort();

/** What must hold after every heal. Throws with what does not. */
export async function check(patient: Patient, whole: string[], { operations }: Healed): Promise<void> {
  const problems: string[] = [];
  const now = await inventoryOf(patient);
  if (JSON.stringify(now) !== JSON.stringify(whole)) problems.push(`resources are ${now.join(' ')}`);
  const spans = operations.map(({ createdAt, finishedAt = '' }) => ({ createdAt, finishedAt })).reverse();
  if (spans.some(({ createdAt }, index) => createdAt < (spans[index - 1]?.finishedAt ?? '')))
    problems.push('two operations ran at once');
  if ((await disturbedAtOnce(patient, operations)) > 1) problems.push('two nodes were disturbed at once');
  problems.push(...(await foundByHand(patient)));
  if (problems.length > 0) throw new Error(problems.join('; '));
}

/** A heal by hand looks at everything and ends with a login: it must find nothing to do. Returns what it found. */
export async function foundByHand(patient: Patient): Promise<string[]> {
  // What a timer has begun while calls still failed comes first. A hundred faults in a row are what the breaker is there to stop.
  const ask = () => patient.world.call('POST', `${patient.base}/heal`, { body: { resetBreaker: true } });
  let [before, answer] = [(await patient.world.armRows()).length, await ask()];
  for (let tries = 0; answer.status === 409 && tries < 60; tries++) {
    await delay(1_000);
    [before, answer] = [(await patient.world.armRows()).length, await ask()];
  }
  if (answer.status !== 202) return [`a heal by hand is answered with ${answer.status}: ${answer.text}`];
  const { status, error } = await patient.world.follow(answer.headers.get('operation-location') ?? '');
  const wrote = writesOf((await patient.world.armRows()).slice(before)).map(({ method, url }) => `${method} ${url}`);
  return [...(status === 'Succeeded' ? [] : [`a heal by hand ends as ${status}: ${error?.message}`]), ...wrote];
}

/** Repairs that end sessions. */
const disturbing = ['restartServices', 'restartMachine', 'redeploy', 'rebuild'].map((repair) => `Molcajete/${repair}`);

/** The most nodes that one operation repaired so that sessions ended. */
async function disturbedAtOnce(patient: Patient, operations: Healed['operations']): Promise<number> {
  const counts = operations.map(async ({ id }) => {
    const { body } = await patient.world.call('GET', `${patient.base}/operations/${id}`);
    return body.resources.filter(({ type }: { type: string }) => disturbing.includes(type)).length;
  });
  return Math.max(0, ...(await Promise.all(counts)));
}
