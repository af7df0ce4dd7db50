import type { JumpServer, Setback } from './store/jumpServers.ts';
import type { Lease } from './store/leases.ts';
import type { Failure } from './store/operations.ts';

/** How an operation ended, as far as it matters here. */
export type Ended = { state: 'done' } | { state: 'canceled' } | { state: 'failed'; failure: Failure };

const sentences = {
  provision: 'The last PUT did not come to its end, so parts of the spec are not in force',
  scale: 'The number of nodes could not be changed',
} as const;

const canceledPut: Setback = {
  kind: 'provision',
  type: 'PutCanceled',
  message: `${sentences.provision}: it was canceled. Send the spec that you want by PUT: it carries on from there.`,
};

/** What the status is to say after an operation, given what it said before. A scale says nothing over a PUT. */
export const setbackAfter =
  ({ kind }: Pick<Lease, 'kind'>, ended: Ended) =>
  (before: Setback | undefined): Setback | undefined => {
    if (kind !== 'provision' && kind !== 'scale') return before;
    if (kind === 'scale' && before?.kind === 'provision') return before;
    if (ended.state === 'done') return undefined;
    if (ended.state === 'canceled') return kind === 'provision' ? canceledPut : before;
    const { code, message, advice } = ended.failure;
    const more = kind === 'provision' ? ' An equal PUT carries on from there.' : '';
    return {
      kind,
      type: code,
      message: `${sentences[kind]}: ${message}${advice === undefined ? '' : ` ${advice}`}${more}`,
    };
  };

/** Parts of the spec are not in force, for the last PUT did not come to its end; the next one carries on. */
export const isPutUnfinished = ({ setback }: Pick<JumpServer, 'setback'>): boolean => setback?.kind === 'provision';

/** The last PUT was stopped by a person, who will say how to go on. */
export const wasCanceled = ({ setback }: Pick<JumpServer, 'setback'>): boolean => setback?.type === canceledPut.type;
