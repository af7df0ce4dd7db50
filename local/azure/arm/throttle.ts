import type { Clock } from './clock.ts';
import { ArmError } from './failure.ts';
import { key } from './ids.ts';

/** [bucket, refill per second] */
type Limit = readonly [number, number];

/** Azure Resource Manager, per principal and per subscription (15 times as much). */
const armLimits: Record<'reads' | 'writes' | 'deletes', Limit> = {
  reads: [250, 25],
  writes: [200, 10],
  deletes: [200, 10],
};
const perMinute = (bucket: number, refill: number): Limit => [bucket, refill / 60];

/** The compute provider, per subscription and region, with the names of its policies. */
const computeLimits: Record<string, Limit> = {
  PutVM: perMinute(1500, 500),
  UpdateVM: perMinute(1500, 500),
  DeleteVM: perMinute(1500, 500),
  GetVM: perMinute(24_000, 8000),
  LowCostGet: perMinute(24_000, 8000),
  ListVM: perMinute(900, 300),
  GetOperation: perMinute(15_000, 5000),
};
const perVm: Record<string, Limit> = {
  PutVM: perMinute(12, 4),
  UpdateVM: perMinute(12, 4),
  DeleteVM: perMinute(12, 4),
  GetVM: perMinute(36, 12),
  GetOperation: perMinute(45, 15),
};

const networkLimits: Record<string, Limit> = {
  write: [1000, 1000 / 300],
  read: [10_000, 10_000 / 300],
  dnsRead: [500, 500 / 300],
};

export interface Counted {
  verb: 'reads' | 'writes' | 'deletes';
  principal: string;
  /** Of the compute provider: its policy and the VM, of a poll the one that the operation is about. */
  compute?: { policy: string; vm?: string };
  network?: 'read' | 'write' | 'dnsRead';
}

/** Token buckets in Azure's time (so a compressed run meets the same limits). */
export class Throttle {
  readonly #clock: Clock;
  readonly #factor: number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(clock: Clock, factor: number) {
    this.#clock = clock;
    this.#factor = factor > 0 ? factor : 1;
  }

  /** Takes a token from each bucket; returns the headers that tell what is left. Throws ArmError 429 with Retry-After. */
  take({ verb, principal, compute, network }: Counted): Record<string, string> {
    const limit = armLimits[verb];
    const arm = this.#spend([
      [`arm:${principal}:${verb}`, limit],
      [`arm:*:${verb}`, [limit[0] * 15, limit[1] * 15]],
    ]);
    if (arm.wait > 0) throw this.#refuse(arm.wait, 'TooManyRequests', tooMany(verb));
    const headers: Record<string, string> = {
      [`x-ms-ratelimit-remaining-subscription-${verb}`]: String(arm.left[0]),
      [`x-ms-ratelimit-remaining-subscription-global-${verb}`]: String(arm.left[1]),
    };
    if (compute) headers['x-ms-ratelimit-remaining-resource'] = this.#takeCompute(compute);
    if (network) this.#takeNetwork(network);
    return headers;
  }

  #takeCompute({ policy, vm }: NonNullable<Counted['compute']>): string {
    const buckets: [string, Limit][] = [[`crp:${policy}`, computeLimits[policy] ?? [1500, 25]]];
    if (vm && perVm[policy]) buckets.push([`vm:${key(vm)}:${policy}`, perVm[policy]]);
    const { wait, left } = this.#spend(buckets);
    if (wait > 0)
      throw this.#refuse(
        wait,
        'OperationNotAllowed',
        `The server rejected the request because too many requests have been received for this subscription. Policy ${policy}.`,
      );
    return left.map((n, i) => `Microsoft.Compute/${policy}${i === 0 ? 'Subscription' : 'Resource'}Maximum;${n}`).join();
  }

  #takeNetwork(what: NonNullable<Counted['network']>): void {
    const { wait } = this.#spend([[`nrp:${what}`, networkLimits[what] ?? [1000, 1]]]);
    if (wait > 0) throw this.#refuse(wait, 'TooManyRequests', tooMany(what));
  }

  /** A token of each bucket, or none of any: what is refused is not counted. */
  #spend(buckets: [name: string, limit: Limit][]): { left: number[]; wait: number } {
    const filled = buckets.map(([name, limit]) => ({ bucket: this.#fill(name, limit), refill: limit[1] }));
    const wait = Math.max(...filled.map(({ bucket, refill }) => (1 - bucket.tokens) / refill));
    if (wait > 0) return { left: [], wait };
    for (const { bucket } of filled) bucket.tokens -= 1;
    return { left: filled.map(({ bucket }) => Math.floor(bucket.tokens)), wait: 0 };
  }

  #fill(name: string, [size, refill]: Limit): { tokens: number } {
    const now = this.#clock.seconds();
    const bucket = this.#buckets.get(name) ?? { tokens: size, at: now };
    bucket.tokens = Math.min(size, bucket.tokens + (now - bucket.at) * refill);
    bucket.at = now;
    this.#buckets.set(name, bucket);
    return bucket;
  }

  #refuse(wait: number, code: string, message: string): ArmError {
    return throttled(Math.max(1, Math.ceil(wait * this.#factor)), code, message);
  }
}

/** 429 with Retry-After in seconds. */
export const throttled = (retryAfter: number, code = 'TooManyRequests', message = tooMany('requests')): ArmError =>
  new ArmError(429, code, message, { headers: { 'retry-after': String(retryAfter) } });

const tooMany = (verb: string): string =>
  `Number of ${verb} for this subscription exceeded the limit. Please try again after some time.`;
