import type { Writes } from '../azure/armStep.ts';
import type { Attempt, Outcome, Step } from '../azure/engine.ts';
import { nodeKey, nodeName } from '../azure/names.ts';
import type { Deps } from '../deps.ts';
import type { JumpServerSpec } from '../spec.ts';
import { type NodeRecord, putNode } from '../store/nodes.ts';
import { brokenParts, findReport, isStale, listReports, type StoredReport, unchangedParts } from '../store/reports.ts';
import { secondsAfter } from '../time.ts';
import { isUp } from './fleet.ts';
import { lookEverySeconds, nodeMachine, type Switchable, turn } from './power.ts';

/** The balancer's probe fails twice in ten seconds before it sends a node nothing more (`resources/loadBalancer.ts`). */
const probeSeconds = 12;
/** How long after its deadline a node is waited for that never said that it drains. Seconds; twice the agent's longest interval. */
const silentSeconds = 60;
/** Looks at a draining node: often at first, later so rarely that in between whoever needs the lease finds it free to be taken. Seconds. */
const looks = { first: 1, firstFor: 45, later: 60 };

/** Takes a node out of service: its sessions end by themselves or at its deadline, then its machine is deallocated. */
export function restStep(
  deps: Deps,
  writes: Writes,
  jumpServer: string,
  spec: JumpServerSpec,
  node: NodeRecord,
  staying: readonly NodeRecord[],
): Step {
  const machine = nodeMachine(deps, jumpServer, spec, node.number);
  const isOff = createIsOff(deps, machine);
  const othersStay = staying.length > 0;
  let record = node;
  let errors = 0;
  return {
    key: nodeKey(node.number, 'rest'),
    type: 'Molcajete/nodeRest',
    id: '',
    dependsOn: [],
    passing: true,
    async ensure(_outputs, attempt): Promise<Outcome> {
      // It may wait for hours without a write: who cancels it should not.
      await attempt.permit();
      const stored = await findReport(deps.tables, jumpServer, nodeName(jumpServer, node.number));
      record = await noteDraining(deps, jumpServer, record, stored, attempt);
      const open = whyNotYet(record, stored, deps.now(), othersStay);
      if (open !== undefined && !(isSilent(stored, deps.now()) && (await isOff()))) {
        return waiting(deps, record, open);
      }
      if (othersStay && !(await anotherIsHealthy(deps, jumpServer, staying)))
        return waiting(deps, record, 'waits until a node that stays is healthy');
      const outcome = await turn(machine, 'off', writes, attempt, errors++);
      if (outcome.state !== 'ready') return outcome;
      await attempt.permit();
      await putNode(deps.tables, jumpServer, { number: node.number, state: 'deallocated', since: deps.now() });
      return outcome;
    },
  };
}

const isSilent = (stored: StoredReport | undefined, now: Date): boolean => stored === undefined || isStale(stored, now);

/** Off, or never made: it has no sessions. What cannot be learned of it says nothing. As of the last look, which is a few seconds old at most. */
function createIsOff(deps: Deps, machine: Switchable): () => Promise<boolean> {
  let off = false;
  let lookAt = new Date(0);
  return async () => {
    if (deps.now() < lookAt) return off;
    const state = await machine.look().catch(() => 'changing');
    off = state !== 'on' && state !== 'changing';
    lookAt = secondsAfter(deps.now(), lookEverySeconds);
    return off;
  };
}

function waiting(deps: Deps, { since, drainUntil }: NodeRecord, detail: string): Outcome {
  const now = deps.now();
  const often = secondsAfter(since, looks.firstFor) > now;
  const left = ((drainUntil ?? now).getTime() - now.getTime()) / 1000;
  const toDeadline = left > 0 ? Math.max(looks.first, left) : looks.later;
  const lookAgainSeconds = Math.min(often ? looks.first : looks.later, toDeadline);
  return { state: 'pending', detail, lookAgainSeconds };
}

/** Keeps when the node was first heard to drain, so that a restart does not begin to count anew. */
export async function noteDraining(
  deps: Deps,
  jumpServer: string,
  record: NodeRecord,
  stored: StoredReport | undefined,
  attempt: Attempt,
): Promise<NodeRecord> {
  if (record.drainingSince !== undefined || stored === undefined || !drains(record, stored)) return record;
  const noted = { ...record, drainingSince: stored.receivedAt };
  await attempt.permit();
  await putNode(deps.tables, jumpServer, noted);
  return noted;
}

export const drains = ({ since }: NodeRecord, { report, receivedAt }: StoredReport): boolean =>
  report.draining && receivedAt > since;

/** What a draining node still waits for; undefined when it may be switched off. Pure. */
export function whyNotYet(
  record: NodeRecord,
  stored: StoredReport | undefined,
  now: Date,
  othersStay: boolean,
): string | undefined {
  const { drainUntil = now, drainingSince } = record;
  // A node that does not even say that it drains is given up a little after its deadline.
  const silentUntil = secondsAfter(drainUntil, silentSeconds);
  const until = `at the latest until ${drainUntil.toISOString()}`;
  if (stored === undefined || !drains(record, stored) || drainingSince === undefined)
    return silentUntil > now ? `waits for its agent to drain it, ${until}` : undefined;
  const { served, relayed } = stored.report.sessions;
  if (served + relayed > 0 && drainUntil > now)
    return `${served} sessions served and ${relayed} relayed are open, ${until}`;
  // Until the balancer has noticed somebody may still be sent here; before the deadline the node itself says that nobody came.
  const noticed = secondsAfter(drainingSince, probeSeconds);
  const seen = drainUntil > now ? stored.receivedAt : now;
  return othersStay && seen < noticed ? 'waits for the balancer to notice that it drains' : undefined;
}

type Word = (stored: StoredReport, now: Date) => boolean;

/** No part of it is broken, by its own word. Another configuration on its way, or one that it cannot apply, does not stop its work. */
const works: Word = (stored, now) => !isStale(stored, now) && brokenParts(stored.report).length === 0;

/**
 * It works, and can do so in the place of one that drains. Not with an HAProxy whose last change failed: it may not know that its peer
 * drains, and goes on sending new sessions there. What else cannot be changed takes sessions as before.
 */
const takesOver: Word = (stored, now) => works(stored, now) && !unchangedParts(stored.report).includes('haproxy');

/** Does a node that stays take over from one that drains? */
export const anotherIsHealthy = (deps: Deps, jumpServer: string, fleet: readonly NodeRecord[]): Promise<boolean> =>
  isOneUp(deps, jumpServer, fleet, takesOver);

/** Does a node that is meant to be up work? */
export const oneWorks = (deps: Deps, jumpServer: string, fleet: readonly NodeRecord[]): Promise<boolean> =>
  isOneUp(deps, jumpServer, fleet, works);

async function isOneUp(deps: Deps, jumpServer: string, fleet: readonly NodeRecord[], word: Word): Promise<boolean> {
  const reports = await listReports(deps.tables, jumpServer);
  const names = fleet.filter(isUp).map(({ number }) => nodeName(jumpServer, number));
  return reports.some((stored) => names.includes(stored.node) && word(stored, deps.now()));
}
