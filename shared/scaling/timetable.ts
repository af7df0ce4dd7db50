import { canonicalJson } from '../canonicalJson.ts';
import { occurrencesAround } from './occurrences.ts';
import type { Scaling } from './scalingSpec.ts';

/** What a person asked for by `POST …/scale`. */
export interface ByHand {
  count: number;
  from: Date;
  /** Without it the count holds until schedule or overrides next say something. */
  until: Date | undefined;
  /** Who asked. */
  by: string;
  /** `basisOf` the spec it was asked under: a PUT that changes the plan ends it. */
  basis: string;
}

/** What decides how many nodes there should be, before demand and limits. */
export interface Plan {
  scaling: Scaling;
  /** `web.count`: what holds while no entry has ever occurred. */
  base: number;
  byHand: ByHand | undefined;
}

/** Which part of the plan holds, and since when: its own last change, whether or not that changed the count. */
export interface InForce {
  count: number;
  kind: 'base' | 'schedule' | 'override' | 'byHand';
  name: string | undefined;
  since: Date;
}

/** Two specs with the same basis plan the same. */
export const basisOf = (scaling: Scaling, base: number): string =>
  canonicalJson([base, scaling.min, scaling.max ?? null, scaling.schedule, scaling.overrides]);

/** Pure. By hand beats overrides, those beat the schedule, and that beats `web.count`. */
export function inForce(plan: Plan, now: Date): InForce {
  const said = planned(plan, now);
  const { byHand } = plan;
  if (byHand === undefined || byHand.basis !== basisOf(plan.scaling, plan.base) || now < byHand.from) return said;
  const holds = byHand.until === undefined ? said.since <= byHand.from : now < byHand.until;
  return holds ? { count: byHand.count, kind: 'byHand', name: byHand.by, since: byHand.from } : said;
}

function planned({ scaling, base }: Plan, now: Date): InForce {
  const override = overrideAt(scaling, now);
  if (override !== undefined) {
    const { count, name, from } = override;
    return { count, kind: 'override', name, since: new Date(from) };
  }
  const entry = latestEntry(scaling, now);
  const freed = latestEnd(scaling, now);
  if (entry === undefined) return { count: base, kind: 'base', name: undefined, since: freed };
  const since = new Date(Math.max(entry.time.getTime(), freed.getTime()));
  return { count: entry.count, kind: 'schedule', name: entry.name, since };
}

const overrideAt = ({ overrides }: Scaling, now: Date) =>
  overrides.find(({ from, until }) => Date.parse(from) <= now.getTime() && now.getTime() < Date.parse(until));

/** When the last override ended that has. */
const latestEnd = ({ overrides }: Scaling, now: Date): Date =>
  new Date(Math.max(0, ...overrides.map(({ until }) => Date.parse(until)).filter((end) => end <= now.getTime())));

/** The entry that occurred last. Of two that occurred in the same minute, the later one in the list. */
function latestEntry({ schedule }: Scaling, now: Date) {
  let latest: { name: string; count: number; time: Date } | undefined;
  for (const entry of schedule) {
    const time = occurrencesAround(entry, now).previous;
    if (time === undefined || (latest !== undefined && time < latest.time)) continue;
    latest = { name: entry.name, count: entry.count, time };
  }
  return latest;
}

/** The next moment at which another part of the plan may come into force; undefined when none will. */
export function nextChange(plan: Plan, now: Date): Date | undefined {
  const { scaling, byHand } = plan;
  const held = inForce(plan, now);
  const times = [
    byHand?.from,
    byHand?.until,
    ...scaling.overrides.flatMap(({ from, until }) => [new Date(from), new Date(until)]),
    // What holds already changes nothing by occurring again, but it ends what was asked for by hand.
    ...scaling.schedule
      .filter(({ name }) => held.kind !== 'schedule' || held.name !== name)
      .map((entry) => occurrencesAround(entry, now).next),
  ];
  return times
    .filter((time): time is Date => time !== undefined && time > now)
    .reduce<Date | undefined>((first, time) => (first === undefined || time < first ? time : first), undefined);
}
