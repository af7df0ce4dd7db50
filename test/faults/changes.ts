import { credentials } from '../../shared/rotation/credentials.ts';
import { powersOf } from '../e2e/azure.ts';
import { type LoadResult, startLoad } from '../e2e/load.ts';
import { control, type Disturbance, drawDisturbances, passing } from './disturbances.ts';
import { foundByHand } from './invariants.ts';
import { openPatient, type Patient } from './patient.ts';
import { one, random } from './random.ts';
import { healed } from './suffering.ts';
import { untilTaken } from './untilTaken.ts';

/** What a change takes about when nothing happens. */
const changeSeconds = 15;

/** An operation must end within this, whatever happens to it. */
const longestSeconds = 300;

interface Change {
  title: string;
  path: 'scale' | 'rotate';
  body: object;
  /** That are up before it and after it. */
  nodes: readonly [before: number, after: number];
  rotated: readonly string[];
}

/**
 * `count` changes of one and the same jump server, to another number of nodes (none included) and to new credentials, while users log
 * in, processes die and calls to ARM fail. Throws at the first that is not carried out, with the seed.
 */
export async function soakChanges(seed: number, count: number): Promise<void> {
  console.log(`changes: seed ${seed}`);
  const draw = random(seed);
  const patient = await openPatient();
  let [logins, failed, nodes] = [0, 0, 2];
  try {
    for (let number = 1; number <= count; number++) {
      const change = drawChange(draw, nodes);
      const disturbances = drawDisturbances(draw, passing);
      const told = `${number}: ${[change.title, ...disturbances.map(({ title }) => title)].join(', ')}`;
      const met = await carryOut(patient, change, disturbances, draw).catch((error: Error) => {
        throw new Error(`seed ${seed}, ${told}: ${error.message}`);
      });
      console.log(`${told}: ${met.logins} logins, ${met.retried.length} retried, ${met.failed.length} failed`);
      nodes = change.nodes[1];
      logins += met.logins;
      // Without the local Azure there is neither a node nor a database.
      if (!disturbances.some(({ losesFaults }) => losesFaults)) failed += met.failed.length;
    }
    console.log(`changes: ${count} carried out, ${failed} of ${logins} logins failed`);
    if (failed > 0) throw new Error(`${failed} logins failed (seed ${seed}).`);
  } finally {
    await patient.close();
  }
}

/** Half of them another number of nodes; what sleeps can only be woken. */
function drawChange(draw: () => number, nodes: number): Change {
  if (nodes === 0 || draw() < 0.5) {
    const others = [0, 1, 2, 3].filter((one) => one !== nodes);
    const after = one(others, draw);
    return {
      title: `${nodes} to ${after} nodes`,
      path: 'scale',
      body: { count: after },
      nodes: [nodes, after],
      rotated: [],
    };
  }
  const drawn = credentials.filter(() => draw() < 0.4);
  const rotated = drawn.length === 0 ? credentials : drawn;
  return {
    title: `new ${rotated.join(', ')} on ${nodes} nodes`,
    path: 'rotate',
    body: { credentials: rotated },
    nodes: [nodes, nodes],
    rotated,
  };
}

const nobody: LoadResult = { logins: 0, retried: [], failed: [] };

/** One change, disturbed; then all is waited for and looked at. Returns how users fared, where there were nodes all the time. */
async function carryOut(
  patient: Patient,
  { path, body, nodes, rotated }: Change,
  disturbances: Disturbance[],
  draw: () => number,
): Promise<LoadResult> {
  const { world, base } = patient;
  const begun = new Date();
  const load = nodes.includes(0) ? undefined : startLoad(patient.ingress, patient.account);
  try {
    const before = new Set((await patient.operations()).map(({ id }) => id));
    const happening = Promise.all(disturbances.map((one) => one.happen(world, draw, changeSeconds)));
    // Something of the product's own may be under way: 409.
    const send = () => world.call('POST', `${base}/${path}`, { body });
    const answer = await untilTaken(send, longestSeconds, ({ status }) => status === 409);
    if (answer.status !== 202) throw new Error(`answered with ${answer.status}: ${answer.text}`);
    const operation = await world.follow(answer.headers.get('operation-location') ?? '', longestSeconds);
    await happening;
    await control(world, 'DELETE', '/faults');
    if (operation.status !== 'Succeeded')
      throw new Error(`ended as ${operation.status}: ${JSON.stringify(operation.error)}`);
    await healed(patient, ['healing', 'comparing'], before, longestSeconds);
    await check(patient, nodes[1], rotated, begun);
    return (await load?.stop()) ?? nobody;
  } finally {
    await load?.stop();
  }
}

async function check(patient: Patient, nodes: number, rotated: readonly string[], begun: Date): Promise<void> {
  const { state, nodes: shown, credentials: all } = await patient.status();
  const problems: string[] = [];
  if (state !== (nodes === 0 ? 'Hibernated' : 'Ready')) problems.push(`it is ${state}`);
  const running = shown.filter((node: { state: string }) => node.state === 'running').length;
  const powers = Object.values(await powersOf(patient.world, patient.name));
  const powered = powers.filter((power) => power === 'running').length;
  if (running !== nodes || powered !== nodes) problems.push(`${running} nodes are shown, ${powered} machines run`);
  for (const { credential, rotatedAt, unfinished } of all as Rotated[])
    if (unfinished || (rotated.includes(credential) && Date.parse(rotatedAt ?? '') < begun.getTime()))
      problems.push(`${credential} was rotated ${rotatedAt}${unfinished ? ' and is unfinished' : ''}`);
  if (nodes > 0) problems.push(...(await foundByHand(patient)));
  if (problems.length > 0) throw new Error(problems.join('; '));
}

interface Rotated {
  credential: string;
  rotatedAt: string | null;
  unfinished: boolean;
}
