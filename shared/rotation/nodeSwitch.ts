import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { nodeName } from '../azure/names.ts';
import type { Outputs } from '../azure/resource.ts';
import { durationSeconds } from '../duration.ts';
import { reasonsUnhealthy } from '../node/report.ts';
import { desiredNode } from '../nodes.ts';
import { fleetOf, isUp } from '../scaling/fleet.ts';
import { anotherIsHealthy, drains, noteDraining } from '../scaling/rest.ts';
import { ingressStep } from '../steps/ingress.ts';
import { staleAfterSeconds } from '../steps/nodeHealth.ts';
import { listNodes, type NodeRecord, putNode } from '../store/nodes.ts';
import { findReport, type StoredReport } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import { currentOutputs, patienceSeconds, type Rotating, rotationStep, waiting } from './rotating.ts';

/** Where one node stands on its way to another account. */
export interface SwitchSight {
  record: NodeRecord;
  /** The version it is to use now. */
  account: string | undefined;
  /** The version it is to get. */
  target: string;
  stored: StoredReport | undefined;
  /** Other nodes are to be up; one of them is healthy. */
  others: { up: boolean; healthy: boolean };
  /** Why the node, in its present wanted state, is not healthy; undefined when it is. */
  unhealthy: string | undefined;
  now: Date;
}

/** The next thing to be done with it. */
export type SwitchMove =
  /** Takes no new sessions from now on, and keeps what it has until the deadline. */
  | { move: 'drain' }
  /** Is told the new version; Guacamole starts again with it. */
  | { move: 'switch' }
  /** Takes sessions again, as soon as the balancer sees it. */
  | { move: 'raise' }
  | { move: 'confirm' }
  /** `open`: for sessions, which may last until the deadline. */
  | { move: 'wait'; detail: string; open?: true }
  | { move: 'done' };

/** What is next for a node. Pure. Its Guacamole is started again only while it serves nobody, or past its deadline, or is the only one. */
export function nextMove(sight: SwitchSight): SwitchMove {
  const { record, account, target, others, unhealthy } = sight;
  const wait = (detail: string): SwitchMove => ({ move: 'wait', detail });
  if (account === target) {
    if (record.state === 'deallocated') return { move: 'done' };
    if (unhealthy !== undefined) return wait(unhealthy);
    if (record.state === 'draining') return record.rotates === true ? { move: 'raise' } : { move: 'done' };
    return record.state === 'starting' ? { move: 'confirm' } : { move: 'done' };
  }
  if (record.state === 'deallocated') return { move: 'switch' };
  if (record.state === 'draining') return moveOfDraining(sight);
  if (!others.up) return { move: 'switch' };
  return others.healthy ? { move: 'drain' } : wait('waits until another node is healthy');
}

/** What a draining node passes on to others does not matter: only its Guacamole starts again, HAProxy stays. */
function moveOfDraining({ record, stored, others, now }: SwitchSight): SwitchMove {
  const { drainUntil = now, drainingSince } = record;
  const until = `at the latest until ${drainUntil.toISOString()}`;
  // Nobody else takes new sessions any more: back into service, with the account it has.
  if (others.up && !others.healthy)
    return record.rotates === true
      ? { move: 'raise' }
      : { move: 'wait', detail: 'waits until another node is healthy' };
  if (drainUntil <= now) return { move: 'switch' };
  if (stored === undefined || !drains(record, stored) || drainingSince === undefined)
    return { move: 'wait', detail: `waits for its agent to drain it, ${until}`, open: true };
  const { served } = stored.report.sessions;
  return served > 0
    ? { move: 'wait', detail: `${served} sessions are open, ${until}`, open: true }
    : { move: 'switch' };
}

/** Takes one node over to the new account: drained, told, proven, and seen by the balancer again. A lone node is not drained. */
export function nodeSwitchStep(rotating: Rotating, number: number, key: string, dependsOn: readonly string[]): Step {
  return rotationStep(rotating, key, dependsOn, async (outputs, attempt) => {
    const current = await currentOutputs(rotating);
    const sight = await look(rotating, number, outputs.nodeAccount?.version ?? '', current, attempt);
    if (sight === undefined) return done;
    const next = nextMove(sight);
    if (next.move === 'wait')
      return next.open === true ? forSessions(sight, next.detail) : patient(rotating, sight, next.detail);
    return make(rotating, sight, next.move, current, attempt);
  });
}

const done: Outcome = { state: 'ready', output: {} };

/** Undefined for a node that is not there any more. */
async function look(
  { deps, server }: Rotating,
  number: number,
  target: string,
  outputs: Outputs,
  attempt: Attempt,
): Promise<SwitchSight | undefined> {
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
  const fresh = stored !== undefined && secondsAfter(stored.receivedAt, staleAfterSeconds) > deps.now();
  const [reason] =
    fresh && desired !== undefined ? reasonsUnhealthy(stored.report, desired) : ['no report from it lately'];
  return {
    record,
    account: record.account ?? outputs.database?.nodeAccountVersion,
    target,
    stored,
    others: { up: others.length > 0, healthy: others.length > 0 && (await anotherIsHealthy(deps, name, others)) },
    unhealthy: reason,
    now: deps.now(),
  };
}

/** Looked at often at first, later every half minute: in between, whoever needs the lease may take it. */
function forSessions({ record, now }: SwitchSight, detail: string): Outcome {
  const left = ((record.drainUntil?.getTime() ?? 0) - now.getTime()) / 1000;
  return waiting(detail, secondsAfter(record.since, 60) > now ? 1 : Math.max(1, Math.min(30, left)));
}

/** Nobody repairs a node while this operation holds the lease. */
function patient({ since }: Rotating, { record, now }: SwitchSight, detail: string): Outcome {
  const from = new Date(Math.max(since.getTime(), record.since.getTime()));
  if (secondsAfter(from, patienceSeconds) > now) return waiting(detail);
  const message = `The node cannot be taken over to the new account: ${detail}.`;
  const advice =
    'The former account stays valid. The rotation is carried on by itself; see why the node is not healthy.';
  return { state: 'failed', failure: { code: 'NodeNotHealthy', message, advice } };
}

async function make(
  rotating: Rotating,
  sight: SwitchSight,
  move: Exclude<SwitchMove['move'], 'wait'>,
  outputs: Outputs,
  attempt: Attempt,
): Promise<Outcome> {
  const { deps, server } = rotating;
  const { record, target, now } = sight;
  const { number } = record;
  const put = async (node: NodeRecord): Promise<void> => {
    await attempt.permit();
    await putNode(deps.tables, server.name, node);
  };
  if (move === 'drain') {
    const drainUntil = secondsAfter(now, durationSeconds(server.spec.scaling.drainTimeout));
    await put({ number, state: 'draining', since: now, drainUntil, rotates: true });
    return waiting('drains');
  }
  if (move === 'switch') {
    const kept = record.state === 'draining' || record.state === 'deallocated';
    const since = record.rotates === true ? now : record.since;
    await put(
      kept ? { ...record, since, account: target } : { number, state: 'starting', since: now, account: target },
    );
    return record.state === 'deallocated' ? done : waiting('takes the new account');
  }
  if (move === 'raise') {
    await put({ number, state: 'starting', since: now });
    return waiting('comes back');
  }
  if (move === 'confirm') {
    // As seen from outside: the balancer sends users to it again.
    const seen = await ingressStep(deps, server.name, server.spec, [number]).ensure(outputs, attempt);
    if (seen.state === 'pending') return patient(rotating, sight, seen.detail);
    await put({ number, state: 'running', since: now });
  }
  return done;
}
