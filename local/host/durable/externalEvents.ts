import { ReplayTask } from './replayTask.ts';

/**
 * The host's own book of event waits. Names match without regard to case. The newest wait gets the next event (a stack, meant to
 * make abandoned waits harmless), events that nobody waits for are kept in order.
 */
export class ExternalEvents {
  readonly #waits = new Map<string, ReplayTask[]>();
  readonly #buffered = new Map<string, { name: string; input: string }[]>();

  wait(name: string): ReplayTask {
    const key = name.toLowerCase();
    const task = new ReplayTask();
    const queue = this.#buffered.get(key);
    if (queue?.length) {
      queue.shift();
      task.settle(false);
      return task;
    }
    this.#waits.set(key, [...(this.#waits.get(key) ?? []), task]);
    return task;
  }

  raise(name: string, input: string): void {
    const key = name.toLowerCase();
    const newest = this.#waits.get(key)?.pop();
    if (newest) newest.settle(false);
    else this.#buffered.set(key, [...(this.#buffered.get(key) ?? []), { name, input }]);
  }

  /** Events that nobody has waited for, to be carried into the next generation. */
  get unconsumed(): { name: string; input: string }[] {
    return [...this.#buffered.values()].flat();
  }
}
