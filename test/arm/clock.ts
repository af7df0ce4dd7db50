import type { Clock } from '../../local/azure/arm/clock.ts';

/** A clock that stands still until it is told to go on; what it is asked to wait for is over at once. */
export function stillClock(): Clock & { pass(seconds: number): void } {
  let now = Date.parse('2026-11-01T00:00:00Z');
  return {
    wall: () => now,
    seconds: () => now / 1000,
    until: async () => {},
    stop() {},
    pass(seconds) {
      now += seconds * 1000;
    },
  };
}
