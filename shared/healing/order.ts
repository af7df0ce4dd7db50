import type { Finding } from './findings.ts';
import type { Repair } from './repairs.ts';

/** What is to be done to one node, and why. */
export interface NodeOrder {
  number: number;
  finding: Finding;
  repair: Repair;
}

/**
 * Whether it runs before its machine is written. A rebuild must. So must any repair of a machine whose last write failed: that write may fail
 * again, and a repair not noted by then is tried for ever, never a stronger one.
 */
export const comesFirst = ({ finding, repair }: NodeOrder): boolean =>
  repair === 'rebuild' || finding === 'provisioningFailed';

/** What a heal operation is asked to do; kept in its lease. Every one looks at the resources that all nodes share, unless the last PUT failed. */
export interface HealOrder {
  nodes: NodeOrder[];
  /** Numbers of nodes that should be well again when the resources are: nothing is done to them. */
  awaits: number[];
  /** Look at the resources of all nodes too, not only of those above. */
  everything: boolean;
  /** What was seen, a sentence each. */
  evidence: string[];
  /** Under which time it is among the repairs that the breaker counts; a heal by hand is not. */
  countedAt?: string;
  /** An alert asked for it. */
  alert?: true;
}

export const parseHealOrder = (text: string): HealOrder => JSON.parse(text) as HealOrder;
