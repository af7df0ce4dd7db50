import { partNames } from '../node/report.ts';
import type { Condition } from '../store/healing.ts';
import { secondsAfter } from '../time.ts';
import { diagnose, type Finding, type NodeSight, type Sight } from './findings.ts';
import { longestStart } from './sight.ts';

/** Code of the failure of an operation that found the database in order, and nodes that still do not reach it. */
export const stillUnwell = 'NodesStillUnwell';

export const heardOf = (nodes: readonly NodeSight[]) => nodes.filter(({ voice }) => voice.kind !== 'silent');

/**
 * Every node that says anything complains about the database, the last of them since then: repairing nodes would not help. Unless a look
 * at the database, just now, did not help either.
 */
export function databaseToBlame({
  nodes,
  memory,
}: Pick<Sight, 'nodes' | 'memory'>): { says: string; since: Date } | undefined {
  if (memory.server.failure.some(({ type }) => type === stillUnwell)) return undefined;
  const heard = heardOf(nodes);
  const complaints = complaintsOf(heard, 'database');
  if (heard.length === 0 || complaints.length < heard.length) return undefined;
  const since = new Date(Math.max(...complaints.map((one) => one.since.getTime())));
  return { says: `No node reaches the database (${complaints[0]?.detail})`, since };
}

/**
 * What all nodes have in common is hardly the trouble of any of them: restarting one after the other would end everybody's sessions and
 * mend nothing. The finding that is left alone, and what to say; undefined where there is none. The database is looked at instead
 * (`databaseToBlame`).
 */
export function commonCause(nodes: readonly NodeSight[]): { finding: Finding; condition: Condition } | undefined {
  const heard = heardOf(nodes);
  if (heard.length < 2) return undefined;
  const part = partNames.find((name) => name !== 'database' && complaintsOf(heard, name).length === heard.length);
  if (part !== undefined) {
    const why = `Every node that reports says that ${part} does not work (${complaintsOf(heard, part)[0]?.detail})`;
    return { finding: 'unwell', condition: { type: 'CommonTrouble', message: `${why}${leftAlone}` } };
  }
  const well = heard.filter(({ voice }) => voice.kind === 'well');
  if (well.length < 2 || !well.every(({ probe }) => probe === 'down')) return undefined;
  const message = `The nodes say that they work, and the balancer's probe reaches none of them${leftAlone}`;
  return { finding: 'probeFails', condition: { type: 'CommonTrouble', message } };
}

const leftAlone =
  ', so the cause is hardly in a node, and none is restarted for it. Look at what was changed last: web.guacamoleVersion, network rules, the load balancer. POST …/heal repairs the nodes all the same, one at a time.';

const complaintsOf = (nodes: readonly NodeSight[], part: string) =>
  nodes.flatMap(({ voice }) => (voice.kind === 'unwell' && voice.parts.includes(part) ? [voice] : []));

/** Does it say that it does not reach its database? */
export const missesDatabase = (node: NodeSight): boolean => complaintsOf([node], 'database').length > 0;

const mostNames = 5;

/** The first five by name: a condition must stay short with a hundred nodes. */
export function listNames(nodes: readonly NodeSight[]): string {
  const names = nodes.slice(0, mostNames).map(({ name }) => name);
  const more = nodes.length > mostNames ? ` and ${nodes.length - mostNames} more` : '';
  return `${names.join(', ')}${more}`;
}

export const machineChanging = 'MachineChanging';

/**
 * Nodes that have not worked for longer than any start takes, and on whose machines Azure is at work, or says nothing of them. Nobody but
 * Azure can bring that to its end, and a repair would be refused or come in its way.
 */
export function changingNodes(nodes: readonly NodeSight[], now: Date): Condition[] {
  const changing = nodes.filter(
    (node) =>
      node.machine?.power === 'changing' &&
      node.voice.kind !== 'well' &&
      secondsAfter(node.voice.since, longestStart) < now &&
      diagnose(node) === undefined,
  );
  const byState = Map.groupBy(changing, ({ machine }) => machine?.called);
  return [...byState].map(([called, alike]) => {
    const said = called === undefined ? 'Azure does not say whether it runs' : `Azure calls it '${called}'`;
    const message = `${listNames(alike)}: not working for more than ${longestStart / 60} minutes, and of the virtual machine ${said}, so nothing is done to it. Look at its activity log in the Azure portal; where nothing is at work on it any more, Reapply there (Redeploy + reapply) brings it out of that state.`;
    return { type: machineChanging, message };
  });
}

/** Nodes that serve users and cannot make their last change: a person should know, and a restart would only end sessions. */
export function stuckNodes(nodes: readonly NodeSight[]): Condition[] {
  const stuck = nodes.filter(({ voice }) => voice.kind === 'well' && voice.stuck !== undefined);
  const [first] = stuck;
  if (first?.voice.kind !== 'well') return [];
  const message = `${listNames(stuck)} could not make the last change (${first.voice.stuck}). Users are served as before, and the change is tried again with every report. Look at the jump server's vault where a secret is not given, else at what was changed last.`;
  return [{ type: 'ChangeNotApplied', message }];
}
