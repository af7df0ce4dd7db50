import type { Deps } from '../../shared/deps.ts';
import { rememberEnding } from '../../shared/healing/ending.ts';
import { parseHealOrder } from '../../shared/healing/order.ts';
import { operationOf, recordStart } from '../../shared/operations.ts';
import { parseRotateOrder } from '../../shared/rotation/credentials.ts';
import { isHibernated } from '../../shared/scaling/fleet.ts';
import { parseScaleOrder } from '../../shared/scaling/order.ts';
import { controlSecrets } from '../../shared/secrets/vaults.ts';
import { type Ended, setbackAfter } from '../../shared/setback.ts';
import { compareAgain, forgetHealing, rememberHealed } from '../../shared/store/healing.ts';
import {
  deleteJumpServer,
  findJumpServer,
  type JumpServerState,
  moveJumpServer,
} from '../../shared/store/jumpServers.ts';
import { changeLease, findHeldLease, type Holder, type Lease, leaseMilliseconds } from '../../shared/store/leases.ts';
import { deleteNodes, listNodes } from '../../shared/store/nodes.ts';
import { listSteps, type OperationStatus, putUnended } from '../../shared/store/operations.ts';
import { deleteReports } from '../../shared/store/reports.ts';
import { forgetRotations, noteFailedRotation } from '../../shared/store/rotations.ts';
import { forgetScaling } from '../../shared/store/scaling.ts';
import type { Activities } from '../contracts.ts';

/** Takes up the lease and makes the operation and what it is about visible. */
export const beginOperation =
  (deps: Deps) =>
  async (holder: Holder): Promise<Activities['beginOperation']['output']> => {
    const lease = await findHeldLease(deps.tables, holder);
    if (lease === undefined) return { proceed: false };
    await recordStart(deps, lease, 'Running');
    const deadline = new Date(deps.now().getTime() + leaseMilliseconds);
    return { proceed: await changeLease(deps.tables, holder, { state: 'running', deadline }) };
  };

const endings: Record<Ended['state'], OperationStatus> = {
  done: 'Succeeded',
  failed: 'Failed',
  canceled: 'Canceled',
};

/**
 * Writes down how an operation ended, then gives the lease back. Repeating it after a crash gives the same result; an end that somebody else
 * wrote while this process was asleep stays. The jump server is moved before the end is written: whoever reads the operation as ended reads
 * the new state, and from then on the lease counts as free (`hasEnded`).
 */
export const finishOperation =
  (deps: Deps) =>
  async ({ ending, ...holder }: Activities['finishOperation']['input']): Promise<{ finished: boolean }> => {
    const lease = await findHeldLease(deps.tables, holder);
    if (lease === undefined || ending.state === 'fenced') return { finished: false };
    const status = endings[ending.state];
    if (ending.state === 'done' && makesWhole(lease)) await rememberHealed(deps.tables, holder.jumpServer, deps.now());
    if (lease.kind === 'heal') await rememberEnding(deps, lease, ending);
    if (makesWhole(lease))
      await compareAgain(deps.tables, holder.jumpServer, ending.state === 'done' && looksAtEverything(lease));
    if (lease.kind === 'rotate' && ending.state !== 'done') await noteFailed(deps, lease);
    if (lease.kind === 'teardown' && ending.state === 'done') {
      if (!(await forget(deps, holder))) return { finished: false };
    } else
      await moveJumpServer(
        deps.tables,
        holder.jumpServer,
        holder.operationId,
        await stateAfter(deps, lease, ending),
        setbackAfter(lease, ending),
      );
    await putUnended(deps.tables, {
      ...operationOf(lease),
      status,
      finishedAt: deps.now(),
      ...(ending.state === 'failed' ? { failure: ending.failure } : {}),
    });
    return { finished: await changeLease(deps.tables, holder, { state: 'finished', deadline: deps.now() }) };
  };

/** What healing failed at is over once a heal or a PUT succeeds: a scale or a rotation does not look at everything, at zero at nothing. */
const makesWhole = ({ kind }: Lease): boolean => kind === 'heal' || kind === 'provision';

const looksAtEverything = ({ kind, spec }: Lease): boolean =>
  kind === 'provision' || (kind === 'heal' && parseHealOrder(spec).everything);

async function noteFailed({ tables, now }: Deps, { jumpServer, spec }: Lease): Promise<void> {
  for (const credential of parseRotateOrder(spec).credentials)
    await noteFailedRotation(tables, jumpServer, credential, now());
}

/** A scale, a heal or a rotation that fails leaves a jump server that works as well as before. */
async function stateAfter(deps: Deps, lease: Lease, { state }: Ended): Promise<JumpServerState> {
  const { jumpServer } = lease;
  if (state === 'done') return isHibernated(await listNodes(deps.tables, jumpServer)) ? 'Hibernated' : 'Ready';
  const before =
    lease.kind === 'provision' || lease.kind === 'teardown' ? undefined : await findJumpServer(deps.tables, jumpServer);
  if (before?.state === 'Hibernated' && (await hasWokenDatabase(deps, lease))) return 'Ready';
  return before?.state ?? 'Failed';
}

/** Then it runs and costs, though no node has come up: healing, which leaves alone what hibernates, must see to the nodes. */
async function hasWokenDatabase({ tables }: Deps, { kind, operationId, spec }: Lease): Promise<boolean> {
  if (kind !== 'scale' || parseScaleOrder(spec).count === 0) return false;
  const steps = await listSteps(tables, operationId);
  return steps.some(({ key, state }) => key === 'mysqlServer/power' && state === 'ready');
}

/**
 * What the control plane itself kept of a jump server that is gone; the jump server last, by which a repeat knows that there is more.
 * Its secrets go only now: until its database is seen to be gone, an interrupted teardown may still be followed by a PUT that needs them.
 * False when the lease was lost on the way: what is there now may be that PUT's.
 */
async function forget({ tables, vaults }: Deps, holder: Holder): Promise<boolean> {
  const { jumpServer } = holder;
  const secrets = [controlSecrets.mysqlAdministrator, controlSecrets.guacadmin, controlSecrets.controlAccount];
  const parts = [
    ...secrets.map((nameOf) => () => vaults.control.remove(nameOf(jumpServer))),
    ...[deleteReports, deleteNodes, forgetScaling, forgetHealing, forgetRotations, deleteJumpServer].map(
      (forgetPart) => () => forgetPart(tables, jumpServer),
    ),
  ];
  for (const part of parts) {
    if ((await findHeldLease(tables, holder)) === undefined) return false;
    await part();
  }
  return true;
}
