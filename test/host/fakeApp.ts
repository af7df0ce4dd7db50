import type { BindingInfo, FunctionCallback } from '../../local/host/worker/coreTypes.ts';
import { Worker } from '../../local/host/worker/worker.ts';

/** A worker with one function that is no more than a callback, for tests of a part of the host in this process. */
export function workerWith(name: string, trigger: BindingInfo, run: FunctionCallback): Worker {
  const worker = new Worker();
  worker.model = {
    name: 'fake',
    version: '0',
    getInvocationModel: ({ invocationId }) => ({
      getArguments: async () => ({ context: {}, inputs: [] }),
      invokeFunction: async (_context, _inputs, handler) => handler(),
      getResponse: async () => ({ invocationId, returnValue: null }),
    }),
  };
  worker.register({ name, bindings: { [trigger.name]: trigger } }, run);
  return worker;
}
