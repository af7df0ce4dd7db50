import { setTimeout as delay } from 'node:timers/promises';
import { ownedResources } from '../e2e/azure.ts';
import { logIn } from '../e2e/users.ts';
import type { ArmRow } from '../e2e/world.ts';
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
      const before = (await patient.world.armRows()).length;
      const alone = struck < all.length;
      const killed = alone || draw() < 2 / 3 ? undefined : killHost(patient, 3_000 + draw() * 20_000);
      const result = await suffer(patient, troubles, 300);
      await killed;
      if (alone) checkReason(troubles, result);
      await check(patient, whole, result, (await patient.world.armRows()).slice(before));
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
async function check(patient: Patient, whole: string[], { operations }: Healed, rows: ArmRow[]): Promise<void> {
  const problems: string[] = [];
  const now = await inventoryOf(patient);
  if (JSON.stringify(now) !== JSON.stringify(whole)) problems.push(`resources are ${now.join(' ')}`);
  const spans = operations.map(({ createdAt, finishedAt = '' }) => ({ createdAt, finishedAt })).reverse();
  if (spans.some(({ createdAt }, index) => createdAt < (spans[index - 1]?.finishedAt ?? '')))
    problems.push('two operations ran at once');
  if (disturbedAtOnce(rows) > 1) problems.push('two nodes were disturbed at once');
  const { username, password } = patient.account;
  if ((await logIn({ ingress: patient.ingress, from: '127.0.0.200' }, username, password)) === undefined)
    problems.push('a login is refused');
  if (problems.length > 0) throw new Error(problems.join('; '));
}

/** Nodes that one operation restarted, moved or deleted: the rows between two looks at the balancer's health. */
function disturbedAtOnce(rows: ArmRow[]): number {
  const groups: Set<string>[] = [new Set()];
  for (const { method, url, status } of rows) {
    if (status >= 400) continue;
    if (url.includes('/health?')) groups.push(new Set());
    const machine = /\/virtualMachines\/([^/?]+)(?:\/(\w+))?\?/.exec(url);
    const action = machine?.[2] ?? method;
    if (machine?.[1] && ['restart', 'redeploy', 'runCommand', 'DELETE'].includes(action))
      groups.at(-1)?.add(machine[1]);
  }
  return Math.max(...groups.map(({ size }) => size));
}
