import { randomUUID } from 'node:crypto';
import type { RequestListener } from 'node:http';
import type { Context, DataPlanes } from '../contract.ts';
import { StateStore } from '../state.ts';
import { type Clock, realClock } from './clock.ts';
import { type ArmEnv, type ArmOptions, defaultOptions, kindOf, planeOf } from './env.ts';
import { makeExecutors } from './executors.ts';
import { Faults } from './faults.ts';
import { key } from './ids.ts';
import type { Caller, Kind } from './kind.ts';
import { isUnmade } from './made.ts';
import { type Operation, Operations } from './operations.ts';
import type { Provider } from './provider.ts';
import { authorization } from './providers/authorization.ts';
import { compute } from './providers/compute.ts';
import { keyVault } from './providers/keyVault.ts';
import { managedIdentity } from './providers/managedIdentity.ts';
import { mysql } from './providers/mysql.ts';
import { startForgotten } from './providers/mysqlServer.ts';
import { network } from './providers/network.ts';
import { privateDns } from './providers/privateDns.ts';
import { resourceHealth } from './providers/resourceHealth.ts';
import { resources } from './providers/resources.ts';
import { StatusLog } from './providers/statusLog.ts';
import { machineType } from './providers/virtualMachines.ts';
import { makeRbac } from './rbac.ts';
import { References } from './references.ts';
import { armListener } from './server.ts';
import { Throttle } from './throttle.ts';
import { Trace } from './trace.ts';

export interface ArmSettings extends Partial<ArmOptions> {
  /** The SQLite file; default `:memory:`. */
  stateFile?: string;
  /** Where the requests are written, a JSON object a line. */
  traceFile?: string;
  clock?: Clock;
}

/** What comes from the other parts once they run. */
export interface ArmParts {
  planes: DataPlanes;
  /** Throws when the token is not for ARM, expired or forged. */
  authenticate(token: string): Promise<Caller>;
  principalOf?(resourceId: string): { objectId: string; clientId: string };
  /** `https://127.7.0.1:8443`, for the URLs in answers. */
  origin(): string;
}

export interface Arm {
  state: StateStore;
  rbac: Context['rbac'];
  faults: Faults;
  env: ArmEnv;
  /** Makes what is stored real again and carries on what was under way; resolves when everything has been applied. */
  restore(): Promise<void>;
  listener: RequestListener;
  /** What Azure does by itself after a time; called every few seconds. */
  tick(): void;
  /** Gives a principal a built-in role, at once and without ARM's checks; for the subscription's first owner. */
  assign(objectId: string, role: string, scope: string): void;
  close(): Promise<void>;
}

const providers: Provider[] = [
  resources,
  network,
  privateDns,
  compute,
  mysql,
  managedIdentity,
  authorization,
  keyVault,
  resourceHealth,
];

export const allKinds: Map<string, Kind> = new Map(
  providers.flatMap((provider) => provider.kinds).map((kind) => [kind.type.toLowerCase(), kind]),
);

/** The state and the access control, which the other parts need before they can be made. */
export function openArmState(settings: ArmSettings) {
  const options: ArmOptions = { ...defaultOptions, ...settings };
  const clock = settings.clock ?? realClock(options.factor);
  const state = new StateStore(settings.stateFile ?? ':memory:');
  const rbac = makeRbac(state, clock, options);
  return { options, clock, state, rbac };
}

/** ARM over a context; nothing is listening yet: `listener` is for an HTTPS server. */
export function createArm(
  context: Omit<Context, 'state'>,
  opened: ReturnType<typeof openArmState>,
  parts: ArmParts,
  traceFile?: string,
): Arm {
  const { options, clock, state, rbac } = opened;
  const operations = new Operations(state, clock, context.log);
  const statusLag = () => options.statusLagSeconds * 1000 * options.factor;
  const statuses = new StatusLog(state, machineType, clock, statusLag);
  const references = new References(state, allKinds, () => options.referenceLagMs);
  const env: ArmEnv = {
    context,
    state,
    kinds: allKinds,
    references,
    operations,
    statuses,
    planes: parts.planes,
    clock,
    options,
    principalOf: parts.principalOf ?? makePrincipals(),
  };
  operations.executors = makeExecutors(env);
  const faults = new Faults();
  const trace = new Trace(traceFile);
  const listener = armListener({
    env,
    routes: providers.flatMap((provider) => provider.routes),
    faults,
    throttle: new Throttle(clock, options.factor),
    trace,
    authenticate: parts.authenticate,
    origin: parts.origin,
  });
  const tick = () => startForgotten(env);
  const round = setInterval(tick, 5000);
  round.unref();
  return {
    state,
    rbac,
    faults,
    env,
    listener,
    tick,
    restore: () => restore(env),
    assign: (objectId, role, scope) => assign(env, objectId, role, scope),
    async close() {
      clearInterval(round);
      clock.stop();
      references.close();
      statuses.close();
      await trace.close();
      state.close();
    },
  };
}

/** Networks before what stands in them, databases before the machines that log in to them. */
const order = [
  'microsoft.managedidentity/userassignedidentities',
  'microsoft.keyvault/vaults',
  'microsoft.network/publicipaddresses',
  'microsoft.network/networkinterfaces',
  'microsoft.network/loadbalancers',
  'microsoft.dbformysql/flexibleservers',
  'microsoft.network/privateendpoints',
];

async function restore(env: ArmEnv): Promise<void> {
  const ranks = new Map<number, ReturnType<StateStore['all']>>();
  const resting = goingToRest(env);
  for (const resource of env.state.all()) {
    // A creation under way makes its own, and one that failed has made nothing.
    if (planeOf(env, resource.type) === undefined || isUnmade(resource) || resting.has(key(resource.id))) continue;
    const place = order.includes(resource.type.toLowerCase())
      ? order.indexOf(resource.type.toLowerCase())
      : order.length;
    ranks.set(place, [...(ranks.get(place) ?? []), resource]);
  }
  for (const [, group] of [...ranks].toSorted(([a], [b]) => a - b))
    await Promise.all(group.map((resource) => reapply(env, resource.id)));
  env.operations.resume();
}

/** What is being deleted or stopped is not brought up once more for it. */
function goingToRest(env: ArmEnv): Set<string> {
  const rests = ({ status, failWith, kind, type, action }: Operation): boolean =>
    status === 'InProgress' &&
    failWith === undefined &&
    (kind === 'delete' || (kind === 'action' && kindOf(env, type)?.actions?.[action ?? '']?.rests === true));
  return new Set(
    env.operations
      .list()
      .filter(rests)
      .map((operation) => key(operation.resourceId)),
  );
}

async function reapply(env: ArmEnv, id: string): Promise<void> {
  try {
    await env.operations.queued(id, async () => {
      const stored = env.state.get(id);
      const learned = stored && (await planeOf(env, stored.type)?.apply(stored, {}));
      if (learned) env.state.update(id, (copy) => Object.assign(copy.properties, learned));
    });
  } catch (error) {
    env.context.log(`${id} could not be made real again: ${String((error as Error)?.message ?? error)}`);
  }
}

function assign(env: ArmEnv, objectId: string, role: string, scope: string): void {
  const name = randomUUID();
  const id = `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`;
  env.state.put({
    id,
    name,
    type: 'Microsoft.Authorization/roleAssignments',
    properties: {
      roleDefinitionId: `/subscriptions/${env.context.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`,
      principalId: objectId,
      principalType: 'User',
      scope,
    },
    internal: { since: 0 },
  });
}

/** Principals for runs without the identity part. */
function makePrincipals(): ArmParts['principalOf'] & object {
  const known = new Map<string, { objectId: string; clientId: string }>();
  return (resourceId) => {
    const made = known.get(resourceId.toLowerCase()) ?? { objectId: randomUUID(), clientId: randomUUID() };
    known.set(resourceId.toLowerCase(), made);
    return made;
  };
}
