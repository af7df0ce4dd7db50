import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviationOf } from './deviations.ts';
import { type AppDirectory, HostProcess } from './hostProcess.ts';
import { modes } from './httpModes.ts';
import { haveRecordings, recordedApp, recording, type Step, whyNot } from './recordings.ts';
import { comparable, send } from './replaySteps.ts';

interface KeyFile {
  readonly master: string;
  readonly host: string;
  readonly system: Record<string, string>;
  readonly functions: Record<string, string>;
}

/** Which key each step of 53-auth-enableauth carries where the recording has a placeholder. */
function keysOfSteps(steps: readonly Step[], keys: KeyFile): Record<string, string> {
  const kinds: readonly (readonly [RegExp, string | undefined])[] = [
    [/system key/, keys.system.durabletask_extension],
    [/master key/, keys.master],
    [/host key/, keys.host],
    [/function key/, keys.functions.postonly],
  ];
  return Object.fromEntries(
    steps.map(({ label }) => [label, kinds.find(([pattern]) => pattern.test(label))?.[1] ?? '']),
  );
}

describe.skipIf(!haveRecordings).each(modes)(
  `The local host answers over HTTP as the real one did $title${whyNot}`,
  (mode) => {
    let directory: AppDirectory;
    let host: HostProcess;
    beforeAll(async () => {
      directory = recordedApp();
      host = await HostProcess.start(directory, mode);
      // The steps that list instances found some.
      const started = await Promise.all([1, 2].map(() => host.json('/api/start/oNoYield', { method: 'POST' })));
      for (const each of started)
        await host.finishedAt(String((each as { statusQueryGetUri: string }).statusQueryGetUri));
    });
    afterAll(async () => {
      await host?.end('SIGKILL');
      directory?.remove();
    });

    it.each(mode.recordings)('in every step of %s', async (name) => {
      const { driverSteps } = recording(name);
      const keys = mode.args.includes('--auth')
        ? keysOfSteps(driverSteps, JSON.parse(readFileSync(join(directory.state, 'keys.json'), 'utf8')) as KeyFile)
        : {};
      for (const step of driverSteps.filter(({ label }) => !deviationOf(name, label))) {
        const actual = await send(host, step, keys);
        expect({ [step.label]: comparable(actual) }).toEqual({ [step.label]: comparable(step.response ?? null) });
      }
    });
  },
);
