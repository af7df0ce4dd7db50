import type { Writes } from '../azure/armStep.ts';
import { type Attempt, type Outcome, type Step, Stopped } from '../azure/engine.ts';
import type { Outputs } from '../azure/resource.ts';
import type { Deps } from '../deps.ts';
import { type Login, randomPassword, type Secret, type Vault } from '../secrets/vaults.ts';
import { listInventory, listOutputs, putInventory } from '../store/inventory.ts';
import type { JumpServer } from '../store/jumpServers.ts';
import type { Holder } from '../store/leases.ts';
import { findStepStart } from '../store/operations.ts';
import { endRotation, type Rotation } from '../store/rotations.ts';
import { secondsAfter } from '../time.ts';
import type { Credential } from './credentials.ts';

/** One rotate operation at work. */
export interface Rotating {
  deps: Deps;
  writes: Writes;
  holder: Holder;
  server: JumpServer;
  /** As they are since the operation has begun: it is the last one of each that it is to rotate. */
  rotations: readonly Rotation[];
  /** Since when a step meets nothing but errors, by operation and key. */
  failingSince: Map<string, Date>;
}

/** What cannot go on for so long ends the operation, so that somebody can see to it: nothing is repaired while it runs. Seconds. */
const patienceSeconds = 300;

/**
 * On a secret's version: the operation that began the rotation which made it. Whoever carries that on takes its version up instead of making
 * another.
 */
const madeByTag = 'molcajete-operation';

export const madeBy = (rotating: Rotating, credential: Credential): Record<string, string> => ({
  [madeByTag]: rotationOf(rotating, credential)?.begunBy ?? rotating.holder.operationId,
});

/**
 * Whether the newest version is one that a rotation made and did not bring to its end: this one, or one that was interrupted. One that a former jump
 * server of that name has left in a vault which was recovered is neither. Pure.
 */
export function isPending(
  newest: Pick<Secret, 'version' | 'tags'>,
  rotation: Pick<Rotation, 'begunBy' | 'version'> | undefined,
): boolean {
  const maker = newest.tags[madeByTag];
  if (maker === undefined || rotation === undefined) return false;
  return maker === rotation.begunBy || (rotation.version !== undefined && newest.version !== rotation.version);
}

export const rotationOf = ({ rotations }: Rotating, credential: Credential): Rotation | undefined =>
  rotations.find((one) => one.credential === credential);

export const readLogin = ({ value }: Pick<Secret, 'value'>): Login => JSON.parse(value) as Login;

/** The newest login of that name where a rotation left it unfinished; else a new version with another password. */
export async function pendingLogin(
  rotating: Rotating,
  credential: Credential,
  vault: Vault,
  name: string,
  attempt: Attempt,
): Promise<Login & { version: string }> {
  const newest = await vault.find(name);
  if (newest === undefined) throw new Error(`There is no secret ${name}.`);
  const login = readLogin(newest);
  if (isPending(newest, rotationOf(rotating, credential))) return { ...login, version: newest.version };
  const next = { ...login, password: randomPassword() };
  return { ...next, version: await publishLogin(rotating, credential, vault, name, next, attempt) };
}

/** A new version of a login, marked as this rotation's. */
export async function publishLogin(
  rotating: Rotating,
  credential: Credential,
  vault: Vault,
  name: string,
  { username, password }: Login,
  attempt: Attempt,
): Promise<string> {
  await attempt.permit();
  const more = { contentType: 'application/json', tags: madeBy(rotating, credential) };
  return vault.put(name, JSON.stringify({ username, password }), more);
}

/** The end of a credential's rotation: older versions can be read no more, and the status says so. */
export async function conclude(
  rotating: Rotating,
  credential: Credential,
  vault: Vault,
  name: string,
  version: string,
  attempt: Attempt,
): Promise<Outcome> {
  const { deps, holder } = rotating;
  await attempt.permit();
  await vault.retireOthers(name, version, deps.now());
  await attempt.permit();
  const { jumpServer, operationId } = holder;
  // Whoever repeats this, for its end was not heard of, must know its version again.
  const { begunBy = operationId } = rotationOf(rotating, credential) ?? {};
  await endRotation(deps.tables, jumpServer, credential, { operationId, begunBy, version, rotatedAt: deps.now() });
  return { state: 'ready', output: { version } };
}

/** What the jump server's resources turned out to be, as of now: a walk's own outputs are as old as its beginning. */
export const currentOutputs = ({ deps, server }: Rotating): Promise<Outputs> => listOutputs(deps.tables, server.name);

/** Changes what a member of the inventory tells those who depend on it, the nodes among them. */
export async function tellDependants(
  { deps, server }: Rotating,
  key: string,
  change: Record<string, string>,
  attempt: Attempt,
): Promise<void> {
  const item = (await listInventory(deps.tables, server.name)).find((one) => one.key === key);
  if (item === undefined) throw new Error(`The jump server has no ${key}.`);
  const output = { ...item.output, ...change };
  if (JSON.stringify(output) === JSON.stringify(item.output)) return;
  await attempt.permit();
  await putInventory(deps.tables, server.name, { ...item, output });
}

export const waiting = (detail: string, lookAgainSeconds = 1): Outcome => ({
  state: 'pending',
  detail,
  lookAgainSeconds,
});

/** What stands in a step's way, and what a person can do about it. */
interface Obstacle {
  code: string;
  message: string;
  advice: string;
}

/**
 * The outcome while it may still pass by itself, counted from the step's beginning or from `since` where that was later. Then the step
 * fails, which gives the lease back: healing begins, and the rotation is carried on after it.
 */
export async function patient(
  { deps, holder }: Rotating,
  key: string,
  outcome: Outcome,
  obstacle: Obstacle,
  since = new Date(0),
): Promise<Outcome> {
  const begun = (await findStepStart(deps.tables, holder.operationId, key)) ?? deps.now();
  const from = Math.max(since.getTime(), begun.getTime());
  if (secondsAfter(new Date(from), patienceSeconds) > deps.now()) return outcome;
  return { state: 'failed', failure: obstacle };
}

const advice = 'A working login remains. The rotation is carried on by itself; see what stands in its way.';

/** A step of a rotation that waits for nobody's session: whatever it waits for, its patience ends. */
export function briefStep(
  rotating: Rotating,
  key: string,
  dependsOn: readonly string[],
  work: (outputs: Outputs, attempt: Attempt) => Promise<Outcome>,
): Step {
  return rotationStep(rotating, key, dependsOn, async (outputs, attempt) => {
    const outcome = await work(outputs, attempt);
    if (outcome.state !== 'pending') return outcome;
    const code = outcome.failure?.code ?? 'RotationStuck';
    return patient(rotating, key, outcome, { code, message: `${key} could not go on: ${outcome.detail}.`, advice });
  });
}

/**
 * A step of a rotation. Every failure of vault, database or store may pass, and is told by its code only: a MySQL error can quote the
 * statement, which holds a password where accounts are made.
 */
export function rotationStep(
  { deps, holder, failingSince }: Rotating,
  key: string,
  dependsOn: readonly string[],
  work: (outputs: Outputs, attempt: Attempt) => Promise<Outcome>,
): Step {
  const place = `${holder.operationId} ${key}`;
  return {
    key,
    type: 'Molcajete/rotation',
    id: '',
    dependsOn,
    passing: true,
    async ensure(outputs, attempt) {
      try {
        // It may wait for a long time without a write: who cancels it should not.
        await attempt.permit();
        const outcome = await work(outputs, attempt);
        failingSince.delete(place);
        return outcome;
      } catch (error) {
        if (error instanceof Stopped) throw error;
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'Unknown';
        const failure = { code, message: `${key} cannot go on yet (${code}).` };
        const first = failingSince.get(place) ?? deps.now();
        failingSince.set(place, first);
        if (secondsAfter(first, patienceSeconds) > deps.now()) return { ...waiting(failure.message, 2), failure };
        failingSince.delete(place);
        return { state: 'failed', failure: { ...failure, message: `${key} could not go on (${code}).`, advice } };
      }
    },
  };
}
