import { expect, test } from 'vitest';
import { type Bodies, bodiesIn } from './bodies.ts';
import { location, type Reply, type World } from './world.ts';

type Step = [method: string, path: string, body?: unknown, headers?: Record<string, string>];

/** One fact of Azure: what is there, what is asked, what comes back. */
export interface Rule {
  fact: string;
  given?: (b: Bodies) => Step[];
  when: (b: Bodies) => Step;
  /** Status; Azure's code (of the error or of its first detail), or members of the body. */
  answers: [status: number, code?: string | Record<string, unknown>];
  /** Part of the message. */
  says?: string | RegExp;
  /** Not to be found anywhere in the answer. */
  lacks?: string;
}

const versions: [part: RegExp, version: string][] = [
  [/Microsoft\.ResourceHealth/i, '2025-05-01'],
  [/Microsoft\.Authorization\/locks/i, '2020-05-01'],
  [/Microsoft\.Authorization/i, '2022-04-01'],
  [/privateDnsZones/i, '2020-06-01'],
  [/Microsoft\.Network/i, '2026-01-01'],
  [/Microsoft\.Compute\/disks/i, '2026-03-02'],
  [/Microsoft\.Compute/i, '2026-04-01'],
  [/Microsoft\.DBforMySQL/i, '2024-12-30'],
  [/Microsoft\.KeyVault/i, '2026-02-01'],
  [/Microsoft\.ManagedIdentity/i, '2024-11-30'],
];

export const withVersion = (path: string): string => {
  if (path.includes('api-version=') || path.startsWith('https:')) return path;
  // The last provider in the path is the one that is asked.
  const [bare = ''] = path.split('?');
  const last = bare.slice(Math.max(0, bare.toLowerCase().lastIndexOf('/providers/')));
  const version = versions.find(([part]) => part.test(last))?.[1] ?? '2025-04-01';
  return `${path}${path.includes('?') ? '&' : '?'}api-version=${version}`;
};

export const ask = (world: World, [method, path, body, headers]: Step): Promise<Reply> =>
  world.send(method, withVersion(path), body, headers);

/** Waits for whatever the answers have started. */
export const settled = (world: World): Promise<void> => world.arm.env.operations.settled();

let groups = 0;

/** A resource group of its own, for one test. */
export async function freshGroup(world: World): Promise<Bodies> {
  groups += 1;
  const b = bodiesIn(`group-${groups}`);
  await ask(world, ['PUT', b.base, { location }]);
  return b;
}

/** Each rule as a test; what is given must be accepted. */
export function testRules(world: () => World, rules: Rule[]): void {
  test.each(rules)('$fact', async ({ given, when, answers: [status, what], says, lacks }) => {
    const b = await freshGroup(world());
    for (const step of given?.(b) ?? []) {
      const reply = await ask(world(), step);
      expect(reply.status, `${step[0]} ${step[1]}: ${JSON.stringify(reply.body)}`).toBeLessThan(300);
      await settled(world());
    }
    const reply = await ask(world(), when(b));
    const error = reply.body?.error;
    expect([reply.status, error?.code, error?.message]).toEqual([status, error?.code, error?.message]);
    if (typeof what === 'string') expect([error?.code, error?.details?.[0]?.code]).toContain(what);
    else if (what !== undefined) expect(reply.body).toMatchObject(what);
    if (lacks !== undefined) expect(JSON.stringify(reply.body)).not.toContain(lacks);
    if (says !== undefined) expect(JSON.stringify(reply.body)).toMatch(says);
  });
}
