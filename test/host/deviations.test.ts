import { describe, expect, it } from 'vitest';
import { deviations } from './deviations.ts';
import { haveRecordings, recording, whyNot } from './recordings.ts';

describe.skipIf(!haveRecordings)(`The list of deviations${whyNot}`, () => {
  it.each(deviations.map((each) => [each.recording, each.step ?? 'as a whole', each] as const))(
    'names something that was recorded: %s, %s',
    (name, _step, { step, reason }) => {
      const labels =
        step === undefined || step === 'messages' ? [] : recording(name).driverSteps.map(({ label }) => label);
      if (labels.length) expect(labels).toContain(step);
      expect(reason.length).toBeGreaterThan(10);
    },
  );
});
