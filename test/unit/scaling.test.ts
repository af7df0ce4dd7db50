import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { desiredCount } from '../../shared/scaling/desiredCount.ts';
import { nextSevenDays } from '../../shared/scaling/nextSevenDays.ts';
import { occurrencesAround } from '../../shared/scaling/occurrences.ts';
import { type Scaling, scalingSpec } from '../../shared/scaling/scalingSpec.ts';
import { type ByHand, basisOf, type Plan } from '../../shared/scaling/timetable.ts';

const entry = (name: string, cron: string, count: number, timeZone = 'Europe/Berlin') => ({
  name,
  cron,
  timeZone,
  count,
});
const office = [entry('morning', '0 7 * * MON-FRI', 3), entry('evening', '0 19 * * *', 0)];

function planOf(scaling: Partial<Scaling>, byHand?: Omit<ByHand, 'basis' | 'by'>): Plan {
  const parsed = scalingSpec.parse(scaling);
  const asked = byHand && { ...byHand, by: 'anna', basis: basisOf(parsed, 2) };
  return { scaling: parsed, base: 2, byHand: asked };
}
const countAt = (plan: Plan, time: string, sessions = 0): number => desiredCount(plan, new Date(time), sessions).count;

describe('the schedule', () => {
  test('gives web.count when there is none', () => expect(countAt(planOf({}), '2026-11-23T12:00:00Z')).toBe(2));

  test.each([
    ['a minute before it', '2026-11-23T05:59:59.999Z', 0],
    ['at its very moment', '2026-11-23T06:00:00.000Z', 3],
    ['in the middle of its first second', '2026-11-23T06:00:00.400Z', 3],
    ['all day', '2026-11-23T17:59:59Z', 3],
    ['until the next', '2026-11-23T18:00:00Z', 0],
    ['over the week-end', '2026-11-29T12:00:00Z', 0],
  ])('lets the latest entry rule: %s', (_, time, count) =>
    expect(countAt(planOf({ schedule: office }), time)).toBe(count),
  );

  test.each([
    ['the hour that does not exist: at its end (spring)', '30 2 * * *', '2026-03-29T00:59:59Z', 1],
    ['the hour that does not exist: from 03:00 on', '30 2 * * *', '2026-03-29T01:00:00Z', 4],
    ['a list of hours in it counts as fixed too', '30 2,14 * * *', '2026-03-29T01:00:00Z', 4],
    ['the hour that comes twice: at the first pass (autumn)', '30 2 * * *', '2026-10-25T00:29:59Z', 1],
    ['the hour that comes twice: from the first pass on', '30 2 * * *', '2026-10-25T00:30:00Z', 4],
    ['seven in the morning stays seven in winter', '0 7 * * *', '2026-10-25T05:59:59Z', 1],
    ['seven in the morning is an hour later in UTC', '0 7 * * *', '2026-10-25T06:00:00Z', 4],
  ])('follows the clocks: %s', (_, cron, time, count) => {
    const schedule = [entry('midnight', '0 0 * * *', 1), entry('tested', cron, 4)];
    expect(countAt(planOf({ schedule }), time)).toBe(count);
  });

  test('does not run twice in the hour that comes twice', () => {
    const schedule = [entry('half past two', '30 2 * * *', 4), entry('a quarter to three', '45 2 * * *', 1)];
    expect(countAt(planOf({ schedule }), '2026-10-25T00:45:00Z')).toBe(1);
    expect(countAt(planOf({ schedule }), '2026-10-25T01:35:00Z')).toBe(1);
  });

  test('knows half-hour changes of the clocks', () => {
    const schedule = [
      entry('midnight', '0 0 * * *', 1, 'Australia/Lord_Howe'),
      entry('in the gap', '15 2 * * *', 4, 'Australia/Lord_Howe'),
    ];
    expect(countAt(planOf({ schedule }), '2026-10-03T15:29:59Z')).toBe(1);
    expect(countAt(planOf({ schedule }), '2026-10-03T15:30:00Z')).toBe(4);
  });

  test('lets each entry run in its own zone', () => {
    const schedule = [
      entry('Tokyo', '0 9 * * *', 5, 'Asia/Tokyo'),
      entry('New York', '0 9 * * *', 1, 'America/New_York'),
    ];
    expect(countAt(planOf({ schedule }), '2026-11-23T00:00:00Z')).toBe(5);
    expect(countAt(planOf({ schedule }), '2026-11-23T14:00:00Z')).toBe(1);
  });

  test('lets the later in the list win where two occur in the same minute, whatever their zones', () => {
    const berlin = entry('Berlin', '0 9 * * *', 5);
    const utc = entry('UTC', '0 8 * * *', 1, 'UTC');
    expect(countAt(planOf({ schedule: [berlin, utc] }), '2026-11-23T08:00:00Z')).toBe(1);
    expect(countAt(planOf({ schedule: [utc, berlin] }), '2026-11-23T08:00:00Z')).toBe(5);
  });

  test('runs on leap days only where it is told so', () => {
    const schedule = [entry('new year', '0 0 1 1 *', 1, 'UTC'), entry('leap day', '0 0 29 2 *', 4, 'UTC')];
    expect(countAt(planOf({ schedule }), '2028-02-28T23:59:59Z')).toBe(1);
    expect(countAt(planOf({ schedule }), '2028-02-29T00:00:00Z')).toBe(4);
    expect(countAt(planOf({ schedule }), '2029-01-01T00:00:00Z')).toBe(1);
    expect(countAt(planOf({ schedule }), '2029-03-01T00:00:00Z')).toBe(1);
  });
});

describe('overrides', () => {
  const holidays = {
    name: 'holidays',
    from: '2026-12-24T12:00:00+01:00',
    until: '2026-12-28T00:00:00+01:00',
    count: 1,
  };

  test.each([
    ['before it', '2026-12-24T10:59:59Z', 3],
    ['from its first moment', '2026-12-24T11:00:00Z', 1],
    ['over entries that occur in it', '2026-12-25T06:00:00Z', 1],
    ['until its end, which is no longer part of it', '2026-12-27T23:00:00Z', 0],
  ])('beat the schedule: %s', (_, time, count) =>
    expect(countAt(planOf({ schedule: office, overrides: [holidays] }), time)).toBe(count),
  );

  test('beat two entries of the same minute', () => {
    const schedule = [entry('a', '0 12 * * *', 4, 'UTC'), entry('b', '0 12 * * *', 5, 'UTC')];
    const override = { from: '2026-11-23T12:00:00Z', until: '2026-11-23T12:01:00Z', count: 2 };
    expect(countAt(planOf({ schedule, overrides: [override] }), '2026-11-23T12:00:00Z')).toBe(2);
    expect(countAt(planOf({ schedule, overrides: [override] }), '2026-11-23T12:01:00Z')).toBe(5);
  });
});

describe('a count asked for by hand', () => {
  const from = new Date('2026-11-23T20:00:00Z');

  test('holds until the schedule next says something', () => {
    const plan = planOf({ schedule: office }, { count: 2, from, until: undefined });
    expect(countAt(plan, '2026-11-23T19:59:59Z')).toBe(0);
    expect(countAt(plan, '2026-11-24T05:59:59Z')).toBe(2);
    expect(countAt(plan, '2026-11-24T06:00:00Z')).toBe(3);
  });

  test('is ended by an entry that occurs again, too', () => {
    const plan = planOf({ schedule: [entry('daily', '0 19 * * *', 0)] }, { count: 2, from, until: undefined });
    expect(countAt(plan, '2026-11-24T17:59:59Z')).toBe(2);
    expect(countAt(plan, '2026-11-24T18:00:00Z')).toBe(0);
  });

  test('holds until its own end, over everything', () => {
    const overrides = [{ from: '2026-11-23T21:00:00Z', until: '2026-11-23T22:00:00Z', count: 5 }];
    const plan = planOf({ schedule: office, overrides }, { count: 2, from, until: new Date('2026-11-24T12:00:00Z') });
    expect(countAt(plan, '2026-11-23T21:30:00Z')).toBe(2);
    expect(countAt(plan, '2026-11-24T11:59:59Z')).toBe(2);
    expect(countAt(plan, '2026-11-24T12:00:00Z')).toBe(3);
  });

  test('beats an override that holds already, and yields to the next', () => {
    const overrides = [
      { from: '2026-11-23T12:00:00Z', until: '2026-11-24T12:00:00Z', count: 5 },
      { from: '2026-11-24T12:00:00Z', until: '2026-11-25T12:00:00Z', count: 4 },
    ];
    const plan = planOf({ overrides }, { count: 1, from, until: undefined });
    expect(countAt(plan, '2026-11-24T11:59:59Z')).toBe(1);
    expect(countAt(plan, '2026-11-24T12:00:00Z')).toBe(4);
  });

  test('holds for good where there is no schedule, until a PUT changes the plan', () => {
    const plan = planOf({}, { count: 0, from, until: undefined });
    expect(countAt(plan, '2027-11-24T11:59:59Z')).toBe(0);
    expect(countAt({ ...plan, base: 3 }, '2027-11-24T11:59:59Z')).toBe(3);
  });
});

describe('demand', () => {
  const busy = { max: 5, sessionsPerNode: 10, cooldown: 'PT10M', schedule: office };
  const noon = '2026-11-23T11:00:00Z';

  test.each([
    [0, 3],
    [30, 3],
    [31, 4],
    [50, 5],
    [51, 5],
    [5000, 5],
  ])('%i open sessions make %i nodes', (sessions, count) => expect(countAt(planOf(busy), noon, sessions)).toBe(count));

  test('never wakes what sleeps', () => expect(countAt(planOf(busy), '2026-11-23T22:00:00Z', 99)).toBe(0));

  test('does not overrule a hand', () => {
    const plan = planOf(busy, { count: 1, from: new Date('2026-11-23T10:00:00Z'), until: undefined });
    expect(countAt(plan, noon, 99)).toBe(1);
  });

  test('keeps the nodes that it made for the cooldown after they were needed last', () => {
    const plan = planOf(busy);
    const at = (minutes: number) => new Date(Date.parse(noon) + minutes * 60_000);
    const needs = [45, 35, 45, 31, 0].reduce(
      (before, sessions, minute) => desiredCount(plan, at(minute), sessions, before).needs,
      desiredCount(plan, at(-1), 0).needs,
    );
    const later = [11.9, 12.1, 12.9, 13.1].map((minute) => desiredCount(plan, at(minute), 0, needs).count);
    expect(later).toEqual([5, 4, 4, 3]);
  });

  test('writes nothing down while the plan suffices', () => {
    expect(desiredCount(planOf(busy), new Date(noon), 30).needs).toEqual([]);
  });

  test('holds no more nodes than a max that has been lowered since', () => {
    const needs = [
      { at: new Date('2026-11-23T10:58:00Z'), nodes: 8 },
      { at: new Date('2026-11-23T10:59:00Z'), nodes: 4 },
    ];
    const desired = desiredCount(planOf(busy), new Date(noon), 0, needs);
    expect([desired.count, desired.needs.map(({ nodes }) => nodes)]).toEqual([5, [5, 4]]);
    expect(desiredCount(planOf({ ...busy, max: 3 }), new Date(noon), 0, needs)).toMatchObject({ count: 3, needs: [] });
  });

  test('is the highest need of the cooldown, within the limits, whatever comes', () => {
    const cooldown = 10;
    fc.assert(
      fc.property(fc.array(fc.nat(70), { minLength: 1, maxLength: 60 }), (sessions) => {
        const plan = planOf(busy);
        let needs: ReturnType<typeof desiredCount>['needs'] = [];
        sessions.forEach((open, minute) => {
          const desired = desiredCount(plan, new Date(Date.parse(noon) + minute * 60_000), open, needs);
          needs = desired.needs;
          const window = sessions.slice(Math.max(0, minute - cooldown + 1), minute + 1);
          const most = Math.max(...window.map((one) => Math.ceil(one / 10)));
          expect(desired.count).toBe(Math.min(5, Math.max(3, most)));
        });
      }),
    );
  });
});

const zones = ['UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/Santiago'];
const recurrence = fc
  .record({
    minute: fc.nat(59),
    hour: fc.oneof(fc.nat(23).map(String), fc.tuple(fc.nat(11), fc.integer({ min: 12, max: 23 })).map(String)),
    days: fc.constantFrom('*', 'MON-FRI', 'SUN', '1,3,5'),
    timeZone: fc.constantFrom(...zones),
  })
  .map(({ minute, hour, days, timeZone }) => ({ cron: `${minute} ${hour} * * ${days}`, timeZone }));
const moment = fc
  .date({ min: new Date('2026-01-01T00:00:00Z'), max: new Date('2028-12-31T00:00:00Z'), noInvalidDate: true })
  .map((date) => new Date(Math.floor(date.getTime() / 1000) * 1000));

describe('occurrences', () => {
  test('lie around the moment asked for, without one in between, in any order of asking', () => {
    fc.assert(
      fc.property(recurrence, fc.array(moment, { minLength: 1, maxLength: 5 }), (one, moments) => {
        for (const asked of moments) {
          const { previous, next } = occurrencesAround(one, asked);
          if (previous === undefined || next === undefined) throw new Error('always before and after');
          expect(previous <= asked && asked < next).toBe(true);
          expect(occurrencesAround(one, previous).previous).toEqual(previous);
          expect(occurrencesAround(one, new Date(next.getTime() - 1)).previous).toEqual(previous);
          expect(occurrencesAround(one, next).previous).toEqual(next);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('show the hour that the entry names on the clock of its zone, but where that hour does not exist', () => {
    const skipped = /^(2026|2027|2028)-(03|04|09|10)-/;
    fc.assert(
      fc.property(recurrence, moment, ({ cron, timeZone }, asked) => {
        const { previous } = occurrencesAround({ cron, timeZone }, asked);
        const parts = new Intl.DateTimeFormat('en-GB', {
          timeZone,
          hour: 'numeric',
          minute: 'numeric',
          hourCycle: 'h23',
        });
        const [hour, minute] = parts.format(previous).split(':').map(Number);
        const [wantedMinute, wantedHours] = cron.split(' ');
        const right = String(minute) === wantedMinute && wantedHours?.split(',').includes(String(hour));
        expect(right || skipped.test(previous?.toISOString() ?? '')).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the next seven days', () => {
  test('follow each other without gaps and say at every moment what the plan says', () => {
    const entries = fc.array(fc.tuple(recurrence, fc.nat(5)), { maxLength: 4 });
    fc.assert(
      fc.property(
        entries,
        moment,
        fc.array(fc.integer({ min: 0, max: 7 * 86_400 - 1 }), { maxLength: 20 }),
        (list, now, offsets) => {
          const plan = planOf({
            schedule: list.map(([one, count], index) => ({ ...one, name: `entry ${index}`, count })),
          });
          const stretches = nextSevenDays(plan, now);
          expect(stretches[0]?.from).toEqual(now);
          expect(stretches.at(-1)?.until.getTime()).toBe(now.getTime() + 7 * 86_400_000);
          stretches.slice(1).forEach((one, index) => {
            expect(one.from).toEqual(stretches[index]?.until);
          });
          for (const offset of offsets) {
            const time = new Date(now.getTime() + offset * 1000);
            const stretch = stretches.find((one) => one.from <= time && time < one.until);
            expect(stretch?.count).toBe(desiredCount(plan, time, 0).count);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  test('say which part of the plan holds', () => {
    const overrides = [{ name: 'works', from: '2026-11-24T10:00:00Z', until: '2026-11-24T12:00:00Z', count: 1 }];
    const plan = planOf(
      { schedule: office, overrides },
      { count: 2, from: new Date('2026-11-23T19:00:00Z'), until: undefined },
    );
    const shown = nextSevenDays(plan, new Date('2026-11-23T20:00:00Z'))
      .slice(0, 5)
      .map(({ from, count, because, name }) => [from.toISOString(), count, because, name]);
    expect(shown).toEqual([
      ['2026-11-23T20:00:00.000Z', 2, 'byHand', 'anna'],
      ['2026-11-24T06:00:00.000Z', 3, 'schedule', 'morning'],
      ['2026-11-24T10:00:00.000Z', 1, 'override', 'works'],
      ['2026-11-24T12:00:00.000Z', 3, 'schedule', 'morning'],
      ['2026-11-24T18:00:00.000Z', 0, 'schedule', 'evening'],
    ]);
  });

  test('stay short where entries alternate every minute', () => {
    const schedule = [entry('even', '*/2 * * * *', 1), entry('odd', '1-59/2 * * * *', 2)];
    expect(nextSevenDays(planOf({ schedule }), new Date('2026-11-23T20:00:00Z')).length).toBe(500);
  });
});
