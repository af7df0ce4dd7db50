import { defineConfig, type Plugin } from 'vitest/config';

/** The agent is Python; the bundle and the tests both take its source as text. */
const pythonAsText: Plugin = {
  name: 'python-as-text',
  enforce: 'pre',
  transform: (code, id) =>
    id.endsWith('.py') ? { code: `export default ${JSON.stringify(code)}`, map: null } : undefined,
};

/** Files that start the whole local machine, mostly to wait for it: after everything else, three at a time. */
const wholeMachine = [
  'test/api/**/*.test.ts',
  'test/e2e/**/*.test.ts',
  'test/faults/**/*.test.ts',
  'test/start/supervisor.test.ts',
];

const shared = {
  pool: 'forks' as const,
  env: { NODE_OPTIONS: '--disable-warning=ExperimentalWarning' },
  // A second, which is Vitest's own, is what a loaded machine may need for one answer; a session's keep-alive comes once a second.
  expect: { poll: { timeout: 10_000 } },
};

export default defineConfig({
  test: {
    reporters: ['default'],
    projects: [
      {
        plugins: [pythonAsText],
        test: {
          ...shared,
          name: 'parts',
          include: ['test/**/*.test.ts'],
          exclude: wholeMachine,
          // More than the two cores: a third of the time they wait for processes.
          maxWorkers: 3,
          testTimeout: 30_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        plugins: [pythonAsText],
        test: {
          ...shared,
          name: 'whole machine',
          include: wholeMachine,
          maxWorkers: 3,
          testTimeout: 180_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
