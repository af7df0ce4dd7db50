import { randomUUID } from 'node:crypto';
import { log } from '../log.ts';
import type {
  CoreInvocationContext,
  FunctionCallback,
  FunctionMetadata,
  HookCallback,
  InvocationRequest,
  InvocationResponse,
  ProgrammingModel,
  TypedData,
} from './coreTypes.ts';

const hookNames = ['appStart', 'appTerminate', 'preInvocation', 'postInvocation', 'log'] as const;
export type HookName = (typeof hookNames)[number];

export interface RegisteredFunction {
  readonly metadata: FunctionMetadata;
  readonly callback: FunctionCallback;
}

/** How an invocation ended. A failure carries what the Node worker would send over RPC. */
export type InvocationOutcome =
  | { readonly ok: true; readonly response: InvocationResponse; readonly returnedNothing: boolean }
  | { readonly ok: false; readonly message: string; readonly stack: string };

/** Takes one message between host and function. */
export type Trace = (message: {
  readonly event: string;
  readonly function: string;
  readonly [part: string]: unknown;
}) => void;

/** The app as it has registered itself, and the way to invoke its functions: what the Node worker is to the real host. */
export class Worker {
  readonly functions = new Map<string, RegisteredFunction>();
  readonly appHookData = {};
  model: ProgrammingModel | undefined;
  httpUri: string | null = null;
  #started = false;
  readonly #hooks = new Map<HookName, HookCallback[]>(hookNames.map((name) => [name, []]));
  readonly #running = new Set<Promise<unknown>>();
  readonly #trace: Trace | null;

  /** @param trace is told every message to and from a function. */
  constructor(trace: Trace | null = null) {
    this.#trace = trace;
  }

  register(metadata: FunctionMetadata, callback: FunctionCallback): void {
    if (this.#started) throw new Error('A function can only be registered during app startup.');
    this.functions.set(metadata.name, { metadata, callback });
  }

  addHook(name: string, callback: HookCallback): () => void {
    const list = this.#hooks.get(name as HookName);
    if (!list) throw new RangeError(`Unrecognized hook "${name}"`);
    list.push(callback);
    return () => void list.splice(list.indexOf(callback), 1);
  }

  async runHooks(name: HookName, context: object): Promise<void> {
    for (const hook of this.#hooks.get(name) ?? []) await hook(context);
  }

  /** Ends the time in which functions may be registered. */
  seal(): void {
    this.#started = true;
  }

  /** Resolves when no function runs any more. */
  async idle(): Promise<void> {
    while (this.#running.size) await Promise.allSettled(this.#running);
  }

  get running(): number {
    return this.#running.size;
  }

  /** Runs one function; never rejects. */
  invoke(
    target: RegisteredFunction,
    inputData: { name: string; data: TypedData }[],
    triggerMetadata: Record<string, TypedData>,
    invocationId: string = randomUUID(),
  ): Promise<InvocationOutcome> {
    const request: InvocationRequest = {
      invocationId,
      functionId: target.metadata.name,
      inputData,
      triggerMetadata,
      traceContext: { traceParent: '', traceState: '', attributes: {} },
      retryContext: null,
    };
    this.#trace?.({ event: 'invocationRequest', function: target.metadata.name, request });
    const work = this.#invoke(target, request).catch(failure);
    if (this.#trace) void work.then((outcome) => this.#trace?.(tracedOutcome(target.metadata.name, outcome)));
    this.#running.add(work);
    void work.then(() => this.#running.delete(work));
    return work;
  }

  async #invoke(target: RegisteredFunction, request: InvocationRequest): Promise<InvocationOutcome> {
    if (!this.model) throw new Error('The app has not set a programming model: it registers no function.');
    const core = this.#coreContext(target.metadata, request);
    const invocation = this.model.getInvocationModel(core);
    const { context, inputs } = await invocation.getArguments();
    const shared = { hookData: {}, appHookData: this.appHookData, invocationContext: context };

    const before = { ...shared, functionCallback: target.callback, inputs };
    await this.#inState(core, 'preInvocationHooks', () => this.runHooks('preInvocation', before));

    const after: { inputs: unknown[]; result: unknown; error: unknown } = {
      ...shared,
      inputs: before.inputs,
      result: null,
      error: null,
    };
    await this.#inState(core, 'invocation', async () => {
      try {
        after.result = await invocation.invokeFunction(context, before.inputs, before.functionCallback);
      } catch (error) {
        after.error = error ?? new Error('Unknown error');
      }
    });
    await this.#inState(core, 'postInvocationHooks', () => this.runHooks('postInvocation', after));
    if (after.error !== null) throw after.error;
    const returnedNothing = after.result === undefined || after.result === null;
    return { ok: true, response: await invocation.getResponse(context, after.result), returnedNothing };
  }

  async #inState(core: CoreInvocationContext, state: CoreInvocationContext['state'], work: () => Promise<void>) {
    core.state = state;
    try {
      await work();
    } finally {
      core.state = undefined;
    }
  }

  #coreContext(metadata: FunctionMetadata, request: InvocationRequest): CoreInvocationContext {
    return {
      invocationId: request.invocationId,
      request,
      metadata,
      log: (level, category, message) => this.logFromApp(level, category, message, metadata.name),
    };
  }

  /** A line logged by the app: hooks of the app may change its text and level first. */
  logFromApp(level: Parameters<typeof log>[0], category: string, message: string, source: string): void {
    const context = { hookData: {}, appHookData: this.appHookData, level, category, message };
    for (const hook of this.#hooks.get('log') ?? []) hook(context);
    log(context.level, source, context.message);
  }
}

function tracedOutcome(name: string, outcome: InvocationOutcome): Parameters<Trace>[0] {
  const response = outcome.ok
    ? { returnValue: outcome.response.returnValue, result: { status: 1 } }
    : { result: { status: 0, exception: { message: outcome.message, stackTrace: outcome.stack } } };
  return { event: 'invocationResponse', function: name, response };
}

function failure(error: unknown): InvocationOutcome {
  const asError = error instanceof Error ? error : new Error(typeof error === 'string' ? error : JSON.stringify(error));
  return { ok: false, message: asError.message, stack: asError.stack ?? '' };
}
