import { setTimeout as delay } from 'node:timers/promises';
import { control, type Disturbance, passing } from './disturbances.ts';
import { hindrances } from './hindrances.ts';
import { check, inventoryOf } from './invariants.ts';
import { openPatient, type Patient } from './patient.ts';
import { one, random } from './random.ts';
import { endure, type Healed, type Hindrance, suffer, type Trouble } from './suffering.ts';
import { databaseTroubles, networkTroubles, nodeTroubles } from './troubles.ts';

const all = [...nodeTroubles, ...networkTroubles, ...databaseTroubles];

/** One bout of troubles, with what makes it harder to heal them. */
interface Bout {
  troubles: Trouble[];
  /** The host is killed so many milliseconds after them. */
  killAfter?: number;
  /** Calls to ARM that fail meanwhile. */
  calls?: Disturbance;
  /** What keeps it from being healed until a person takes it away. */
  hindrance?: Hindrance;
}

/**
 * Every trouble alone, then random ones, every third time two at once, a third of them while the host is killed and a third while
 * calls to ARM fail, until `faults` have struck one and the same jump server. After each it must be whole again. Throws at the end
 * with those after which it was not, and the seed.
 */
export async function soakHealing(seed: number, faults: number): Promise<void> {
  const draw = random(seed);
  await sufferAll('healing', seed, draw, bouts());

  function* bouts(): Generator<Bout> {
    const any = (): Trouble => one(all, draw);
    for (let struck = 0; struck < faults; ) {
      const alone = all[struck];
      const troubles = alone !== undefined ? [alone] : [...new Set(draw() < 1 / 3 ? [any(), any()] : [any()])];
      const hardship = alone !== undefined ? 1 : draw();
      yield {
        troubles,
        ...(hardship < 1 / 3 ? { killAfter: 3_000 + draw() * 20_000 } : {}),
        ...(hardship >= 1 / 3 && hardship < 2 / 3 ? { calls: one(passing, draw) } : {}),
      };
      struck += troubles.length;
    }
  }
}

/** Pairs of different troubles, both at once: `count` of all that there are, from that place on in an order that the seed draws. */
export async function soakPairs(seed: number, count: number, from = 0): Promise<void> {
  const pairs = all.flatMap((first, index) => all.slice(index + 1).map((second) => ({ troubles: [first, second] })));
  await sufferSome('pairs', seed, pairs, count, from);
}

/** Every trouble while calls to ARM fail, and while something keeps it from being healed; `count` and `from` as for pairs. */
export async function soakHindered(seed: number, count: number, from = 0): Promise<void> {
  const pairs = all.flatMap((trouble): Bout[] => [
    ...passing.map((calls) => ({ troubles: [trouble], calls })),
    ...hindrances.map((hindrance) => ({ troubles: [trouble], hindrance })),
  ]);
  await sufferSome('hindered', seed, pairs, count, from);
}

async function sufferSome(name: string, seed: number, bouts: Bout[], count: number, from: number): Promise<void> {
  const draw = random(seed);
  const inOrder = bouts.map((bout) => ({ at: draw(), bout })).sort((a, b) => a.at - b.at);
  const drawn = inOrder.slice(from, from + count).map(({ bout }) => bout);
  console.log(`${name}: ${drawn.length} of ${bouts.length}, from place ${from}`);
  await sufferAll(name, seed, draw, drawn);
}

/** One jump server meets them all; after a bout that it did not survive, another one takes its place. */
async function sufferAll(name: string, seed: number, draw: () => number, bouts: Iterable<Bout>): Promise<void> {
  console.log(`${name}: seed ${seed}`);
  const failed: string[] = [];
  let [faults, refused] = [0, 0];
  let patient = await openPatient();
  try {
    let whole = await inventoryOf(patient);
    for (const bout of bouts) {
      try {
        refused += await sufferOne(patient, whole, bout, draw);
        faults += bout.troubles.length;
      } catch (error) {
        failed.push(`${titleOf(bout)}: ${(error as Error).message}`);
        console.log(`FAILED ${failed.at(-1)}`);
        await patient.close();
        patient = await openPatient();
        whole = await inventoryOf(patient);
      }
    }
  } finally {
    await patient.close();
  }
  console.log(
    `${name}: ${faults} faults healed, ${failed.length} bouts failed, ${refused} logins failed while one node was down`,
  );
  if (refused > 0) failed.push(`${refused} logins failed while another node was there`);
  if (failed.length > 0) throw new Error(`${failed.join('\n')} (seed ${seed})`);
}

const titleOf = ({ troubles, calls, hindrance }: Bout): string =>
  [troubles.map(({ title }) => title).join(', and '), calls?.title, hindrance?.title].filter(Boolean).join(', while ');

/** Returns the logins that failed although another node was there to take them. */
async function sufferOne(patient: Patient, whole: string[], bout: Bout, draw: () => number): Promise<number> {
  const { troubles, killAfter, calls, hindrance } = bout;
  if (calls !== undefined) console.log(`meanwhile ${calls.title}`);
  // What strikes by way of ARM must not fail itself.
  const meanwhile = async () =>
    Promise.all([killAfter !== undefined && killHost(patient, killAfter), calls?.happen(patient.world, draw, 0)]);
  const [trouble] = troubles;
  const result =
    hindrance === undefined || trouble === undefined
      ? await suffer(patient, troubles, 300, meanwhile)
      : await endure(patient, trouble, hindrance);
  await control(patient.world, 'DELETE', '/faults');
  if (troubles.length === 1 && killAfter === undefined && calls === undefined && hindrance === undefined)
    checkReason(troubles, result);
  await check(patient, whole, result);
  // Logins cannot work while everybody's way in or the database is away.
  const oneNode = troubles.length === 1 && troubles.every((trouble) => nodeTroubles.includes(trouble));
  return oneNode ? result.logins.failed.length : 0;
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
