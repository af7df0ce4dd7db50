import { setTimeout as delay } from 'node:timers/promises';
import { startLoad } from '../e2e/load.ts';
import type { OperationView } from '../e2e/world.ts';
import type { Patient, Summary } from './patient.ts';

/** Something that breaks, the timer that finds it, and what the operation that heals it must say. */
export interface Trouble {
  title: string;
  strike(patient: Patient): Promise<void>;
  timer: 'healing' | 'comparing';
  reason: RegExp;
  /** `first`: others may take away what it needs. `last`: it takes away what others need. */
  strikes?: 'first' | 'last';
}

/** What neither time nor a repair cures: it must be said until a person takes it away. */
export interface Hindrance {
  title: string;
  begin(patient: Patient): Promise<void>;
  end(patient: Patient): Promise<void>;
}

/** How it was healed. */
export interface Healed {
  seconds: number;
  /** Heal operations from the fault on, the newest first. */
  operations: Summary[];
  last: OperationView;
}

/** A strike that takes Azure longest to carry out is to stop a MySQL server: 362 s there, some four here. */
const strikeMilliseconds = 6_000;

/** Rounds of the timers in which nothing more is found. */
const quietRounds = 3;

/**
 * Runs the timers again and again until a heal operation has ended, every node has reported since the strike that it is well, no condition
 * is left, and nothing more is found. Throws when it takes too long.
 */
export async function healed(
  patient: Patient,
  timers: Trouble['timer'][],
  before: ReadonlySet<string>,
  seconds = 120,
): Promise<Healed> {
  const begun = Date.now();
  for (let [quiet, seen, wholeAt] = [0, 0, 0]; ; ) {
    for (const timer of timers) await patient.tick(timer);
    await delay(1_000);
    const operations = (await patient.operations().catch(() => [])).filter(({ id }) => !before.has(id));
    const [newest] = operations;
    // What came right after a heal had given up is seen by the next comparison, which takes back the condition.
    if (newest?.status === 'Failed') await patient.tick('comparing');
    const ended = newest?.status === 'Succeeded' || newest?.status === 'Failed';
    // The host may be down just now: some soaks kill it.
    const well = ended && (await allWell(patient, begun + strikeMilliseconds).catch(() => false));
    quiet = well && operations.length === seen ? quiet + 1 : 0;
    seen = operations.length;
    if (quiet === 1) wholeAt = Date.now();
    if (well && quiet === quietRounds)
      return {
        seconds: (wholeAt - begun) / 1000,
        operations,
        last: await patient.world.follow(`${patient.base}/operations/${newest.id}`),
      };
    if (Date.now() - begun > seconds * 1000) throw new Error(`Not healed: ${await describe(patient, newest)}`);
  }
}

interface NodeView {
  state: string;
  healthy: boolean;
  reportedAt: string | null;
}

/** How it is, and what its newest operation is still about. */
async function describe({ world, base, status }: Patient, newest: Summary | undefined): Promise<string> {
  const { nodes, conditions } = await status();
  const { body } = await world.call('GET', `${base}/operations/${newest?.id}`);
  const open = (body as Partial<OperationView>).resources?.filter(({ state }) => state !== 'ready');
  return JSON.stringify({ nodes, conditions, newest, open }, null, 1);
}

/** Says every node that is up, later than this, that it is well, and is nothing left to say about the jump server? */
async function allWell(patient: Patient, since: number): Promise<boolean> {
  const { nodes, conditions }: { nodes: NodeView[]; conditions: object[] } = await patient.status();
  const up = nodes.filter(({ state }) => state !== 'deallocated');
  const said = up.every(({ healthy, reportedAt }) => healthy && Date.parse(reportedAt ?? '') > since);
  return said && conditions.length === 0;
}

/**
 * Runs the timers until it is whole all the same, or until it is said what is in the way: by a heal that has ended with an error that says
 * what to do and a condition that stands, or by one that goes on and names Azure's error. Returns the condition's type or that error's code.
 */
async function saidOrHealed(
  patient: Patient,
  timer: Trouble['timer'],
  before: ReadonlySet<string>,
  seconds: number,
): Promise<string | undefined> {
  const begun = Date.now();
  for (;;) {
    await patient.tick(timer);
    await delay(1_000);
    const newest = (await patient.operations()).find(({ id }) => !before.has(id));
    const inTheWay = newest?.status === 'Running' ? await tryingAgain(patient, newest.id) : undefined;
    if (inTheWay !== undefined) return inTheWay;
    const { conditions }: { conditions: { type: string; message: string }[] } = await patient.status();
    const [said] = conditions.filter(({ message }) => message.length > 20);
    if (newest?.status === 'Failed' && said !== undefined) {
      const { error } = await patient.world.follow(`${patient.base}/operations/${newest.id}`);
      if (!error?.code || !error.message || !error.advice) throw new Error(`It says only ${JSON.stringify(error)}.`);
      return said.type;
    }
    if (newest?.status === 'Succeeded' && (await allWell(patient, begun + strikeMilliseconds))) return undefined;
    if (Date.now() - begun > seconds * 1000) throw new Error(`Nothing is said: ${await describe(patient, newest)}`);
  }
}

/** What a running operation says of the resource that it cannot get right. */
async function tryingAgain(patient: Patient, id: string): Promise<string | undefined> {
  const { body } = await patient.world.call('GET', `${patient.base}/operations/${id}`);
  const details = (body as OperationView).resources.map(
    ({ detail = '' }) => /^will try again: (\w+)$/.exec(detail)?.[1],
  );
  return details.find((code) => code !== undefined);
}

/**
 * Strikes while something keeps it from being healed: that must be said. Once it is taken away, a heal by hand must make it whole.
 * Counts how users fared meanwhile.
 */
export async function endure(patient: Patient, trouble: Trouble, hindrance: Hindrance, seconds = 300) {
  const load = startLoad(patient.ingress, patient.account);
  try {
    const before = new Set((await patient.operations()).map(({ id }) => id));
    await trouble.strike(patient);
    await hindrance.begin(patient);
    const said = await saidOrHealed(patient, trouble.timer, before, seconds);
    await hindrance.end(patient);
    await healByHand(patient);
    const result = await healed(patient, [trouble.timer], before, seconds);
    const logins = await load.stop();
    console.log(
      `${trouble.title}, while ${hindrance.title}: ${said === undefined ? 'healed all the same' : `said as ${said}, then healed`} after ${result.seconds.toFixed(0)} s by ${result.operations.length} operations; ${logins.logins} logins, ${logins.retried.length} retried, ${logins.failed.length} failed`,
    );
    return { ...result, logins };
  } finally {
    await hindrance.end(patient);
    await load.stop();
  }
}

/** Healing may be at it again already, and a role that is given back takes a moment to act. */
async function healByHand({ world, base }: Patient): Promise<void> {
  for (let tries = 0; ; tries++) {
    const { status, text } = await world.call('POST', `${base}/heal`, { body: { resetBreaker: true } });
    if (status === 202 || status === 409) return;
    if (status < 502 || tries === 20) throw new Error(`A heal by hand is answered with ${status}: ${text}`);
    await delay(500);
  }
}

function inTurn(troubles: readonly Trouble[]): Trouble[] {
  const turns = ['first', undefined, 'last'];
  return [...troubles].sort((a, b) => turns.indexOf(a.strikes) - turns.indexOf(b.strikes));
}

/**
 * Strikes, waits until it is healed, and counts how users fared.
 * @param meanwhile what begins when it has been struck
 */
export async function suffer(
  patient: Patient,
  troubles: Trouble[],
  seconds?: number,
  meanwhile?: () => Promise<unknown>,
) {
  const load = startLoad(patient.ingress, patient.account);
  try {
    // The product's own timers may be quicker than ours.
    const before = new Set((await patient.operations()).map(({ id }) => id));
    for (const trouble of inTurn(troubles)) await trouble.strike(patient);
    const happening = meanwhile?.();
    const timers = [...new Set(troubles.map(({ timer }) => timer))];
    const result = await healed(patient, timers, before, seconds).finally(() => happening);
    const logins = await load.stop();
    const [longest = 0] = logins.retried.map(({ milliseconds }) => milliseconds).sort((a, b) => b - a);
    console.log(
      `${troubles.map(({ title }) => title).join(', and ')}: healed after ${result.seconds.toFixed(0)} s by ${result.operations.length} operations; ${logins.logins} logins, ${logins.retried.length} retried (longest ${longest} ms), ${logins.failed.length} failed`,
    );
    return { ...result, logins };
  } finally {
    await load.stop();
  }
}
