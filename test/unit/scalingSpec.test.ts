import { expect, test } from 'vitest';
import { parseDuration } from '../../shared/duration.ts';
import { specBody } from '../../shared/spec.ts';
import { minimal, specOf } from './sample.ts';

const entry = { name: 'morning', cron: '0 7 * * *', timeZone: 'Europe/Berlin', count: 2 };
const span = (from: string, until: string) => ({ from, until, count: 1 });

test.each([
  [
    'an unknown zone',
    { schedule: [{ ...entry, timeZone: 'Mars/Olympus' }] },
    'schedule.0.timeZone',
    /'Mars\/Olympus' is none/,
  ],
  ['an offset for a zone', { schedule: [{ ...entry, timeZone: '+02:00' }] }, 'schedule.0.timeZone', /IANA/],
  ['a minute 61', { schedule: [{ ...entry, cron: '61 7 * * *' }] }, 'schedule.0.cron', /minute: 61/],
  ['seconds', { schedule: [{ ...entry, cron: '0 0 7 * * *' }] }, 'schedule.0.cron', /five fields/],
  ['a nickname', { schedule: [{ ...entry, cron: '@daily' }] }, 'schedule.0.cron', /five fields/],
  ['words', { schedule: [{ ...entry, cron: 'every day at seven o clock' }] }, 'schedule.0.cron', /five fields/],
  ['30 February', { schedule: [{ ...entry, cron: '0 7 30 2 *' }] }, 'schedule.0.cron', /never occurs/],
  ['31 June', { schedule: [{ ...entry, cron: '0 7 31 6 *' }] }, 'schedule.0.cron', /never occurs/],
  ['a name twice', { schedule: [entry, entry] }, 'schedule.1.name', /'morning' is there twice/],
  ['a count of -1', { schedule: [{ ...entry, count: -1 }] }, 'schedule.0.count', /at least 0/],
  ['min above max', { min: 3, max: 2 }, 'min', /is 3, more than scaling.max, which is 2/],
  ['a max of 0', { max: 0 }, 'max', /at least 1/],
  ['a schedule above max', { max: 2, schedule: [{ ...entry, count: 3 }] }, 'schedule.0.count', /more than scaling.max/],
  ['a schedule below min', { min: 1, schedule: [{ ...entry, count: 0 }] }, 'schedule.0.count', /less than scaling.min/],
  [
    'an override above max',
    { max: 2, overrides: [{ ...span('2026-01-01T00:00Z', '2026-01-02T00:00Z'), count: 3 }] },
    'overrides.0.count',
    /more than scaling.max/,
  ],
  [
    'an override that ends before it begins',
    { overrides: [span('2026-01-02T00:00:00Z', '2026-01-02T00:00:00Z')] },
    'overrides.0.until',
    /later than from/,
  ],
  [
    'an override without an offset',
    { overrides: [span('2026-01-01T00:00:00', '2026-01-02T00:00:00')] },
    'overrides.0.from',
    /offset/,
  ],
  [
    'overrides that overlap',
    {
      overrides: [
        span('2026-01-01T00:00:00Z', '2026-01-03T00:00:00Z'),
        span('2026-01-02T00:00:00Z', '2026-01-04T00:00:00Z'),
      ],
    },
    'overrides.1.from',
    /overlaps overrides\[0\]/,
  ],
  [
    'overrides that overlap by their offsets',
    {
      overrides: [
        span('2026-01-01T00:00:00+01:00', '2026-01-02T00:00:00+01:00'),
        span('2026-01-01T23:30:00+01:00', '2026-01-03T00:00:00+01:00'),
      ],
    },
    'overrides.1.from',
    /overlaps/,
  ],
  ['demand without max', { sessionsPerNode: 10 }, 'max', /sessionsPerNode/],
  ['a drain time-out of a month', { drainTimeout: 'P1M' }, 'drainTimeout', /duration such as/],
  ['a drain time-out of two days', { drainTimeout: 'P2D' }, 'drainTimeout', /to 'P1D'/],
  ['a cooldown in seconds', { cooldown: 600 }, 'cooldown', /./],
  ['a field that is not there', { minimum: 1 }, '', /minimum/],
])('refuses %s', (_, scaling, path, message) => {
  const { issues } = specBody.safeParse({ ...minimal, scaling }).error ?? { issues: [] };
  const wanted = path === '' ? 'scaling' : `scaling.${path}`;
  expect(issues.map((issue) => [issue.path.join('.'), issue.message])).toContainEqual([
    wanted,
    expect.stringMatching(message),
  ]);
});

test.each([
  [
    'overrides that touch',
    {
      overrides: [
        span('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
        span('2026-01-02T00:00:00Z', '2026-01-03T00:00:00Z'),
      ],
    },
  ],
  ['a leap day', { schedule: [{ ...entry, cron: '0 7 29 2 *' }] }],
  ['zero nodes at night', { schedule: [{ ...entry, count: 0 }] }],
])('takes %s', (_, scaling) => {
  expect(specBody.safeParse({ ...minimal, scaling }).error).toBeUndefined();
});

test('wants room in the network for every node that the plan may lead to', () => {
  const network = { ...minimal.network, addressSpace: ['10.0.0.0/27'] };
  const { issues } = specBody.safeParse({ ...minimal, network, scaling: { max: 12 } }).error ?? { issues: [] };
  expect(issues.map(({ message }) => message)).toContainEqual(
    expect.stringMatching(/room for 11 nodes.* not for the 12/),
  );
});

test('has a plan that changes nothing when none is given', () => {
  expect(specOf().scaling).toEqual({ min: 0, schedule: [], overrides: [], drainTimeout: 'PT30M', cooldown: 'PT10M' });
});

test.each([
  ['PT30M', 1800],
  ['P1DT2H3M4S', 93_784],
  ['P2W', 1_209_600],
  ['PT0S', 0],
  ['P', undefined],
  ['PT', undefined],
  ['P1Y', undefined],
  ['P1M', undefined],
  ['30', undefined],
  ['-PT1S', undefined],
  ['PT1.5S', undefined],
])('reads the duration %s', (text, seconds) => expect(parseDuration(text)).toBe(seconds));
