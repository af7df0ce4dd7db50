import { armStep, type Writes } from '../../shared/azure/armStep.ts';
import { type Step, Stopped } from '../../shared/azure/engine.ts';
import type { Outputs } from '../../shared/azure/resource.ts';
import type { Deps } from '../../shared/deps.ts';
import { durationSeconds } from '../../shared/duration.ts';
import { environmentOf } from '../../shared/environment.ts';
import { longestStart } from '../../shared/healing/sight.ts';
import { changesFor, drainSeconds, fleetOf, isUp, withChanges } from '../../shared/scaling/fleet.ts';
import { hibernateStep } from '../../shared/scaling/hibernate.ts';
import { parseScaleOrder } from '../../shared/scaling/order.ts';
import { confirmStarted, writeNodes } from '../../shared/scaling/provisionFleet.ts';
import { anotherIsHealthy, restStep } from '../../shared/scaling/rest.ts';
import { databasePowerStep } from '../../shared/steps/databasePower.ts';
import { ingressStep } from '../../shared/steps/ingress.ts';
import { nodeHealthStep } from '../../shared/steps/nodeHealth.ts';
import { listOutputs } from '../../shared/store/inventory.ts';
import { type JumpServer, moveJumpServer } from '../../shared/store/jumpServers.ts';
import { changeLease, type Holder } from '../../shared/store/leases.ts';
import { listNodes, type NodeRecord } from '../../shared/store/nodes.ts';
import { listSteps } from '../../shared/store/operations.ts';
import { secondsAfter } from '../../shared/time.ts';
import { topology } from '../../shared/topology.ts';
import type { Progress } from '../contracts.ts';
import { beside, carryOutSteps, permit, unlessStopped } from './carryOutSteps.ts';
import { findHeldServer } from './heldServer.ts';

/** A node that takes longer to come up than this may need what only a repair or a PUT can do. Seconds. */
const usualStart = 300;
/** Then it is looked at so rarely that in between the minute's healing finds the lease free to be taken. Seconds. */
const lateLook = 60;
/** So long a node that stays is waited for to be healthy, before others are taken out of service. Seconds. */
const patienceSeconds = 60;

/** Brings the jump server nearer to the number of nodes that was ordered, as far as one call's budget goes. */
export const scaleNodes =
  (deps: Deps, writes: Writes) =>
  async (holder: Holder): Promise<Progress> => {
    const { jumpServer } = holder;
    const held = await findHeldServer(deps, holder);
    if (held === undefined) return { state: 'fenced' };
    const { lease, server } = held;
    const { count } = parseScaleOrder(lease.spec);
    const allowed = () => permit(deps, holder);
    const fleet = await unlessStopped(aim(deps, server, count, allowed));
    if (fleet instanceof Stopped) return { state: fleet.reason };
    if (fleet === undefined) return noneHealthy(secondsAfter(lease.requestedAt, patienceSeconds) > deps.now());
    const known = await listOutputs(deps.tables, jumpServer);
    const steps = scaleSteps({ deps, writes, holder, server, count, fleet, known });
    const progress = await carryOutSteps(deps, holder, steps, {
      known: beside(withoutState(known), steps),
      longestSeconds: longestStart + drainSeconds(server.spec, fleet, lease.requestedAt),
    });
    if (server.state === 'Hibernated' && count > 0) await noteAwake(deps, holder);
    if (progress.state === 'pending') return orYielding(deps, holder, progress);
    if (progress.state !== 'done') return progress;
    const confirmed = await unlessStopped(confirmStarted(deps, jumpServer, allowed));
    return confirmed instanceof Stopped ? { state: confirmed.reason } : progress;
  };

/**
 * Records which nodes are to come and go. Repeating it changes nothing: as many as ordered are meant to be up then. Undefined, and
 * nothing recorded, when no node that would stay is healthy.
 */
async function aim(
  deps: Deps,
  { name, spec }: JumpServer,
  count: number,
  allowed: () => Promise<void>,
): Promise<NodeRecord[] | undefined> {
  const recorded = await listNodes(deps.tables, name);
  const before = fleetOf(spec, recorded, deps.now());
  const changes = changesFor(before, count, deps.now(), durationSeconds(spec.scaling.drainTimeout));
  const after = withChanges(before, changes);
  const fewer = changes.some(({ state }) => state === 'draining');
  if (fewer && count > 0 && !(await anotherIsHealthy(deps, name, after))) return undefined;
  await writeNodes(deps, name, recorded.length === 0 ? after : changes, allowed);
  return after;
}

/** A node that has just taken a new configuration says so for some seconds; one that is broken must be free to be repaired. */
const noneHealthy = (patient: boolean): Progress =>
  patient
    ? { state: 'pending', waitSeconds: 2 }
    : {
        state: 'failed',
        failure: {
          code: 'NoHealthyNode',
          message: 'None of the nodes that would stay is healthy, so none was taken out of service.',
          advice: 'It is tried again once a node that stays has been repaired.',
        },
      };

interface Scaling {
  deps: Deps;
  writes: Writes;
  holder: Holder;
  server: JumpServer;
  count: number;
  fleet: readonly NodeRecord[];
  known: Outputs;
}

/** Only what comes or goes; the rest of the jump server is not looked at. */
function scaleSteps(scaling: Scaling): Step[] {
  const { deps, writes, holder, server, count, fleet } = scaling;
  const staying = fleet.filter(isUp);
  const resting = fleet
    .filter(({ state }) => state === 'draining')
    .map((node) => restStep(deps, writes, server.name, server.spec, node, staying));
  if (count > 0) return within([...startSteps(scaling), ...resting]);
  return [
    ...resting,
    hibernateStep(
      deps,
      writes,
      holder,
      server.spec,
      resting.map(({ key }) => key),
    ),
  ];
}

function startSteps({ deps, writes, server, fleet }: Scaling): Step[] {
  const { name, spec, state } = server;
  const starting = fleet.filter((node) => node.state === 'starting');
  if (starting.length === 0) return [];
  const numbers = starting.map(({ number }) => number);
  const waking = state === 'Hibernated' ? [databasePowerStep(deps, writes, name, spec)] : [];
  const machines = topology(name, spec, environmentOf(deps, name), numbers)
    .filter(({ key }) => key.startsWith('node-'))
    .map((resource) => armStep(resource, deps.azure, writes));
  const health = starting.map((node) => {
    const step = nodeHealthStep(deps, writes, name, spec, fleet, node);
    return { ...step, dependsOn: [...step.dependsOn, ...waking.map(({ key }) => key)] };
  });
  return [...waking, ...machines, ...health, ingressStep(deps, name, spec, numbers)];
}

/** Dependencies on what is not looked at are ready. */
function within(steps: Step[]): Step[] {
  const keys = new Set(steps.map(({ key }) => key));
  return steps.map((step) => ({ ...step, dependsOn: step.dependsOn.filter((key) => keys.has(key)) }));
}

/** A server known as ready may have been stopped since. */
const withoutState = (known: Outputs): Outputs => ({ ...known, mysqlServer: { ...known.mysqlServer, state: '' } });

/** From the first node on that is proven, its login to the database included, it is awake: the others are healing's and scaling's. */
async function noteAwake(deps: Deps, { jumpServer, operationId }: Holder): Promise<void> {
  const steps = await listSteps(deps.tables, operationId);
  if (steps.some(({ key, state }) => key.endsWith('/health') && state === 'ready'))
    await moveJumpServer(deps.tables, jumpServer, operationId, 'Ready');
}

/**
 * While it does nothing but wait, for sessions or for a node that is late, a repair or a PUT need not wait with it: it is carried on
 * after them.
 */
async function orYielding(
  deps: Deps,
  holder: Holder,
  progress: Extract<Progress, { state: 'pending' }>,
): Promise<Progress> {
  const fleet = await listNodes(deps.tables, holder.jumpServer);
  const starting = fleet.filter(({ state }) => state === 'starting');
  const drains = fleet.some(({ state }) => state === 'draining');
  const late = starting.length > 0 && starting.every(({ since }) => secondsAfter(since, usualStart) < deps.now());
  const onlyDrains = progress.waitSeconds > 0 && starting.length === 0 && drains;
  if (late || onlyDrains) await changeLease(deps.tables, holder, { yields: true });
  return late ? { ...progress, waitSeconds: Math.max(progress.waitSeconds, lateLook) } : progress;
}
