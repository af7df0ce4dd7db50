import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deviationOf, deviations } from './deviations.ts';
import { modes } from './httpModes.ts';
import {
  encodingRecordings,
  haveRecordings,
  patterns,
  patternTitle,
  recording,
  recordingsBetween,
  whyNot,
} from './recordings.ts';

describe.skipIf(!haveRecordings)(`The list of deviations${whyNot}`, () => {
  it.each(deviations.map((each) => [each.recording, each.step ?? 'as a whole', each] as const))(
    'names something that was recorded: %s, %s',
    (name, _step, { step, reason }) => {
      if (step !== undefined && step !== 'messages') expect(labelsOf(name)).toContain(step);
      expect(reason.length).toBeGreaterThan(10);
      for (const [file] of reason.matchAll(/\w+\.test\.ts/g))
        expect(existsSync(join(import.meta.dirname, file))).toBe(true);
    },
  );

  it('has every recording that is not replayed', () => {
    const replayed = new Set([
      ...recordingsBetween(10, 49),
      ...encodingRecordings,
      ...modes.flatMap(({ recordings }) => recordings),
    ]);
    const missing = recordingsBetween(0, 99).filter((name) => !replayed.has(name) && !deviationOf(name));
    expect(missing).toEqual([]);
  });
});

function labelsOf(name: string): string[] {
  return name === 'patterns' ? patterns().map(patternTitle) : recording(name).driverSteps.map(({ label }) => label);
}
