import { randomUUID } from 'node:crypto';
import { ArmError } from './failure.ts';
import type { ArmRequest, Kind } from './kind.ts';

export interface FaultMatch {
  method?: string;
  /** Resource type, without regard to letter case. */
  type?: string;
  /** Part of the request's path. */
  id?: string;
  action?: string;
}

export interface Fault {
  id: string;
  match: FaultMatch;
  kind: 'throttle' | 'status' | 'hang' | 'slow' | 'cut' | 'failOperation' | 'allocationFailure';
  /** How many requests still meet it. */
  count: number;
  /** How many that match pass before. */
  skip?: number;
  /** The share of those that match which meets it, from a sequence that `seed` fixes. */
  probability?: number;
  seed?: number;
  status?: number;
  code?: string;
  message?: string;
  seconds?: number;
  /** Of `cut`: `before` the request is carried out, or (default) `after` it. */
  when?: 'before' | 'after';
}

const kinds = ['throttle', 'status', 'hang', 'slow', 'cut', 'failOperation', 'allocationFailure'];

/** Faults on demand, each for the next `count` requests that match. */
export class Faults {
  readonly #faults: Fault[] = [];

  /** Throws ArmError for a description that makes no sense. */
  add(description: Record<string, unknown>): Fault {
    const { kind, match = {}, count = 1, code, status, ...rest } = description as Partial<Fault> & { code?: unknown };
    if (!kinds.includes(String(kind)))
      throw new ArmError(400, 'BadRequest', `'kind' must be one of ${kinds.join(', ')}; it is '${String(kind)}'.`);
    if (!Number.isInteger(count) || Number(count) < 1)
      throw new ArmError(400, 'BadRequest', `'count' must be a whole number from 1; it is '${String(count)}'.`);
    if (rest.probability !== undefined && !(rest.probability > 0 && rest.probability <= 1))
      throw new ArmError(400, 'BadRequest', `'probability' must be above 0 and at most 1.`);
    if (rest.seed !== undefined && (!Number.isInteger(rest.seed) || rest.seed === 0))
      throw new ArmError(400, 'BadRequest', `'seed' must be a whole number other than 0.`);
    const fault = {
      ...rest,
      id: randomUUID(),
      kind,
      match,
      count,
      ...(typeof code === 'number' ? { status: code } : { code, status }),
    } as Fault;
    this.#faults.push(fault);
    return fault;
  }

  list(): Fault[] {
    return [...this.#faults];
  }

  clear(): void {
    this.#faults.length = 0;
  }

  /** The fault that this request meets before anything is looked at. */
  onRequest(request: ArmRequest, type: string, action?: string): Fault | undefined {
    return this.#take(
      request,
      type,
      action,
      (fault) => fault.kind !== 'failOperation' && fault.kind !== 'allocationFailure',
    );
  }

  /** How the operation that this request starts shall end, if a fault wants it to fail; `makes`: it makes the thing. */
  operation(request: ArmRequest, kind: Kind, id: string, makes = false): { code: string; message: string } | undefined {
    const action = request.method === 'POST' ? request.path.split('/').at(-1) : undefined;
    const needsHost =
      kind.type === 'Microsoft.Compute/virtualMachines' &&
      (makes || request.method === 'PUT' || ['start', 'redeploy'].includes(action ?? ''));
    const fault = this.#take(
      { ...request, path: id },
      kind.type,
      action,
      (f) => f.kind === 'failOperation' || (f.kind === 'allocationFailure' && needsHost),
    );
    if (fault === undefined) return undefined;
    if (fault.kind === 'allocationFailure')
      return { code: fault.code ?? 'AllocationFailed', message: fault.message ?? allocationFailed };
    return {
      code: fault.code ?? 'InternalServerError',
      message: fault.message ?? 'An unexpected error occured while processing the request.',
    };
  }

  #take(
    request: ArmRequest,
    type: string,
    action: string | undefined,
    wanted: (fault: Fault) => boolean,
  ): Fault | undefined {
    const fault = this.#faults.find((f) => wanted(f) && matches(f.match, request, type, action) && strikes(f));
    if (fault === undefined) return undefined;
    fault.count -= 1;
    if (fault.count <= 0) this.#faults.splice(this.#faults.indexOf(fault), 1);
    return fault;
  }
}

/** Counts down what is skipped, and throws the dice. */
function strikes(fault: Fault): boolean {
  if (fault.skip !== undefined && fault.skip > 0) {
    fault.skip -= 1;
    return false;
  }
  if (fault.probability === undefined) return true;
  // xorshift32: the same seed gives the same run.
  let x = fault.seed ?? 1;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  fault.seed = x;
  return (x >>> 0) / 2 ** 32 < fault.probability;
}

const same = (a: string | undefined, b: string | undefined): boolean =>
  a === undefined || a.toLowerCase() === b?.toLowerCase();

const matches = (match: FaultMatch, request: ArmRequest, type: string, action: string | undefined): boolean =>
  same(match.method, request.method) &&
  same(match.type, type) &&
  same(match.action, action) &&
  (match.id === undefined || request.path.toLowerCase().includes(match.id.toLowerCase()));

const allocationFailed =
  'Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more about improving likelihood of allocation success at https://aka.ms/allocation-guidance';
