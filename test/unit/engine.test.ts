import { expect, test } from 'vitest';
import {
  checkGraph,
  type Outcome,
  reversed,
  type Step,
  Stopped,
  type WalkResult,
  walk,
} from '../../shared/azure/engine.ts';
import type { StepProgress } from '../../shared/store/operations.ts';

const ready = (output: Record<string, string> = {}): Outcome => ({ state: 'ready', output });

function step(key: string, dependsOn: string[], ensure: Step['ensure'] = async () => ready()): Step {
  return { key, type: 'Test/step', id: '', dependsOn, ensure };
}

async function run(steps: Step[], more: { budget?: number; lookEvery?: number; permit?: () => Promise<void> } = {}) {
  const recorded: StepProgress[] = [];
  const result: WalkResult = await walk({
    steps,
    done: {},
    budget: more.budget ?? 5_000,
    lookEvery: more.lookEvery ?? 5_000,
    now: () => new Date(),
    permit: more.permit ?? (async () => undefined),
    record: async (progress) => void recorded.push(progress),
  });
  return { result, recorded };
}

test('a step sees the outputs of those it depends on, and begins only after them', async () => {
  const order: string[] = [];
  const traced = (key: string, dependsOn: string[], output = {}) =>
    step(key, dependsOn, async (outputs) => {
      order.push(`${key} saw ${Object.keys(outputs).sort().join(',')}`);
      return ready(output);
    });
  const { result } = await run([traced('c', ['a', 'b']), traced('a', [], { id: '1' }), traced('b', ['a'])]);
  expect(order).toEqual(['a saw ', 'b saw a', 'c saw a,b']);
  expect(result.outputs).toEqual({ a: { id: '1' }, b: {}, c: {} });
});

test('steps that do not depend on each other are in flight at the same time', async () => {
  let meeting = 0;
  let release: () => void = () => undefined;
  const met = new Promise<void>((resolve) => {
    release = resolve;
  });
  const meets = async () => {
    if (++meeting === 3) release();
    await met;
    return ready();
  };
  const { result } = await run([step('a', [], meets), step('b', [], meets), step('c', [], meets)]);
  expect(result.lookAgainSeconds).toBeUndefined();
});

test('a step that throws ends the walk, but only when nothing of it is on its way any more', async () => {
  const order: string[] = [];
  let release: () => void = () => undefined;
  const write = new Promise<void>((resolve) => {
    release = resolve;
  });
  const throws = step('a', [], async () => {
    setTimeout(release, 50);
    throw new Error('the vault does not answer');
  });
  const slow = step('b', [], async () => {
    await write;
    order.push('b ended');
    return ready();
  });
  const walked = run([throws, slow, step('c', ['b'], async () => ready({ order: String(order.push('c began')) }))]);
  await expect(walked).rejects.toThrow('the vault does not answer');
  expect(order).toEqual(['b ended']);
});

test('a hopeless failure ends what depends on it and lets the rest finish', async () => {
  const fails = step('a', [], async () => ({
    state: 'failed',
    failure: { code: 'QuotaExceeded', message: 'no cores' },
  }));
  const { result, recorded } = await run([fails, step('b', ['a']), step('c', [])]);
  expect(result.failures).toEqual([{ code: 'QuotaExceeded', message: 'no cores', target: 'a' }]);
  expect(result.outputs).toEqual({ c: {} });
  expect(recorded.filter((one) => one.key === 'b')).toEqual([]);
});

test('a pending step is looked at again within the budget, and left with its wait when the budget is used up', async () => {
  let looks = 0;
  const later = step('a', [], async () =>
    ++looks < 3 ? { state: 'pending', detail: 'soon', lookAgainSeconds: 0.01 } : ready(),
  );
  const never = step('b', [], async () => ({ state: 'pending', detail: 'creating', lookAgainSeconds: 3600 }));
  const { result } = await run([later, never]);
  expect(looks).toBe(3);
  expect(result.pending).toEqual({ b: 'creating' });
  expect(result.lookAgainSeconds).toBe(3600);
});

test('work that outlasts the budget is left in flight', async () => {
  const slow = step('a', [], async (_, attempt) => {
    const finished = await attempt.within(new Promise((resolve) => setTimeout(resolve, 60_000).unref()));
    return finished === undefined ? { state: 'pending', detail: 'working', lookAgainSeconds: 2 } : ready();
  });
  const { result } = await run([slow], { budget: 50 });
  expect(result.pending).toEqual({ a: 'working' });
});

test('a walk that may not write any more stops and says why', async () => {
  const writes = step('a', [], async (_, attempt) => {
    await attempt.permit();
    return ready();
  });
  const { result } = await run([writes, step('b', ['a'])], {
    permit: async () => {
      throw new Stopped('fenced');
    },
  });
  expect(result.stopped).toBe('fenced');
  expect(result.outputs).toEqual({});
});

test.each(['canceled', 'fenced'] as const)(
  'a walk that only waits, for Azure or for a node, ends soon after it is %s',
  async (reason) => {
    const waits = step('a', [], async () => ({ state: 'pending', detail: 'not healthy yet', lookAgainSeconds: 20 }));
    const works = step('b', [], async (_, attempt) => {
      await attempt.within(new Promise((resolve) => setTimeout(resolve, 60_000).unref()));
      return { state: 'pending', detail: 'Azure is working on it', lookAgainSeconds: 2 };
    });
    const permit = async () => {
      throw new Stopped(reason);
    };
    const { result } = await run([waits, works], { budget: 600_000, lookEvery: 10, permit });
    expect(result.stopped).toBe(reason);
  },
);

test('steps that an earlier walk finished are not looked at again', async () => {
  const looked: string[] = [];
  const result = await walk({
    steps: [
      step('a', [], async () => {
        looked.push('a');
        return ready();
      }),
      step('b', ['a'], async (outputs) => {
        looked.push(`b with ${outputs.a?.id}`);
        return ready();
      }),
    ],
    done: { a: { id: '7' } },
    budget: 1_000,
    now: () => new Date(),
    permit: async () => undefined,
    record: async () => undefined,
  });
  expect(looked).toEqual(['b with 7']);
  expect(result.lookAgainSeconds).toBeUndefined();
});

test('a graph with a cycle or an unknown dependency is refused', () => {
  expect(() => checkGraph([step('a', ['b']), step('b', ['a'])])).toThrow('cycle: a → b → a');
  expect(() => checkGraph([step('a', ['x'])])).toThrow("'x' is depended on");
});

test('taken down, each waits for those that depended on it; dependencies that are gone already are left out', () => {
  const items = [
    { key: 'group', dependsOn: [] },
    { key: 'network', dependsOn: ['group', 'gone'] },
    { key: 'vm', dependsOn: ['network'] },
  ];
  expect(reversed(items)).toEqual([
    { key: 'group', dependsOn: ['network'] },
    { key: 'network', dependsOn: ['vm'] },
    { key: 'vm', dependsOn: [] },
  ]);
});
