/** Something the replay waits for. Continuations run at once, in the order in which they were added, as on the real host. */
export class ReplayTask {
  #state: 'pending' | 'done' | 'failed' = 'pending';
  #continuations: (() => void)[] = [];

  /** True for what a Task.any has waited for in vain: nobody looks at it any more. */
  isAbandoned = false;

  static settled(failed: boolean): ReplayTask {
    const task = new ReplayTask();
    task.settle(failed);
    return task;
  }

  get isSettled(): boolean {
    return this.#state !== 'pending';
  }

  get hasFailed(): boolean {
    return this.#state === 'failed';
  }

  settle(failed: boolean): void {
    if (this.isSettled) return;
    this.#state = failed ? 'failed' : 'done';
    const continuations = this.#continuations;
    this.#continuations = [];
    for (const continuation of continuations) continuation();
  }

  whenSettled(continuation: () => void): void {
    if (this.isSettled) continuation();
    else this.#continuations.push(continuation);
  }
}

/** Finished when the first of the tasks is, however it ended. */
export function anyOf(tasks: readonly ReplayTask[]): ReplayTask {
  const any = new ReplayTask();
  for (const task of tasks) task.whenSettled(() => any.settle(false));
  any.whenSettled(() => {
    for (const task of tasks) if (!task.isSettled) task.isAbandoned = true;
  });
  return any;
}

/** Finished when the last of the tasks is, even if one failed long before. */
export function allOf(tasks: readonly ReplayTask[]): ReplayTask {
  const all = new ReplayTask();
  let left = tasks.length;
  for (const task of tasks) {
    task.whenSettled(() => {
      left -= 1;
      if (left === 0) all.settle(tasks.some((each) => each.hasFailed));
    });
  }
  if (!tasks.length) all.settle(false);
  return all;
}
