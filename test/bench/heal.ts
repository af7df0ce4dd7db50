import { writesOf } from '../e2e/world.ts';
import { openPatient } from '../faults/patient.ts';
import { suffer } from '../faults/suffering.ts';
import { nodeTroubles } from '../faults/troubles.ts';
import { print } from './figures.ts';
import { historyOf } from './provision.ts';

/** The most jump servers that a sweep looks at closely, and so the most heals that a minute starts (docs/healing.md). */
const aMinute = 20;

/** What the heal of one stopped machine asks of ARM and of the durable extension, against what Azure allows when a minute has twenty. */
export async function benchHeal(): Promise<void> {
  const patient = await openPatient();
  const [stopped] = nodeTroubles.filter(({ title }) => title === 'somebody stops a virtual machine');
  if (stopped === undefined) throw new Error('There is no trouble of that name.');
  try {
    const before = (await patient.world.armRows()).length;
    const { seconds, operations } = await suffer(patient, [stopped]);
    const rows = (await patient.world.armRows()).slice(before).filter(({ url }) => !/statusOnly|powerOff/.test(url));
    const reads = rows.filter(({ method }) => method === 'GET').length;
    const history = historyOf(patient.world.stack.dir, operations[0]?.id ?? '');
    print('Heal of a stopped machine (baseline: ARM refills 25 reads a second)', [
      ['ARM reads', String(reads), `${aMinute} heals: ${aMinute * reads} of 1,500 a minute`, (aMinute * reads) / 1500],
      ['ARM writes and actions', String(rows.length - reads), `${writesOf(rows).length} of them PUT, PATCH, DELETE`],
      ['durable history events', String(history.events), ''],
      ['durable episodes', String(history.episodes), ''],
      ['seconds until it is well', seconds.toFixed(0), `${operations.length} operations`],
    ]);
  } finally {
    await patient.close();
  }
}
