type Work<T> = (item: T) => Promise<unknown>;

/** One after the other. What fails for one must not keep the others waiting: all failures are thrown at the end. */
export async function forEach<T>(items: readonly T[], work: Work<T>): Promise<void> {
  const errors: unknown[] = [];
  for (const item of items) await work(item).catch((error: unknown) => errors.push(error));
  throwAny(errors, items);
}

/** The same side by side, so many at once: each may have to wait for somebody who does not answer. */
export async function forEachAtOnce<T>(items: readonly T[], work: Work<T>, most = items.length): Promise<void> {
  const errors: unknown[] = [];
  const queue = items.values();
  const takeTurns = async (): Promise<void> => {
    for (const item of queue) await work(item).catch((error: unknown) => errors.push(error));
  };
  await Promise.all(Array.from({ length: most }, takeTurns));
  throwAny(errors, items);
}

function throwAny(errors: readonly unknown[], items: readonly unknown[]): void {
  if (errors.length > 0)
    throw new AggregateError(errors, `${errors.length} of ${items.length} could not be looked at.`);
}
