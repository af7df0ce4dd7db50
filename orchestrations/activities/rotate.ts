import type { Writes } from '../../shared/azure/armStep.ts';
import { Stopped } from '../../shared/azure/engine.ts';
import type { Deps } from '../../shared/deps.ts';
import { type Credential, parseRotateOrder } from '../../shared/rotation/credentials.ts';
import { longestSession } from '../../shared/rotation/nodeSwitch.ts';
import { rotationSteps } from '../../shared/rotation/steps.ts';
import { fleetOf } from '../../shared/scaling/fleet.ts';
import { changeLease, type Holder } from '../../shared/store/leases.ts';
import { listNodes } from '../../shared/store/nodes.ts';
import { beginRotation, listRotations, type Rotation } from '../../shared/store/rotations.ts';
import type { Progress } from '../contracts.ts';
import { carryOutSteps, permit, unlessStopped } from './carryOutSteps.ts';
import { findHeldServer } from './heldServer.ts';

/** Beyond the sessions of its nodes. Seconds. */
const longestRotation = 1800;
/** A node's own part, beyond its sessions. Seconds. */
const longestNode = 600;

/** Brings the ordered rotations nearer to their end, as far as one call's budget goes. */
export const rotateCredentials =
  (deps: Deps, writes: Writes, failingSince = new Map<string, Date>()) =>
  async (holder: Holder): Promise<Progress> => {
    const { jumpServer } = holder;
    const held = await findHeldServer(deps, holder);
    if (held === undefined) return { state: 'fenced' };
    const { lease, server } = held;
    const { credentials } = parseRotateOrder(lease.spec);
    const rotations = await unlessStopped(begin(deps, holder, credentials));
    if (rotations instanceof Stopped) return { state: rotations.reason };
    const fleet = fleetOf(server.spec, await listNodes(deps.tables, jumpServer), deps.now());
    const rotating = { deps, writes, holder, server, rotations, failingSince };
    const progress = await carryOutSteps(deps, holder, rotationSteps(rotating, credentials, fleet), {
      longestSeconds: longestRotation + fleet.length * (longestNode + longestSession),
    });
    // While it does nothing but wait, a repair or a PUT need not wait with it: it is carried on after them.
    if (progress.state === 'pending' && progress.waitSeconds > 0)
      await changeLease(deps.tables, holder, { yields: true });
    return progress;
  };

/** From here on the rotations are known as asked for: one that does not come to its end is carried on by a later operation. */
async function begin(deps: Deps, holder: Holder, credentials: readonly Credential[]): Promise<Rotation[]> {
  const { jumpServer, operationId } = holder;
  const known = await listRotations(deps.tables, jumpServer);
  const fresh = credentials.filter(
    (credential) => !known.some((one) => one.credential === credential && one.operationId === operationId),
  );
  for (const credential of fresh) {
    const before = known.find((one) => one.credential === credential);
    const { begunBy = operationId } = before?.unfinished === true ? before : {};
    await permit(deps, holder);
    await beginRotation(deps.tables, jumpServer, { credential, operationId, begunBy });
  }
  return listRotations(deps.tables, jumpServer);
}
