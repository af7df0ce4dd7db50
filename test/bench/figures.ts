export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

/** What was measured, ours, the baseline of the same run, and their ratio. */
export type Row = [what: string, ours: string, baseline: string, ratio?: number];

export function print(title: string, rows: readonly Row[]): void {
  console.log(`\n${title}`);
  const width = Math.max(...rows.map(([what]) => what.length));
  for (const [what, ours, baseline, ratio] of rows) {
    const end = ratio === undefined ? '' : `ratio ${ratio.toFixed(3)}`;
    console.log(`  ${what.padEnd(width)}  ${ours.padStart(14)}  ${baseline.padStart(30)}  ${end}`);
  }
}
