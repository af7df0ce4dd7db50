import type { Failure } from './errors.ts';
import type { JumpServer, Setback } from './store/jumpServers.ts';
import type { Lease } from './store/leases.ts';

/** How an operation ended that held its lease to the end. */
export type Ended = { state: 'done' } | { state: 'canceled' } | { state: 'failed'; failure: Failure };

const sentences = {
  provision: 'The last PUT did not come to its end, so parts of the spec are not in force',
  scale: 'The number of nodes could not be changed',
  teardown: 'The last DELETE did not come to its end, so parts may be gone, and nothing is healed or scaled any more',
} as const;

/** What a person does next; a scale is tried again by itself. */
const ways = {
  provision: ' An equal PUT carries on from there.',
  scale: '',
  teardown:
    ' Send DELETE again, or an equal PUT to keep it: what is gone is made anew, a database that is gone as an empty one.',
} as const;

const canceledPut: Setback = {
  kind: 'provision',
  type: 'PutCanceled',
  message: `${sentences.provision}: it was canceled. Send the spec that you want by PUT: it carries on from there.`,
};

/** A scale that a person canceled is no setback. */
const canceled: Partial<Record<Setback['kind'], Setback>> = {
  provision: canceledPut,
  teardown: {
    kind: 'teardown',
    type: 'DeleteCanceled',
    message: `${sentences.teardown}: it was canceled.${ways.teardown}`,
  },
};

/** What the status is to say after an operation, given what it said before. A scale says nothing over a PUT or DELETE. */
export const setbackAfter =
  ({ kind }: Pick<Lease, 'kind'>, ended: Ended) =>
  (before: Setback | undefined): Setback | undefined => {
    if (kind === 'heal' || kind === 'rotate') return before;
    if (kind === 'scale' && before !== undefined && before.kind !== 'scale') return before;
    if (ended.state === 'done') return undefined;
    if (ended.state === 'canceled') return canceled[kind] ?? before;
    const { code, message, advice } = ended.failure;
    const what = advice === undefined ? message : `${message} ${advice}`;
    return { kind, type: code, message: `${sentences[kind]}: ${what}${ways[kind]}` };
  };

/** Parts of the spec are not in force, for the last PUT did not come to its end; the next one carries on. */
export const isPutUnfinished = ({ setback }: Pick<JumpServer, 'setback'>): boolean => setback?.kind === 'provision';

/** The last PUT was stopped by a person, who will say how to go on. */
export const wasCanceled = ({ setback }: Pick<JumpServer, 'setback'>): boolean => setback?.type === canceledPut.type;
