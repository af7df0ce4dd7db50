/** What can be done to a node, each stronger than the one before. */
export const repairs = [
  'create',
  'start',
  'reapply',
  'restartAgent',
  'restartServices',
  'restartMachine',
  'redeploy',
  'rebuild',
] as const;
export type Repair = (typeof repairs)[number];

export const rankOf = (repair: Repair): number => repairs.indexOf(repair);

interface RepairFacts {
  /** In the reason of an operation. */
  text: string;
  /** It ends sessions. */
  disrupts: boolean;
  /** How many grace periods a node gets to be well after it. */
  graces: number;
  /**
   * And never less than so many of the intervals at which nodes report: with those of half a minute that Azure's nodes have, a boot gets two minutes,
   * an installation by cloud-init five.
   */
  reports: number;
}

export const repairFacts: Record<Repair, RepairFacts> = {
  create: { text: 'make its virtual machine again', disrupts: false, graces: 5, reports: 10 },
  start: { text: 'start its virtual machine', disrupts: false, graces: 2, reports: 4 },
  reapply: { text: "push its virtual machine's model again", disrupts: false, graces: 1, reports: 0 },
  restartAgent: { text: 'restart its agent', disrupts: false, graces: 1, reports: 0 },
  restartServices: { text: 'restart its services', disrupts: true, graces: 1, reports: 0 },
  restartMachine: { text: 'restart its virtual machine', disrupts: true, graces: 2, reports: 4 },
  redeploy: { text: 'move its virtual machine to another host', disrupts: true, graces: 3, reports: 4 },
  rebuild: { text: 'delete its virtual machine and make it again', disrupts: true, graces: 5, reports: 10 },
};
