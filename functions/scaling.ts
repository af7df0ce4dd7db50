import { z } from 'zod';
import { parseCidr } from '../shared/cidr.ts';
import type { Deps } from '../shared/deps.ts';
import { ApiError } from '../shared/errors.ts';
import { type Route, route } from '../shared/http.ts';
import { accepted, acceptedAnswer, existingJumpServer } from '../shared/jumpServerAnswers.ts';
import { describeJumpServer, jumpServerShape } from '../shared/jumpServerView.ts';
import { askedBecause, hasEnded, requestOperation } from '../shared/operations.ts';
import { desiredCount } from '../shared/scaling/desiredCount.ts';
import { fleetOf, isScaled, upCount } from '../shared/scaling/fleet.ts';
import { nextSevenDays } from '../shared/scaling/nextSevenDays.ts';
import { planOf } from '../shared/scaling/provisionFleet.ts';
import { mostNodesOf } from '../shared/scaling/scalingSpec.ts';
import { basisOf } from '../shared/scaling/timetable.ts';
import type { JumpServerSpec } from '../shared/spec.ts';
import { reservedAddresses } from '../shared/specNetwork.ts';
import type { JumpServer } from '../shared/store/jumpServers.ts';
import { findLease, isActive, type OperationKind } from '../shared/store/leases.ts';
import { listNodes } from '../shared/store/nodes.ts';
import { findScaling, rememberScaling } from '../shared/store/scaling.ts';

const scaleBody = z.strictObject({
  count: z
    .int('must be a whole number')
    .min(0, 'must be at least 0')
    .describe('How many nodes; 0 hibernates, 1 or more wakes.'),
  until: z.iso
    .datetime({ offset: true, error: "must be a time with its offset, such as '2026-12-24T12:00:00+01:00'" })
    .optional()
    .describe('How long this holds. Default: until the schedule or an override next says something.'),
});

const stretchShape = z.object({
  from: z.iso.datetime(),
  until: z.iso.datetime(),
  count: z.int(),
  because: z.enum(['base', 'schedule', 'override', 'byHand']),
  name: z.string().nullable().describe('Of the entry or override, or who asked by hand.'),
});

const scheduleShape = z.object({
  now: z.object({
    desired: z.int().describe('What open sessions needed lately included.'),
    up: z.int().describe('Nodes that are up or coming up.'),
    reason: z.string(),
  }),
  value: z.array(stretchShape).describe('The next seven days, without gaps; demand is not foreseen.'),
});

export const scalingRoutes = (deps: Deps): Route[] => [
  route(
    {
      operationId: 'JumpServers_Scale',
      summary: 'Asks for a number of nodes by hand, over schedule and overrides. 0 hibernates, 1 or more wakes.',
      method: 'POST',
      path: '/jump-servers/{name}/scale',
      role: 'JumpServer.Admin',
      body: scaleBody,
      startsOperations: true,
      responses: {
        200: { description: 'As many are up already; it is remembered that they are wanted.', schema: jumpServerShape },
        202: accepted,
      },
    },
    async ({ params, body, caller, because, startOperation }) => {
      const server = await existingJumpServer(deps, params.name);
      const { name, spec } = server;
      const { count } = body;
      checkScale(server, body, deps.now());
      const until = body.until ?? null;
      if (await isThere(deps, server, count)) {
        const byHand = { count, from: deps.now(), by: caller.name, basis: basisOf(spec.scaling, spec.web.count) };
        const end = until === null ? undefined : new Date(until);
        await rememberScaling(deps.tables, name, { byHand: { ...byHand, until: end } });
        return { body: await describeJumpServer(deps, server) };
      }
      const asked = `${caller.name} asked for ${count} nodes${until === null ? '' : ` until ${until}`}`;
      const reason = askedBecause(asked, because);
      const lease = await requestOperation(deps, startOperation, {
        jumpServer: name,
        kind: 'scale',
        order: { count, byHand: { until } },
        reason,
        caller,
      });
      return acceptedAnswer(deps, name, lease.operationId);
    },
  ),
  route(
    {
      operationId: 'JumpServers_Schedule',
      summary: 'How many nodes there are to be in the next seven days, and why.',
      method: 'GET',
      path: '/jump-servers/{name}/schedule',
      role: 'Reader',
      responses: { 200: { description: 'The coming week.', schema: scheduleShape } },
    },
    async ({ params }) => {
      const { name, spec, createdAt } = await existingJumpServer(deps, params.name);
      const [memory, nodes] = await Promise.all([findScaling(deps.tables, name), listNodes(deps.tables, name)]);
      const plan = planOf(spec, memory);
      const now = deps.now();
      const { count, reason } = desiredCount(plan, now, 0, memory.needs);
      const value = nextSevenDays(plan, now).map(({ from, until, name: called, ...rest }) => ({
        from: from.toISOString(),
        until: until.toISOString(),
        ...rest,
        name: called ?? null,
      }));
      return { body: { now: { desired: count, up: upCount(fleetOf(spec, nodes, createdAt)), reason }, value } };
    },
  ),
];

/** Throws ApiError where the count cannot be had. */
function checkScale({ name, state, spec }: JumpServer, { count, until }: z.output<typeof scaleBody>, now: Date): void {
  const refuse = (target: string, message: string) => new ApiError(400, 'InvalidRequest', message, { target });
  const [least, most] = [spec.scaling.min, Math.min(mostNodesOf(spec.scaling), roomFor(spec))];
  if (count < least) throw refuse('count', `count: ${count} is less than scaling.min, which is ${least}.`);
  if (count > most)
    throw refuse('count', `count: ${count} is more than the ${most} that scaling.max and network.subnets.web allow.`);
  if (until !== undefined && new Date(until) <= now) throw refuse('until', `until: ${until} has passed.`);
  if (state !== 'Ready' && state !== 'Hibernated') {
    const message = `The jump server '${name}' is ${state}: only one that is Ready or Hibernated can be scaled.`;
    throw new ApiError(409, 'JumpServerNotReady', message, { target: name });
  }
}

const roomFor = ({ network }: JumpServerSpec): number => parseCidr(network.subnets.web).size - reservedAddresses;

async function isThere(deps: Deps, { name, spec, state, createdAt }: JumpServer, count: number): Promise<boolean> {
  const fleet = fleetOf(spec, await listNodes(deps.tables, name), createdAt);
  const there = upCount(fleet) === count && isScaled(fleet) && (count === 0) === (state === 'Hibernated');
  return there && !(await isCountChanging(deps, name));
}

/** An operation of these may be about to change how many nodes are up. */
const changesCount: Record<OperationKind, boolean> = {
  provision: true,
  scale: true,
  teardown: true,
  heal: false,
  rotate: false,
};

async function isCountChanging(deps: Deps, jumpServer: string): Promise<boolean> {
  const lease = await findLease(deps.tables, jumpServer);
  return (
    lease !== undefined && changesCount[lease.kind] && isActive(lease, deps.now()) && !(await hasEnded(deps, lease))
  );
}
