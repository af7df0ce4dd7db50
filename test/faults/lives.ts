import { setTimeout as delay } from 'node:timers/promises';
import type { TokenCredential } from '@azure/core-auth';
import { settleAudit } from '../../shared/auditSweep.ts';
import type { Deps } from '../../shared/deps.ts';
import { listOpenIntents } from '../../shared/store/audit.ts';
import { listInventory } from '../../shared/store/inventory.ts';
import { findLease } from '../../shared/store/leases.ts';
import { openTables, type Tables } from '../../shared/store/tables.ts';
import { type ArmRow, type OperationView, openWorld, spec, type World } from '../e2e/world.ts';
import {
  callFaults,
  control,
  type Disturbance,
  drawDisturbances,
  type Hopeless,
  hopelessMakings,
  hopelessRemovals,
  hopelessUpdates,
} from './disturbances.ts';
import { one, random } from './random.ts';
import { untilTaken } from './untilTaken.ts';

const phases = ['provision', 'update', 'teardown'] as const;
type Phase = (typeof phases)[number];

/** What a phase takes about when nothing happens, six jump servers at once, at a factor of 0.005. */
const phaseSeconds: Record<Phase, number> = { provision: 30, update: 10, teardown: 15 };

/** An operation must end within this, whatever happens to it. */
const longestSeconds = 300;

/** Jump servers that live at the same time. */
const atOnce = 6;

/** A jump server, and the hopeless fault that each phase of its life meets, if one was drawn. */
interface Life {
  name: string;
  hopeless: Partial<Record<Phase, Hopeless>>;
}

/** What happens to some jump servers that live at the same time. */
interface Round {
  lives: Life[];
  disturbances: Record<Phase, Disturbance[]>;
}

interface Figures {
  lives: number;
  operations: number;
  hopeless: number;
}

/**
 * `count` jump servers are provisioned, updated and torn down, six at a time, while the machine under them is disturbed as the seed
 * says. Throws at the end with the draws of those for which an invariant did not hold.
 * @param factor of Azure's durations
 */
export async function soakProvisioning(seed: number, count: number, factor = 0.005): Promise<void> {
  const world = await openWorld({ factor });
  const tables = openStore(world);
  const failed: string[] = [];
  const figures = { lives: 0, operations: 0, hopeless: 0 };
  const begun = Date.now();
  try {
    for (let first = 0; first < count; first += atOnce) {
      const draw = random(seed + first);
      const names = Array.from({ length: Math.min(atOnce, count - first) }, (_, i) => `soak${first + i}x`);
      const round = drawRound(draw, names);
      const replay = `--soak provision --seed ${seed + first} --count ${names.length}`;
      const told = `${replay}: ${describe(round)}`;
      const settled = Math.max(
        0,
        ...Object.values(round.disturbances)
          .flat()
          .map(({ notBefore = 0 }) => notBefore),
      );
      await delay(Math.max(0, begun + settled * factor * 1000 - Date.now()));
      const problem = await liveThrough(world, tables, round, draw, figures);
      if (problem !== undefined) failed.push(`${told}: ${problem}`);
      console.log(
        `${Math.round((Date.now() - begun) / 1000)} s: ${problem === undefined ? told : `FAILED ${failed.at(-1)}`}`,
      );
    }
    console.log(summary(figures, await world.armRows(), failed.length));
  } finally {
    await world.close();
  }
  if (failed.length > 0) throw new Error(failed.join('\n'));
}

/** What went wrong, or undefined. */
async function liveThrough(
  world: World,
  tables: Tables,
  round: Round,
  draw: () => number,
  figures: Figures,
): Promise<string | undefined> {
  figures.lives += round.lives.length;
  try {
    for (const phase of phases) await live(world, tables, phase, round, draw, figures);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function summary({ lives, operations, hopeless }: Figures, rows: ArmRow[], failed: number): string {
  const throttled = rows.filter(({ status }) => status === 429).length;
  const share = ((100 * throttled) / rows.length).toFixed(1);
  return `provision: ${lives} jump servers, ${operations} operations, ${hopeless} of them ended by a hopeless fault and carried on; ${rows.length} calls to ARM, ${share} % answered 429; ${failed} rounds failed`;
}

/** What a seed means: the same faults at about the same moments. */
function drawRound(draw: () => number, names: readonly string[]): Round {
  const perhaps = (list: readonly Hopeless[]) => (draw() < 0.25 ? one(list, draw) : undefined);
  const lives = names.map((name) => {
    const drawn = phases.map((phase) => [phase, perhaps(hopelessOf[phase])] as const);
    return { name, hopeless: Object.fromEntries(drawn.filter(([, hopeless]) => hopeless !== undefined)) };
  });
  const drawn = phases.map((phase) => [phase, drawDisturbances(draw, callFaults)]);
  return { lives, disturbances: Object.fromEntries(drawn) };
}

const hopelessOf: Record<Phase, readonly Hopeless[]> = {
  provision: hopelessMakings,
  update: hopelessUpdates,
  teardown: hopelessRemovals,
};

function describe(round: Round): string {
  const of = (phase: Phase) => {
    const aimed = round.lives.flatMap(({ name, hopeless }) =>
      hopeless[phase] === undefined ? [] : [`${name}: ${hopeless[phase].title}`],
    );
    const titles = round.disturbances[phase].map(({ title }) => title);
    return [phase, ...titles, ...aimed].join(', ');
  };
  return phases.map(of).join('; ');
}

/** One phase of these lives, disturbed; then what was hopeless is taken away and asked for again, and all is checked. */
async function live(
  world: World,
  tables: Tables,
  phase: Phase,
  { lives, disturbances }: Round,
  draw: () => number,
  figures: Figures,
): Promise<void> {
  const happening = disturbances[phase];
  for (const { name, hopeless } of lives) await aim(world, name, hopeless[phase]);
  const [happened, ...ends] = await Promise.allSettled([
    Promise.all(happening.map((one) => one.happen(world, draw, phaseSeconds[phase]))),
    ...lives.map(({ name }) => ask(world, phase, name)),
  ]);
  if (happened.status === 'rejected') throw happened.reason;
  await control(world, 'DELETE', '/faults');
  await control(world, 'PATCH', '/options', { rolePropagationSeconds: 30 });
  const problems = await Promise.allSettled(
    lives.map(async (life, index) => {
      const end = ends[index];
      if (end?.status !== 'fulfilled') throw new Error(`${life.name}: ${end?.reason?.message}`);
      figures.operations++;
      if (mustEndWell(life, phase, happening, end.value)) return;
      figures.hopeless++;
      figures.operations++;
      const again = await ask(world, phase, life.name);
      if (again !== undefined && again.status !== 'Succeeded')
        throw new Error(`${life.name} was not carried on: ${JSON.stringify(again.error)}`);
    }),
  );
  const [problem] = problems.filter((one) => one.status === 'rejected');
  if (problem !== undefined) throw problem.reason;
  for (const { name } of lives) await checkStores(world, tables, phase, name);
}

const aim = async (world: World, name: string, hopeless: Hopeless | undefined): Promise<void> => {
  if (hopeless === undefined) return;
  const { match, ...fault } = hopeless.fault;
  await control(world, 'POST', '/faults', { count: 1000, ...fault, match: { ...match, id: `/molcajete-${name}/` } });
};

/** True when it succeeded as it had to; false when it failed as it had to. Throws otherwise. */
function mustEndWell(
  { name, hopeless }: Life,
  phase: Phase,
  happening: Disturbance[],
  end: OperationView | undefined,
): boolean {
  const wanted = hopeless[phase];
  if (end === undefined || end.status === 'Succeeded') {
    if (wanted === undefined || happening.some(({ losesFaults }) => losesFaults)) return true;
    throw new Error(`${name} succeeded although ${wanted.title}.`);
  }
  const { code, message = '', advice = '' } = end.error ?? {};
  if (end.status === 'Failed' && wanted?.code === code && message !== '' && advice !== '') return false;
  throw new Error(`${name} ended as ${end.status}: ${JSON.stringify(end.error)}`);
}

/** Sends the request until it is taken, and follows it. Undefined when what is asked for is already so. */
async function ask(world: World, phase: Phase, name: string): Promise<OperationView | undefined> {
  const body = spec({ web: { count: 1 }, ...(phase === 'update' ? { tags: { stage: 'updated' } } : {}) });
  const path = `/jump-servers/${name}`;
  const answer = await untilTaken(() =>
    phase === 'teardown' ? world.call('DELETE', path) : world.call('PUT', path, { body }),
  );
  if (answer.status === 200 || answer.status === 204) return undefined;
  if (answer.status !== 202) throw new Error(`${phase} was answered with ${answer.status}: ${answer.text}`);
  return world.follow(answer.headers.get('operation-location') ?? '', longestSeconds);
}

/** The control plane's tables, with a token for storage. */
function openStore(world: World): Tables {
  const credential: TokenCredential = {
    async getToken() {
      const { ownerOid } = world.stack.endpoints;
      const token = await world.stack.mint({ audience: 'https://storage.azure.com', oid: ownerOid });
      return { token, expiresOnTimestamp: Date.now() + 30 * 60_000 };
    },
  };
  return openTables(world.stack.endpoints.tables, credential);
}

/** All that a jump server of one node is made of, by type, endpoints and records in the control plane's network included. */
const parts: Record<string, number> = {
  'Microsoft.Resources/resourceGroups': 1,
  'Microsoft.Network/networkSecurityGroups': 2,
  'Microsoft.Network/virtualNetworks': 1,
  'Microsoft.Network/publicIPAddresses': 1,
  'Microsoft.Network/loadBalancers': 1,
  'Microsoft.Network/networkInterfaces': 3,
  'Microsoft.Network/privateEndpoints': 2,
  'Microsoft.Network/privateEndpoints/privateDnsZoneGroups': 2,
  'Microsoft.Network/privateDnsZones': 1,
  'Microsoft.Network/privateDnsZones/A': 2,
  'Microsoft.Network/privateDnsZones/virtualNetworkLinks': 1,
  'Microsoft.Compute/availabilitySets': 1,
  'Microsoft.Compute/virtualMachines': 1,
  'Microsoft.Compute/disks': 1,
  'Microsoft.DBforMySQL/flexibleServers': 1,
  'Microsoft.KeyVault/vaults': 1,
  'Microsoft.ManagedIdentity/userAssignedIdentities': 1,
  'Microsoft.Authorization/roleAssignments': 1,
};

/** Nothing twice, nothing orphaned, no lease stuck, no intent that the sweep cannot settle. */
async function checkStores(world: World, tables: Tables, phase: Phase, name: string): Promise<void> {
  const problems: string[] = [];
  if (!(await leaseEnds(tables, name))) problems.push('its lease is stuck');
  const wanted = phase === 'teardown' ? {} : parts;
  const found = await partsOf(world, name);
  for (const type of new Set([...Object.keys(wanted), ...found.keys()])) {
    const ids = found.get(type) ?? [];
    if (ids.length !== (wanted[type] ?? 0)) problems.push(`${ids.length} of ${type}: ${ids.join(' ')}`);
  }
  const rows = await listInventory(tables, name);
  if (phase === 'teardown' && rows.length > 0) problems.push(`still listed: ${rows.map(({ key }) => key).join(' ')}`);
  if (phase !== 'teardown') {
    const { status } = (await world.call('GET', `/jump-servers/${name}`)).body;
    if (status.state !== 'Ready') problems.push(`it is ${status.state}`);
  }
  problems.push(...(await openIntents(tables, name)));
  if (problems.length > 0) throw new Error(`${name} after ${phase}: ${problems.join('; ')}`);
}

/** The product's own timers may be at work after the operation that was asked for. */
async function leaseEnds(tables: Tables, name: string): Promise<boolean> {
  const until = Date.now() + longestSeconds * 1000;
  while ((await findLease(tables, name))?.state !== 'finished') {
    if (Date.now() > until) return false;
    await delay(500);
  }
  return true;
}

/** Everything that the local Azure stores for a jump server, by type. A deleted vault stays for its retention. */
async function partsOf(world: World, name: string): Promise<Map<string, string[]>> {
  const { value } = (await control(world, 'GET', '/resources')) as { value: { id: string; type: string }[] };
  const ours = value.filter(
    ({ id, type }) =>
      (id.includes(`/${name}-`) || id.includes(`/molcajete-${name}`)) && !type.endsWith('deletedVaults'),
  );
  const ids = new Map<string, string[]>();
  for (const { id, type } of ours) ids.set(type, [...(ids.get(type) ?? []), id]);
  return ids;
}

async function openIntents(tables: Tables, name: string): Promise<string[]> {
  const later = new Date(Date.now() + 600_000);
  await settleAudit({ tables, now: () => later } as unknown as Deps);
  const open = (await listOpenIntents(tables, later)).filter((intent) => intent.jumpServer === name);
  return open.map(({ operation }) => `the intent of ${operation} is open`);
}
