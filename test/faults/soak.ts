import { setTimeout as delay } from 'node:timers/promises';
import { ownedResources } from '../e2e/azure.ts';
import { logIn } from '../e2e/users.ts';
import { type Healed, openPatient, type Patient, suffer, type Trouble } from './patient.ts';
import { random } from './random.ts';
import { databaseTroubles, networkTroubles, nodeTroubles } from './troubles.ts';

/**
 * Every trouble alone, then random ones, every third time two at once, until `faults` have struck one and the same jump server. After
 * each it must be whole again. Throws at the first that is not, with the seed.
 */
export async function soakHealing(seed: number, faults: number): Promise<void> {
  const all = [...nodeTroubles, ...networkTroubles, ...databaseTroubles];
  const draw = random(seed);
  const any = (): Trouble => all[Math.floor(draw() * all.length)] as Trouble;
  console.log(`healing: ${faults} faults, seed ${seed}`);
  const patient = await openPatient();
  try {
    const whole = await inventoryOf(patient);
    let failed = 0;
    for (let struck = 0; struck < faults; ) {
      const troubles = struck < all.length ? [all[struck] as Trouble] : draw() < 1 / 3 ? [any(), any()] : [any()];
      const alone = struck < all.length;
      const killed = alone || draw() < 2 / 3 ? undefined : killHost(patient, 3_000 + draw() * 20_000);
      const result = await suffer(patient, troubles, 300);
      await killed;
      if (alone) checkReason(troubles, result);
      await check(patient, whole, result);
      // Logins cannot work while everybody's way in or the database is away.
      if (troubles.every((trouble) => nodeTroubles.includes(trouble)) && troubles.length === 1)
        failed += result.logins.failed.length;
      struck += troubles.length;
    }
    console.log(`healing: ${faults} faults healed, ${failed} logins failed while one node was down`);
    if (failed > 0) throw new Error(`${failed} logins failed while another node was there (seed ${seed}).`);
  } finally {
    await patient.close();
  }
}

/** In the middle of whatever the control plane does then. */
async function killHost(patient: Patient, milliseconds: number): Promise<void> {
  await delay(milliseconds);
  console.log('the host is killed');
  await patient.world.stack.killHost();
  await patient.world.stack.restartHost();
}

function checkReason(troubles: Trouble[], { operations }: Healed): void {
  for (const { title, reason } of troubles)
    if (!operations.some((operation) => reason.test(operation.reason)))
      throw new Error(`${title}: no operation says so, but ${operations.map((one) => one.reason).join(' | ')}`);
}

const inventoryOf = async (patient: Patient): Promise<string[]> =>
  (await ownedResources(patient.world, patient.name))
    .map((id) => id.toLowerCase())
    // An endpoint's interface has a random name.
    .filter((id) => !id.includes('.nic.'))
    .sort();

/** What must hold after every heal. */
async function check(patient: Patient, whole: string[], { operations }: Healed): Promise<void> {
  const problems: string[] = [];
  const now = await inventoryOf(patient);
  if (JSON.stringify(now) !== JSON.stringify(whole)) problems.push(`resources are ${now.join(' ')}`);
  const spans = operations.map(({ createdAt, finishedAt = '' }) => ({ createdAt, finishedAt })).reverse();
  if (spans.some(({ createdAt }, index) => createdAt < (spans[index - 1]?.finishedAt ?? '')))
    problems.push('two operations ran at once');
  if ((await disturbedAtOnce(patient, operations)) > 1) problems.push('two nodes were disturbed at once');
  const { username, password } = patient.account;
  if ((await logIn({ ingress: patient.ingress, from: '127.0.0.200' }, username, password)) === undefined)
    problems.push('a login is refused');
  if (problems.length > 0) throw new Error(problems.join('; '));
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
