import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { nodeName } from '../azure/names.ts';
import type { Outputs } from '../azure/resource.ts';
import { reasonsUnhealthy } from '../node/report.ts';
import { desiredNode } from '../nodes.ts';
import { fleetOf, isUp } from '../scaling/fleet.ts';
import { anotherIsHealthy, drains, noteDraining } from '../scaling/rest.ts';
import { ingressStep } from '../steps/ingress.ts';
import { listNodes, type NodeRecord, putNode } from '../store/nodes.ts';
import { findReport, isStale, type StoredReport } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import { currentOutputs, patient, type Rotating, rotationStep, waiting } from './rotating.ts';

/** So long sessions on a node are waited for, whatever `scaling.drainTimeout` says: a rotation has time, and ends nobody's work. Seconds. */
export const longestSession = 86_400;

/** Where one node stands on its way to another account. */
export interface SwitchSight {
  record: NodeRecord;
  /** The version it is to use now. */
  account: string | undefined;
  /** The version it is to get. */
  target: string;
  stored: StoredReport | undefined;
  /** Nothing has been heard of it lately. */
  silent: boolean;
  /** Other nodes are to be up; one of them is healthy. */
  others: { up: boolean; healthy: boolean };
  /** Why the node, in its present wanted state, is not healthy; undefined when it is. */
  unhealthy: string | undefined;
  now: Date;
}

/** The next thing to be done with it. */
export type SwitchMove =
  /** Takes no new sessions from now on, and keeps what it has. */
  | { move: 'drain' }
  /** Is told the new version; Guacamole starts again with it. */
  | { move: 'switch' }
  /** Takes sessions again, as soon as the balancer sees it. */
  | { move: 'raise' }
  | { move: 'confirm' }
  /** `sessionsUntil`: for sessions, which may last until then. */
  | { move: 'wait'; detail: string; sessionsUntil?: Date }
  | { move: 'done' };

const wait = (detail: string): SwitchMove => ({ move: 'wait', detail });

const forSessions = (served: number, until: Date): SwitchMove => ({
  move: 'wait',
  detail: `${served} sessions are open, at the latest until ${until.toISOString()}`,
  sessionsUntil: until,
});

const noneHealthy = wait('waits until another node is healthy');
const unheard = wait('no report from it lately');

/** What is next for a node. Pure. Its Guacamole is started again only while it serves nobody, or past its deadline. */
export function nextMove(sight: SwitchSight): SwitchMove {
  const { record, account, target, silent, others, unhealthy } = sight;
  if (account === target) {
    if (record.state === 'deallocated') return { move: 'done' };
    if (unhealthy !== undefined) return wait(unhealthy);
    if (record.state === 'draining') return record.rotates === true ? { move: 'raise' } : { move: 'done' };
    return record.state === 'starting' ? { move: 'confirm' } : { move: 'done' };
  }
  if (record.state === 'deallocated') return { move: 'switch' };
  if (record.state === 'draining') return moveOfDraining(sight);
  // A frozen node is healing's.
  if (silent) return unheard;
  if (!others.up) return moveOfLone(sight);
  return others.healthy ? { move: 'drain' } : noneHealthy;
}

/** Nobody else takes new sessions, so it is not drained: it is told when it happens to serve nobody. */
function moveOfLone({ record, stored, now }: SwitchSight): SwitchMove {
  const served = stored?.report.sessions.served ?? 0;
  const idleUntil = secondsAfter(record.waitsSince ?? now, longestSession);
  return served > 0 && idleUntil > now ? forSessions(served, idleUntil) : { move: 'switch' };
}

/** What a draining node passes on to others does not matter: only its Guacamole starts again, HAProxy stays. */
function moveOfDraining({ record, stored, silent, others, now }: SwitchSight): SwitchMove {
  const { drainUntil = now, drainingSince, rotates } = record;
  // Nobody else takes new sessions any more, or it is frozen: back into service, with the account it has.
  if (others.up && !others.healthy) return rotates === true ? { move: 'raise' } : noneHealthy;
  if (silent && rotates === true) return { move: 'raise' };
  if (drainUntil <= now) return { move: 'switch' };
  if (stored === undefined || !drains(record, stored) || drainingSince === undefined)
    return wait('waits for its agent to drain it');
  const { served } = stored.report.sessions;
  return served > 0 ? forSessions(served, drainUntil) : { move: 'switch' };
}

/** Takes one node over to the new account: drained, told, proven, and seen by the balancer again. A lone node is not drained. */
export function nodeSwitchStep(rotating: Rotating, number: number, key: string, dependsOn: readonly string[]): Step {
  return rotationStep(rotating, key, dependsOn, async (outputs, attempt) => {
    const current = await currentOutputs(rotating);
    const sight = await look(rotating, number, outputs.nodeAccount?.version ?? '', current, attempt);
    if (sight === undefined) return done;
    const next = nextMove(sight);
    if (next.move !== 'wait') return make({ rotating, key, sight, attempt }, next.move, current);
    const { detail, sessionsUntil } = next;
    if (sessionsUntil === undefined) return patientOf({ rotating, key, sight, attempt }, detail);
    await noteWaiting(rotating, sight, attempt);
    return waiting(detail, lookAtSessions(sight, sessionsUntil));
  });
}

const done: Outcome = { state: 'ready', output: {} };

/** Undefined for a node that is not there any more. */
async function look(
  rotating: Rotating,
  number: number,
  target: string,
  outputs: Outputs,
  attempt: Attempt,
): Promise<SwitchSight | undefined> {
  const { deps, server } = rotating;
  const { name, spec } = server;
  const node = nodeName(name, number);
  const fleet = fleetOf(spec, await listNodes(deps.tables, name), deps.now());
  const found = fleet.find((one) => one.number === number);
  if (found === undefined) return undefined;
  const stored = await findReport(deps.tables, name, node);
  const draining = found.state === 'draining';
  const record = draining ? await noteDraining(deps, name, found, stored, attempt) : found;
  const others = fleet.filter((one) => one.number !== number && isUp(one));
  const desired = desiredNode(name, spec, fleet, outputs, node);
  const fresh = stored !== undefined && !isStale(stored, deps.now());
  const [reason] =
    fresh && desired !== undefined ? reasonsUnhealthy(stored.report, desired) : ['no report from it lately'];
  return {
    record,
    account: record.account ?? outputs.database?.nodeAccountVersion,
    target,
    stored,
    silent: !fresh,
    others: { up: others.length > 0, healthy: others.length > 0 && (await anotherIsHealthy(deps, name, others)) },
    unhealthy: reason,
    now: deps.now(),
  };
}

/** Keeps since when a lone node is waited for, so that an operation that carries the rotation on does not begin to count anew. */
async function noteWaiting(rotating: Rotating, { record, now }: SwitchSight, attempt: Attempt): Promise<void> {
  if (record.state === 'draining' || record.waitsSince !== undefined) return;
  await put(rotating, attempt, { ...record, waitsSince: now });
}

/** Often at first; then so rarely that no call waits it out, and whoever needs the lease finds it free to be taken. Seconds. */
function lookAtSessions({ record, now }: SwitchSight, until: Date): number {
  const left = (until.getTime() - now.getTime()) / 1000;
  const begins = record.state === 'draining' && secondsAfter(record.since, 60) > now;
  return begins ? 1 : Math.max(1, Math.min(60, left));
}

/** One look at one node. */
interface Turn {
  rotating: Rotating;
  key: string;
  sight: SwitchSight;
  attempt: Attempt;
}

/** Nobody repairs a node while this operation holds the lease; healing looks only at nodes that are meant to run. */
async function patientOf({ rotating, key, sight, attempt }: Turn, detail: string): Promise<Outcome> {
  const { record, account, target } = sight;
  const message = `The node cannot be taken over to the new account: ${detail}.`;
  const obstacle = { code: 'NodeNotHealthy', message, advice };
  const outcome = await patient(rotating, key, waiting(detail), obstacle, record.since);
  const ours = record.rotates === true || (record.state === 'starting' && account === target);
  if (outcome.state === 'failed' && ours)
    await put(rotating, attempt, { number: record.number, state: 'running', since: sight.now });
  return outcome;
}

const advice = 'The former account stays valid. The rotation is carried on by itself; see why the node is not healthy.';

async function put({ deps, server }: Rotating, attempt: Attempt, node: NodeRecord): Promise<void> {
  await attempt.permit();
  await putNode(deps.tables, server.name, node);
}

async function make(turn: Turn, move: Exclude<SwitchMove['move'], 'wait'>, outputs: Outputs): Promise<Outcome> {
  const { rotating, sight, attempt } = turn;
  const { record, account, target, now } = sight;
  const { number } = record;
  if (move === 'drain') {
    const drainUntil = secondsAfter(now, longestSession);
    await put(rotating, attempt, { number, state: 'draining', since: now, drainUntil, rotates: true });
    return waiting('drains');
  }
  if (move === 'switch') {
    const kept = record.state === 'draining' || record.state === 'deallocated';
    const since = record.rotates === true ? now : record.since;
    const told: NodeRecord = kept ? { ...record, since } : { number, state: 'starting', since: now };
    await put(rotating, attempt, { ...told, account: target });
    return record.state === 'deallocated' ? done : waiting('takes the new account');
  }
  if (move === 'raise') {
    await put(rotating, attempt, { number, state: account === target ? 'starting' : 'running', since: now });
    return waiting('comes back');
  }
  if (move === 'confirm') {
    // As seen from outside: the balancer sends users to it again.
    const { deps, server } = rotating;
    const seen = await ingressStep(deps, server.name, server.spec, [number]).ensure(outputs, attempt);
    if (seen.state === 'pending') return patientOf(turn, seen.detail);
    // Also where Azure refuses for good to say: it works by its own word, and healing looks only at nodes that are meant to run.
    await put(rotating, attempt, { number, state: 'running', since: now });
    if (seen.state === 'failed') return seen;
  }
  return done;
}
