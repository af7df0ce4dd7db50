import { createHash } from 'node:crypto';
import { canonicalJson } from '../shared/canonicalJson.ts';
import type { Deps } from '../shared/deps.ts';
import { ApiError } from '../shared/errors.ts';
import { requireMatch } from '../shared/etag.ts';
import { listOf, type Route, type RouteAnswer, route } from '../shared/http.ts';
import { accepted, acceptedAnswer, existingJumpServer } from '../shared/jumpServerAnswers.ts';
import { parseJumpServerName } from '../shared/jumpServerName.ts';
import { describeJumpServer, jumpServerShape } from '../shared/jumpServerView.ts';
import { requestOperation } from '../shared/operations.ts';
import { planChanges, planShape } from '../shared/plan.ts';
import { isHibernated } from '../shared/scaling/fleet.ts';
import { hibernated } from '../shared/scaling/hibernated.ts';
import { refuseLosingService } from '../shared/scaling/provisionFleet.ts';
import { refuseBadCertificate } from '../shared/secrets/broughtCertificate.ts';
import { type JumpServerSpec, specBody, specFor } from '../shared/spec.ts';
import { changesNotAllowed } from '../shared/specChanges.ts';
import { findHealing } from '../shared/store/healing.ts';
import { findJumpServer, type JumpServer, listJumpServers } from '../shared/store/jumpServers.ts';
import { listNodes } from '../shared/store/nodes.ts';
import { longestText } from '../shared/store/tables.ts';

export const jumpServerRoutes = (deps: Deps): Route[] => [
  route(
    {
      operationId: 'JumpServers_List',
      summary: 'All jump servers with their state.',
      method: 'GET',
      path: '/jump-servers',
      role: 'Reader',
      responses: { 200: { description: 'The jump servers.', schema: listOf(jumpServerShape) } },
    },
    async () => {
      const servers = await listJumpServers(deps.tables);
      return { body: { value: await Promise.all(servers.map((server) => describeJumpServer(deps, server))) } };
    },
  ),
  route(
    {
      operationId: 'JumpServers_Get',
      summary: 'One jump server: its spec, its state, its nodes and where to log in.',
      method: 'GET',
      path: '/jump-servers/{name}',
      role: 'Reader',
      responses: { 200: { description: 'The jump server.', schema: jumpServerShape } },
    },
    async ({ params }) => present(deps, await existingJumpServer(deps, params.name)),
  ),
  route(
    {
      operationId: 'JumpServers_CreateOrUpdate',
      summary:
        'Makes the jump server what the spec says. An equal spec of a ready one changes nothing, unless a condition says that something is missing.',
      method: 'PUT',
      path: '/jump-servers/{name}',
      role: 'JumpServer.Admin',
      body: specBody,
      startsOperations: true,
      responses: { 200: { description: 'It is so already.', schema: jumpServerShape }, 202: accepted },
    },
    async ({ params, body, caller, headers, startOperation }) => {
      const name = parseJumpServerName(params.name);
      const spec = specFor(name, body);
      refuseOwnGroup(deps, spec);
      const before = await findJumpServer(deps.tables, name);
      checkPreconditions(headers, before);
      checkChange(before, spec);
      if (before !== undefined && etagOf(before.spec) === etagOf(spec) && (await isWhole(deps, before)))
        return present(deps, before);
      await refuseWhileHibernated(deps, before, spec);
      await refuseLosingService(deps, name, spec);
      if (!isSameCertificate(before, spec)) await refuseBadCertificate(deps, spec.ingress);
      const lease = await requestOperation(deps, startOperation, {
        jumpServer: name,
        kind: 'provision',
        spec,
        reason: 'PUT of a spec',
        caller,
      });
      return acceptedAnswer(deps, name, lease.operationId);
    },
  ),
  route(
    {
      operationId: 'JumpServers_Delete',
      summary: 'Takes the jump server down with all that it owns, its database included.',
      method: 'DELETE',
      path: '/jump-servers/{name}',
      role: 'JumpServer.Admin',
      startsOperations: true,
      responses: { 202: accepted, 204: { description: 'There is none.' } },
    },
    async ({ params, caller, headers, startOperation }) => {
      const server = await findJumpServer(deps.tables, params.name);
      if (server === undefined) return { status: 204 };
      checkPreconditions(headers, server);
      const lease = await requestOperation(deps, startOperation, {
        jumpServer: server.name,
        kind: 'teardown',
        reason: 'DELETE',
        caller,
      });
      return acceptedAnswer(deps, server.name, lease.operationId);
    },
  ),
  route(
    {
      operationId: 'JumpServers_Plan',
      summary: 'What a PUT of this spec would create, change and delete. Changes nothing.',
      method: 'POST',
      path: '/jump-servers/{name}/plan',
      role: 'Reader',
      audited: false,
      body: specBody,
      responses: { 200: { description: 'The plan.', schema: planShape } },
    },
    async ({ params, body }) => {
      const name = parseJumpServerName(params.name);
      const spec = specFor(name, body);
      refuseOwnGroup(deps, spec);
      const before = await findJumpServer(deps.tables, name);
      checkChange(before, spec);
      await refuseWhileHibernated(deps, before, spec);
      await refuseLosingService(deps, name, spec);
      // The certificate that it names is not looked at: a reader has no secret read for him.
      return { body: await planChanges(deps, name, spec) };
    },
  ),
];

/**
 * An equal spec has nothing to carry on: no PUT, DELETE or wake that was cut short, and nothing that healing failed at, a lost database
 * above all. Another change of nodes that failed is carried on by scaling, which takes no node away that is needed.
 */
async function isWhole(deps: Deps, { name, state, setback }: JumpServer): Promise<boolean> {
  if (state !== 'Ready' && state !== 'Hibernated') return false;
  if (setback !== undefined && setback.kind !== 'scale') return false;
  // Nodes that are to come up while it is called so: of a wake that was cut short.
  if (state === 'Hibernated' && !isHibernated(await listNodes(deps.tables, name))) return false;
  return (await findHealing(deps.tables, name)).server.failure.length === 0;
}

/** One that is in force stays when it cannot be read again: no reason to refuse what else a PUT wants. */
const isSameCertificate = (before: JumpServer | undefined, { ingress: { hostname, certificate } }: JumpServerSpec) =>
  canonicalJson([before?.spec.ingress.hostname, before?.spec.ingress.certificate]) ===
  canonicalJson([hostname, certificate]);

/**
 * A stopped MySQL server refuses every change, its tags included (azure-behaviour.md, 2.17). One whose PUT has failed in its sleep is
 * called Failed, and sleeps on.
 */
async function refuseWhileHibernated(
  deps: Deps,
  before: JumpServer | undefined,
  { database, tags }: JumpServerSpec,
): Promise<void> {
  if (before === undefined) return;
  const { name, spec, state } = before;
  if (canonicalJson([spec.database, spec.tags]) === canonicalJson([database, tags])) return;
  if (state !== 'Hibernated' && !isHibernated(await listNodes(deps.tables, name))) return;
  const first = state === 'Hibernated' ? '' : ' First send a PUT that leaves them as they are.';
  throw hibernated(name, `The jump server '${name}' hibernates: its database and tags cannot be changed now.${first}`);
}

/** Strong: equal specs have equal tags. */
const etagOf = (spec: JumpServerSpec): string =>
  `"${createHash('sha256').update(canonicalJson(spec)).digest('hex').slice(0, 32)}"`;

async function present(deps: Deps, server: JumpServer): Promise<RouteAnswer> {
  return { body: await describeJumpServer(deps, server), headers: { etag: etagOf(server.spec) } };
}

/** `If-Match` and `If-None-Match: *`, of a jump server that need not be there yet. ApiError 412. */
function checkPreconditions(headers: Headers, server: JumpServer | undefined): void {
  const mustBeNew = headers.get('if-none-match') === '*';
  if (mustBeNew && server !== undefined) {
    throw new ApiError(412, 'PreconditionFailed', `The jump server '${server.name}' exists already.`, {
      target: 'If-None-Match',
    });
  }
  if (server !== undefined) requireMatch(headers, etagOf(server.spec));
  else if (headers.has('if-match')) {
    const message = 'There is no such jump server. Leave If-Match out to make one.';
    throw new ApiError(412, 'PreconditionFailed', message, { target: 'If-Match' });
  }
}

/** The control plane's group holds the control plane: a teardown must never come near it. */
function refuseOwnGroup(deps: Deps, spec: JumpServerSpec): void {
  if (spec.resourceGroup.toLowerCase() !== deps.config.MOLCAJETE_RESOURCE_GROUP.toLowerCase()) return;
  // Left out, it is molcajete-{name}, and the control plane's is molcajete-{environment}.
  const message = `The resource group '${spec.resourceGroup}' is the control plane's own. Name another as resourceGroup, or give the jump server another name.`;
  throw new ApiError(400, 'InvalidRequest', message, { target: 'resourceGroup' });
}

function checkChange(before: JumpServer | undefined, spec: JumpServerSpec): void {
  if (JSON.stringify(spec).length > longestText) {
    throw new ApiError(
      400,
      'SpecTooLarge',
      `The spec is longer than ${longestText} characters. Join its networks, or shorten its tags.`,
    );
  }
  const refused = before === undefined ? [] : changesNotAllowed(before.spec, spec);
  const [first] = refused;
  if (first !== undefined) {
    const { message, target } = first;
    throw new ApiError(400, 'ChangeNotAllowed', message, {
      details: refused,
      ...(target === undefined ? {} : { target }),
    });
  }
}
