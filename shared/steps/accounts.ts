import { databaseAdministrator } from '../azure/names.ts';

/** The MySQL accounts of every jump server. Guacamole's own administrator is a row, not one of these. */
export const accountNames = {
  administrator: databaseAdministrator,
  /** Pairs: while one is in use, the other is made, proven and taken over; then the former is dropped. */
  control: ['molcajete_control_a', 'molcajete_control_b'],
  node: ['molcajete_node_a', 'molcajete_node_b'],
} as const;

type Pair = (typeof accountNames)['control' | 'node'];

/** The account of the pair that is not in use. */
export const otherOf = (pair: Pair, inUse: string | undefined): Pair[number] => (inUse === pair[0] ? pair[1] : pair[0]);
