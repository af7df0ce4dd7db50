import { z } from 'zod';
import { duration } from '../duration.ts';
import type { Complain } from '../specNetwork.ts';
import { cronProblem, isRuntimeTimeZone } from './occurrences.ts';

/** Nodes of one jump server, whatever its spec says. */
export const mostNodes = 100;

const count = z
  .int('must be a whole number')
  .min(0, 'must be at least 0')
  .max(mostNodes, `may be at most ${mostNodes}`);

const label = z.string().regex(/^[\w .:/-]{1,60}$/, "must be 1 to 60 letters, digits, spaces or one of '_ . : / -'");

const entry = z.strictObject({
  name: label,
  cron: z
    .string()
    .max(100, 'may be at most 100 characters long')
    .superRefine((text, context) => {
      const problem = cronProblem(text);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .describe('Five fields: minute hour day month weekday. From then on `count` holds, until another entry occurs.'),
  timeZone: z
    .string()
    .max(60, 'may be at most 60 characters long')
    .refine(isRuntimeTimeZone, {
      error: ({ input }) => `must be the IANA name of a time zone such as 'Europe/Berlin'; '${String(input)}' is none`,
    })
    .describe('The clock that `cron` is read on.'),
  count,
});

const instant = z.iso
  .datetime({ offset: true, error: "must be a time with its offset, such as '2026-12-24T12:00:00+01:00'" })
  .describe('ISO 8601 with an offset or Z.');

const override = z.strictObject({ name: label.optional(), from: instant, until: instant, count });

/** `scaling` of a spec. Without a word in it the jump server has `web.count` nodes until somebody scales it by hand. */
export const scalingSpec = z.strictObject({
  min: count.default(0).describe('Never fewer nodes than this. With 1 or more the jump server never hibernates.'),
  max: count
    .optional()
    .describe('Never more nodes than this. Must be said where `sessionsPerNode` may add nodes on its own.'),
  schedule: z.array(entry).max(50, 'may hold at most 50 entries').default([]),
  overrides: z.array(override).max(50, 'may hold at most 50 entries').default([]),
  sessionsPerNode: z
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(10_000, 'may be at most 10000')
    .optional()
    .describe(
      'With more open sessions than this on each node, nodes are added up to `max`. Never wakes a hibernating one.',
    ),
  drainTimeout: duration('PT0S', 'P1D')
    .default('PT30M')
    .describe('How long a node that is to go waits for its sessions to end by themselves. ISO 8601 duration.'),
  cooldown: duration('PT0S', 'P1D')
    .default('PT10M')
    .describe('Nodes that open sessions have asked for stay at least this long. ISO 8601 duration.'),
});

export type Scaling = z.output<typeof scalingSpec>;

/** The most nodes that the spec lets anything but a PUT ask for. */
export const mostNodesOf = (scaling: Pick<Scaling, 'max'>): number => scaling.max ?? mostNodes;

/** The highest count that the spec itself names: its network must have room for as many. */
export const highestCount = (scaling: Scaling, webCount: number): number =>
  Math.max(webCount, scaling.max ?? 0, ...[...scaling.schedule, ...scaling.overrides].map((one) => one.count));

/** Fields against each other. `path` of a complaint begins at the spec's root. */
export function checkScaling(scaling: Scaling, webCount: number, complain: Complain): void {
  const { min, max, sessionsPerNode } = scaling;
  if (max === 0) complain(['scaling', 'max'], 'must be at least 1: a jump server that never has a node is none.');
  if (max !== undefined && min > max)
    complain(['scaling', 'min'], `is ${min}, more than scaling.max, which is ${max}.`);
  if (sessionsPerNode !== undefined && max === undefined)
    complain(['scaling', 'max'], 'must be said with scaling.sessionsPerNode: how many nodes may demand lead to?');
  checkCount(['web', 'count'], webCount, scaling, complain);
  for (const list of ['schedule', 'overrides'] as const) {
    scaling[list].forEach((one, index) => {
      checkCount(['scaling', list, index, 'count'], one.count, scaling, complain);
    });
  }
  checkNames(scaling, complain);
  checkOverrides(scaling.overrides, complain);
}

type Path = Parameters<Complain>[0];

function checkCount(path: Path, count: number, { min, max }: Scaling, complain: Complain): void {
  if (count < min) complain(path, `is ${count}, less than scaling.min, which is ${min}.`);
  if (max !== undefined && count > max) complain(path, `is ${count}, more than scaling.max, which is ${max}.`);
}

/** Status and operations call an entry by its name. */
function checkNames({ schedule }: Scaling, complain: Complain): void {
  const names = schedule.map(({ name }) => name);
  names.forEach((name, index) => {
    if (names.indexOf(name) < index) complain(['scaling', 'schedule', index, 'name'], `'${name}' is there twice.`);
  });
}

function checkOverrides(overrides: Scaling['overrides'], complain: Complain): void {
  const spans = overrides.map(({ from, until }) => ({ from: Date.parse(from), until: Date.parse(until) }));
  spans.forEach((span, index) => {
    const say = (field: string, message: string) => complain(['scaling', 'overrides', index, field], message);
    if (span.from >= span.until) say('until', 'must be later than from.');
    const other = spans.findIndex(
      (earlier, at) => at < index && earlier.from < span.until && span.from < earlier.until,
    );
    const name = overrides[other]?.name;
    if (other >= 0)
      say('from', `overlaps overrides[${other}]${name === undefined ? '' : ` ('${name}')`}: at any time one may hold.`);
  });
}
