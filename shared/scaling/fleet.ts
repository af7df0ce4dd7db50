import { durationSeconds } from '../duration.ts';
import type { JumpServerSpec } from '../spec.ts';
import type { NodeRecord } from '../store/nodes.ts';
import { secondsAfter } from '../time.ts';
import { highestCount } from './scalingSpec.ts';

/** The nodes that users may be sent to, now or as soon as they are ready. */
export const isUp = ({ state }: Pick<NodeRecord, 'state'>): boolean => state === 'starting' || state === 'running';

/** It drains only to take another account, and comes back by itself. */
export const isRotating = ({ state, rotates }: Pick<NodeRecord, 'state' | 'rotates'>): boolean =>
  state === 'draining' && rotates === true;

/** Counts as one of the nodes that the plan wants. */
export const isThere = (node: Pick<NodeRecord, 'state' | 'rotates'>): boolean => isUp(node) || isRotating(node);

export const upCount = (fleet: readonly NodeRecord[]): number => fleet.filter(isThere).length;

/** No node is on its way up or down. */
export const isSettled = (fleet: readonly NodeRecord[]): boolean =>
  fleet.every(({ state }) => state === 'running' || state === 'deallocated');

/** No node is on its way up or down, but for those that a rotation drains and brings back. */
export const isScaled = (fleet: readonly NodeRecord[]): boolean => isSettled(fleet.filter((node) => !isRotating(node)));

export const isHibernated = (fleet: readonly NodeRecord[]): boolean =>
  fleet.length > 0 && fleet.every(({ state }) => state === 'deallocated');

/** None is to be up, and some still have their sessions. */
export const isHibernating = (fleet: readonly NodeRecord[]): boolean =>
  upCount(fleet) === 0 && fleet.some(({ state }) => state === 'draining');

/**
 * Seconds from that moment on until no node drains any more, or for how long one did. What only comes up has no sessions to wait for. What
 * drained before keeps its deadline, whatever the spec has said since.
 */
export function drainSeconds({ scaling }: JumpServerSpec, fleet: readonly NodeRecord[], from: Date): number {
  const draining = fleet.filter(({ state }) => state === 'draining');
  const drained = fleet.filter(({ state }) => state === 'deallocated');
  const ends = [...draining.map(({ drainUntil = from }) => drainUntil), ...drained.map(({ since }) => since)];
  const seconds = ends.map((end) => (end.getTime() - from.getTime()) / 1000);
  const comesUp = draining.length === 0 && fleet.some(({ state }) => state === 'starting');
  return Math.max(comesUp ? 0 : durationSeconds(scaling.drainTimeout), ...seconds);
}

/** The nodes of a jump server: those recorded, or before there are any `web.count` new ones. */
export function fleetOf(spec: JumpServerSpec, recorded: readonly NodeRecord[], now: Date): NodeRecord[] {
  if (recorded.length > 0) return [...recorded];
  return Array.from({ length: spec.web.count }, (_, index) => ({ number: index + 1, state: 'starting', since: now }));
}

/**
 * What must change for `count` nodes to be up; empty when as many are. Pure. Up: nodes that still drain, then deallocated ones, then
 * new ones, low numbers first. Down: high numbers first; they get `drainSeconds` for their sessions. What rotation drains is put back.
 */
export function changesFor(fleet: readonly NodeRecord[], count: number, now: Date, drainSeconds: number): NodeRecord[] {
  const there = fleet.filter(isThere);
  const drainUntil = secondsAfter(now, drainSeconds);
  const back = there.slice(0, count).filter(isRotating);
  return [
    ...back.map(({ number }): NodeRecord => ({ number, state: 'running', since: now })),
    ...there.slice(count).map(({ number }): NodeRecord => ({ number, state: 'draining', since: now, drainUntil })),
    ...raised(fleet, count - there.length, now),
  ];
}

/** `more` nodes that are to come up. */
function raised(fleet: readonly NodeRecord[], more: number, now: Date): NodeRecord[] {
  const taken = new Set(fleet.map(({ number }) => number));
  const unused = Array.from({ length: fleet.length + Math.max(0, more) }, (_, index) => index + 1).filter(
    (number) => !taken.has(number),
  );
  const inState = (wanted: NodeRecord['state']) =>
    fleet.filter((node) => node.state === wanted && !isRotating(node)).map(({ number }) => number);
  return [...inState('draining'), ...inState('deallocated'), ...unused]
    .slice(0, Math.max(0, more))
    .map((number) => ({ number, state: 'starting', since: now }));
}

/** A node that is not to be up, and that the spec has no use for: a PUT removes it. */
export const isSurplus = (node: NodeRecord, { scaling, web }: JumpServerSpec): boolean =>
  !isThere(node) && node.number > (scaling.max ?? highestCount(scaling, web.count));

/** The fleet with some of its nodes replaced or added, by number. */
export function withChanges(fleet: readonly NodeRecord[], changes: readonly NodeRecord[]): NodeRecord[] {
  const byNumber = new Map([...fleet, ...changes].map((node) => [node.number, node]));
  return [...byNumber.values()].sort((a, b) => a.number - b.number);
}
