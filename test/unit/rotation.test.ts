import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Credential, credentials, orderOf } from '../../shared/rotation/credentials.ts';
import { decideRotation, planRotations } from '../../shared/rotation/due.ts';
import { isPending } from '../../shared/rotation/rotating.ts';
import { rotationSpec } from '../../shared/rotation/rotationSpec.ts';
import { accountNames, otherOf } from '../../shared/steps/accounts.ts';
import type { JumpServer } from '../../shared/store/jumpServers.ts';
import type { Lease } from '../../shared/store/leases.ts';
import type { Rotation } from '../../shared/store/rotations.ts';
import { specOf } from './sample.ts';

const createdAt = new Date('2026-01-01T00:00:00Z');
const day = 86_400_000;
const onDay = (days: number): Date => new Date(createdAt.getTime() + days * day);

const server = (every?: string): JumpServer => ({
  name: 'office',
  spec: { ...specOf(), ...(every === undefined ? {} : { rotation: { every } }) },
  state: 'Ready',
  createdAt,
  lastOperation: 'first',
  etag: '1',
});

const lease = (more: Partial<Lease> = {}): Lease => ({
  jumpServer: 'office',
  operationId: 'last',
  kind: 'rotate',
  state: 'finished',
  fence: 3,
  deadline: onDay(1),
  requestedAt: createdAt,
  requestedBy: { objectId: 'o', name: 'n' },
  spec: '',
  reason: '',
  yields: false,
  cancelRequested: false,
  ...more,
});

const rotated = (credential: Credential, rotatedAt: Date, unfinished = false): Rotation => ({
  ...{ credential, operationId: 'before', unfinished, version: 'v2', rotatedAt },
});

describe('what is due', () => {
  const due = (every: string | undefined, now: Date, rotations: Rotation[] = []) =>
    decideRotation({ server: server(every), rotations, lease: undefined, now })?.order.credentials;

  test.each<[string, string | undefined, number, Rotation[], Credential[] | undefined]>([
    ['nothing is before its time', 'P90D', 89.9, [], undefined],
    ['all that was never rotated is as old as the jump server', 'P90D', 90, [], [...credentials]],
    [
      'one that was rotated since waits',
      'P90D',
      91,
      [rotated('guacadmin', onDay(60))],
      credentials.filter((one) => one !== 'guacadmin'),
    ],
    ['only the certificate is without rotation.every', undefined, 368, [], ['certificate']],
    ['not even it, thirty-one days before its end', undefined, 367, [], undefined],
    ['it is renewed before its end however rare rotations are', 'P3650D', 400, [], ['certificate']],
    ['a renewed one waits another year', undefined, 400, [rotated('certificate', onDay(368))], undefined],
    [
      'an interrupted one is carried on at once',
      undefined,
      1,
      [rotated('nodeAccount', createdAt, true)],
      ['nodeAccount'],
    ],
  ])('%s', (_, every, days, rotations, expected) => {
    expect(due(every, onDay(days), rotations)).toEqual(expected);
  });

  test('the reason tells what is due from what is carried on', () => {
    const rotations = [...credentials.filter((one) => one !== 'guacadmin')].map((one) =>
      rotated(one, onDay(89), one === 'nodeAccount'),
    );
    const decided = decideRotation({ server: server('P90D'), rotations, lease: undefined, now: onDay(90) });
    expect(decided?.reason).toBe('carries on an interrupted rotation: nodeAccount; due: guacadmin');
  });

  test.each<[string, Partial<Lease>, boolean]>([
    ['while another operation runs', { kind: 'scale', state: 'running', deadline: onDay(101) }, false],
    [
      'while one runs that yields: nodes that drain are not drained twice',
      { kind: 'scale', state: 'running', deadline: onDay(101), yields: true },
      false,
    ],
    ['after another operation has ended', { kind: 'provision', deadline: onDay(100) }, true],
    ['right after a rotation that did not succeed, however long ago it began', { deadline: onDay(100) }, false],
    ['ten minutes after its end', { deadline: new Date(onDay(100).getTime() - 600_000) }, true],
    ['right after a repair: healing has its minute', { kind: 'heal', deadline: onDay(100) }, false],
    ['two minutes after it', { kind: 'heal', deadline: new Date(onDay(100).getTime() - 120_000) }, true],
    ['when an operation is overdue', { kind: 'scale', state: 'running', deadline: onDay(99) }, true],
  ])('it is asked for or not: %s', (_, more, expected) => {
    const decided = decideRotation({ server: server('P90D'), rotations: [], lease: lease(more), now: onDay(100) });
    expect(decided !== undefined).toBe(expected);
  });

  test.each(['Hibernated', 'Failed', 'Provisioning', 'Deleting'] as const)('nothing of one that is %s', (state) => {
    const minute = { server: { ...server('P90D'), state }, rotations: [], lease: undefined, now: onDay(1000) };
    expect(decideRotation(minute)).toBeUndefined();
  });

  test('what was just rotated is never due, whatever the interval', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3650 }), fc.integer({ min: 0, max: 5000 }), (every, age) => {
        const now = onDay(age);
        const rotations = credentials.map((one) => rotated(one, now));
        expect(decideRotation({ server: server(`P${every}D`), rotations, lease: undefined, now })).toBeUndefined();
        const next = planRotations(server(`P${every}D`), rotations).map(({ nextAt }) => nextAt?.getTime() ?? 0);
        for (const at of next) expect(at).toBeGreaterThan(now.getTime());
      }),
    );
  });
});

describe('whose version the newest is', () => {
  const tags = (operation?: string): Record<string, string> =>
    operation === undefined ? {} : { 'molcajete-operation': operation };
  test.each<[string, Record<string, string>, string | undefined, boolean]>([
    ['made by nobody: a new one is due', tags(), undefined, false],
    ['made by this operation: taken up, also after its end was written', tags('mine'), 'v7', true],
    ['made by an operation that came to its end', tags('other'), 'v7', false],
    ['made by an operation that was cut off', tags('other'), 'v6', true],
    ['made by the first rotation, cut off', tags('mine'), undefined, true],
    ['left by a former jump server of that name', tags('other'), undefined, false],
  ])('%s', (_, given, version, expected) => {
    const rotation = { begunBy: 'mine', ...(version === undefined ? {} : { version }) };
    expect(isPending({ version: 'v7', tags: given }, rotation)).toBe(expected);
  });
});

test('the other of a pair is never the one in use', () => {
  for (const pair of [accountNames.control, accountNames.node]) {
    for (const one of pair) expect(otherOf(pair, one)).not.toBe(one);
    expect(pair).toContain(otherOf(pair, 'something older'));
  }
});

test('equal wishes give equal orders', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...credentials)), (asked) => {
      const order = orderOf(asked);
      expect(orderOf([...asked].reverse())).toEqual(order);
      expect(new Set(order.credentials)).toEqual(new Set(asked));
    }),
  );
});

test.each(['P1M', 'PT59M', 'P0D', 'tomorrow', '', 'P3651D'])('rotation.every refuses %j', (every) => {
  expect(rotationSpec.safeParse({ every }).success).toBe(false);
});

test.each(['PT1H', 'P90D', 'P52W', 'P3650D'])('rotation.every takes %j', (every) => {
  expect(rotationSpec.safeParse({ every }).success).toBe(true);
});
