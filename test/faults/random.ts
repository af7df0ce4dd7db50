/** Mulberry32: small, seeded, good enough to choose troubles and moments. */
export function random(state: number): () => number {
  let a = state;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** One of a list. */
export const one = <T>(list: readonly T[], draw: () => number): T => list[Math.floor(draw() * list.length)] as T;
