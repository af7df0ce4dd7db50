/**
 * Azure's time: with a factor of 0.02 it runs fifty times as fast as the machine's. Everything that is limited or delayed in
 * Azure (token buckets, role propagation) is counted in it, so that a compressed run meets the same limits as a real one.
 */
export interface Clock {
  /** The machine's time, ms. */
  wall(): number;
  /** Azure's time since some start, in seconds. */
  seconds(): number;
  /** Resolves at that machine's time; rejects when the clock is stopped. */
  until(wall: number): Promise<void>;
  stop(): void;
}

export class Stopped extends Error {}

/** With a factor of 0 Azure's time runs so fast that no bucket is ever empty. */
export function realClock(factor: number): Clock {
  let stopped = false;
  const waiting = new Map<NodeJS.Timeout, (error: Error) => void>();
  const perSecond = 1000 * (factor > 0 ? factor : 1e-9);
  return {
    wall: () => Date.now(),
    seconds: () => performance.now() / perSecond,
    until: (wall) =>
      new Promise((resolve, reject) => {
        if (stopped) {
          reject(new Stopped('stopped'));
          return;
        }
        const timer = setTimeout(
          () => {
            waiting.delete(timer);
            resolve();
          },
          Math.max(0, wall - Date.now()),
        );
        waiting.set(timer, reject);
      }),
    stop() {
      stopped = true;
      for (const [timer, reject] of waiting) {
        clearTimeout(timer);
        reject(new Stopped('stopped'));
      }
      waiting.clear();
    },
  };
}
