import { ReplayTask } from './replayTask.ts';

/**
 * The host's own book of event waits. Names match without regard to case. The newest wait gets the next event (a stack, meant to
 * make abandoned waits harmless), events that nobody waits for are kept in order.
 */
export class ExternalEvents {
  readonly #waits = new Map<string, { name: string; task: ReplayTask }[]>();
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
    this.#waits.set(key, [...(this.#waits.get(key) ?? []), { name, task }]);
    return task;
  }

  /** Hands an event to the newest wait, or keeps it; answers what a user of it would want to know, if anything. */
  raise(name: string, input: string): string | null {
    const key = name.toLowerCase();
    const newest = this.#waits.get(key)?.pop();
    if (!newest) {
      this.#buffered.set(key, [...(this.#buffered.get(key) ?? []), { name, input }]);
      return null;
    }
    const abandoned = newest.task.isAbandoned;
    newest.task.settle(false);
    if (newest.name !== name) {
      return `the event '${name}' was taken by the wait for '${newest.name}', which the orchestrator, comparing letter by letter, does not see`;
    }
    return abandoned
      ? `the event '${name}' went to a wait that an earlier Task.any has left behind, and may be lost`
      : null;
  }

  /** Events that nobody has waited for, to be carried into the next generation. */
  get unconsumed(): { name: string; input: string }[] {
    return [...this.#buffered.values()].flat();
  }
}
