import type { StateStore, Stored } from '../../state.ts';
import type { Clock } from '../clock.ts';
import { key } from '../ids.ts';
import { asText } from '../values.ts';
import { type Power, powerOf } from './vmView.ts';

interface Status {
  state: string;
  power: Power;
}

const statusOf = (machine: Stored): Status => ({
  state: asText(machine.properties.provisioningState).toLowerCase(),
  power: powerOf(machine),
});

/** What VMs were a while ago: lists of statuses are eventually consistent, a VM's own view is not. */
export class StatusLog {
  readonly #past = new Map<string, { until: number; status: Status }[]>();
  readonly #clock: Clock;
  readonly #lagMs: () => number;
  readonly #end: () => void;

  constructor(state: StateStore, type: string, clock: Clock, lagMs: () => number) {
    this.#clock = clock;
    this.#lagMs = lagMs;
    this.#end = state.onChange(({ id, before, after }) => {
      if (after === undefined) this.#past.delete(key(id));
      else if (before?.type === type) this.#note(id, statusOf(before as Stored), statusOf(after as Stored));
    });
  }

  /** The status that a list shows now. */
  of(machine: Stored): Status {
    return this.#shown(machine.id)[0]?.status ?? statusOf(machine);
  }

  close(): void {
    this.#end();
  }

  #note(id: string, before: Status, after: Status): void {
    if (this.#lagMs() === 0 || (before.state === after.state && before.power === after.power)) return;
    this.#past.set(key(id), [...this.#shown(id), { until: this.#clock.wall(), status: before }]);
  }

  /** What was true so lately that it may still be shown, the oldest first. */
  #shown(id: string): { until: number; status: Status }[] {
    const since = this.#clock.wall() - this.#lagMs();
    return (this.#past.get(key(id)) ?? []).filter(({ until }) => until > since);
  }
}
