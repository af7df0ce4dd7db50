import { secondsAfter } from '../time.ts';
import { desiredCount } from './desiredCount.ts';
import { type InForce, inForce, nextChange, type Plan } from './timetable.ts';

/** A stretch of time with one count. */
export interface Stretch {
  from: Date;
  until: Date;
  count: number;
  because: InForce['kind'];
  name: string | undefined;
}

const sevenDays = 7 * 86_400;
/** A minute-by-minute schedule would fill a page with thousands; what follows is left out. */
const mostStretches = 500;

/** The coming week as the plan will run it, demand left out. Pure; the stretches follow each other without gaps. */
export function nextSevenDays(plan: Plan, now: Date): Stretch[] {
  const end = secondsAfter(now, sevenDays);
  const stretches: Stretch[] = [];
  for (let from = now; from < end && stretches.length < mostStretches; ) {
    const next = nextChange(plan, from);
    const until = next === undefined || next > end ? end : next;
    const { kind, name } = inForce(plan, from);
    const { count } = desiredCount(plan, from, 0);
    const last = stretches.at(-1);
    if (last !== undefined && last.count === count && last.because === kind && last.name === name) last.until = until;
    else stretches.push({ from, until, count, because: kind, name });
    from = until;
  }
  return stretches;
}
