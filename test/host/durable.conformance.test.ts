import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deviationOf } from './deviations.ts';
import { type AppDirectory, appDirectory, HostProcess, type TraceLine } from './hostProcess.ts';
import { encodingRecordings, haveRecordings, recordedApp, recording, recordingsBetween, whyNot } from './recordings.ts';
import { quiet, replayStep, unnotedStarts } from './replaySteps.ts';
import { readTraffic } from './traffic.ts';

/** Recordings in which several things finish at the same time: their order and grouping into episodes is chance. */
const racing = new Set([
  '14-fanout-all',
  '15-fanout-fail',
  '38-parallel-mix',
  '39-events-queue',
  '42-start-same-id',
  '43-client-status',
  '45-purge',
]);
/** Steps before which the driver had waited for an instance to finish. */
const finishedBefore: readonly (readonly [recording: string, step: string, instance: string])[] = [
  ['17-any-timer-wins', 'raiseEvent after completion', 'g-any-timer-wins'],
];
const stepLimitMs = 8_000;
const groups = [
  // One hub for all, in the order of their numbers: the later ones look at instances of the earlier ones.
  {
    what: 'orchestrations',
    names: haveRecordings ? recordingsBetween(10, 49).filter((name) => !deviationOf(name)) : [],
    app: recordedApp,
  },
  {
    what: 'values of every kind',
    names: encodingRecordings,
    app: () =>
      appDirectory('encoding.cjs', { 'encoding.cjs': { copyOf: join(import.meta.dirname, 'app/encoding.cjs') } }),
  },
];
/** Functions that only start or ask, timers that run by themselves, and an orchestrator that the recorder left out for its length. */
const isLeftOut = (line: { function?: string }): boolean => /^(ops|start|tick\w+|enc)$/.test(line.function ?? '');

describe.skipIf(!haveRecordings).each(groups)(
  `The local host handles $what as the real one did${whyNot}`,
  ({ names, app }) => {
    let directory: AppDirectory;
    let host: HostProcess;
    beforeAll(async () => {
      directory = app();
      host = await HostProcess.start(directory);
    });
    afterAll(async () => {
      await host?.end('SIGKILL');
      directory?.remove();
    });

    it.each(names)('step by step and message by message in %s', async (name) => {
      const recorded = recording(name);
      const isRacing = racing.has(name);
      const before = host.trace.length;
      const starts = unnotedStarts(recorded);
      for (const step of recorded.driverSteps) {
        for (const [id, { name: orchestrator, body }] of starts) {
          if (!`${step.request.path}${step.request.body}`.includes(id)) continue;
          starts.delete(id);
          await host.startInstance(orchestrator, id, JSON.parse(body));
        }
        const deviation = deviationOf(name, step.label);
        if (deviation && !deviation.path) continue;
        const sent = deviation?.path ? { ...step, request: { ...step.request, path: deviation.path } } : step;
        const waited = finishedBefore.find(([of, label]) => of === name && label === step.label);
        if (waited) await host.finished(waited[2]);
        const { expected, actual } = await replayStep(host, sent, stepLimitMs, isRacing);
        expect({ [step.label]: actual }).toEqual({ [step.label]: expected });
      }
      if (deviationOf(name, 'messages')) return;
      await quiet(host);
      const seen = host.trace.slice(before).filter((line) => !isLeftOut(line));
      const wanted = recorded.hostWorkerTraffic.filter(
        (line): line is TraceLine => line.event.startsWith('invocation') && !isLeftOut(line as TraceLine),
      );
      expect(readTraffic(seen, isRacing)).toEqual(readTraffic(wanted, isRacing));
    });
  },
);
