import type { PipelinePolicy } from '@azure/core-rest-pipeline';
import { RestError } from '@azure/core-rest-pipeline';

/** One answer of Azure takes seconds; its gateways give up after a minute themselves. */
const requestMilliseconds = 60_000;

/**
 * Ends a request that is not answered. Azure's clients have no time-out of their own: one request that hangs would hold its activity,
 * and with it the operation and its lease, for ever. The clients' own retries, however long Azure's Retry-After wants them to wait,
 * are inside the time: whoever called looks again later.
 */
export const deadlinePolicy = (milliseconds = requestMilliseconds): PipelinePolicy => ({
  name: 'deadline',
  async sendRequest(request, next) {
    const time = new AbortController();
    const timer = setTimeout(() => time.abort(), milliseconds);
    const given = request.abortSignal as AbortSignal | undefined;
    const onAbort = () => time.abort();
    if (given?.aborted === true) time.abort();
    given?.addEventListener('abort', onAbort);
    request.abortSignal = time.signal;
    try {
      return await next(request);
    } catch (error) {
      if (!time.signal.aborted || given?.aborted === true) throw error;
      const message = `There was no answer within ${milliseconds / 1000} seconds: ${request.method} ${new URL(request.url).pathname}`;
      throw new RestError(message, { code: 'RequestTimeout', request });
    } finally {
      clearTimeout(timer);
      given?.removeEventListener('abort', onAbort);
    }
  },
});
