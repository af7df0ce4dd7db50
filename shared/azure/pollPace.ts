import { setTimeout as delay } from 'node:timers/promises';
import type { PipelinePolicy } from '@azure/core-rest-pipeline';

/** `…/operations/{id}` and the like (azure-behaviour.md, 1.2). */
const operationPath = /\/(?:privateDns|azureAsync)?operation(?:s|results|statuses)?\//i;

/** An operation that nobody has asked after for so long is not polled any more: twice the longest pause. Milliseconds. */
const forgottenAfter = 30_000;

/**
 * Azure lets one identity do 250 reads in a region at once, and 25 a second for long (azure-behaviour.md, 1.6). One jump server does not
 * come below this level; where many are made at once, their polls make room for what matters more.
 */
const scarce = 200;
const slowest = 15;
const slowestAlone = 10;

/** All polls of this process together: under half of what refills, for each operation is also looked at before and after. */
const pollsASecond = 10;

/**
 * Seconds to the next look at something that Azure has been working on for so long: a fifteenth of it more is not noticed, and stays
 * far below the 15 polls a minute that one machine's operations allow (azure-behaviour.md, 1.6).
 * @param readsLeft as Azure's last answer said; many requests may be on their way that it does not know of
 * @param polled how many operations this process asks after
 */
export function pollSeconds(elapsedSeconds: number, readsLeft: number, polled: number): number {
  if (readsLeft < scarce) return slowest;
  const alone = Math.min(slowestAlone, Math.max(2, Math.floor(elapsedSeconds / 15)));
  return Math.min(slowest, Math.max(alone, Math.ceil(polled / pollsASecond)));
}

/** With so few reads left, those that are to begin at the same moment begin within as many seconds as it takes to refill them. */
const almostNone = 100;
const spreadSeconds = 4;

/**
 * Slows the polls of long operations down. The clients' pollers ask every two seconds for as long as it takes, unless an answer has a
 * Retry-After: where Azure gives none, this does. What would come in a wave, since all waited for the same answer, is spread.
 */
export function pollPacePolicy(
  now: () => number = Date.now,
  random: () => number = Math.random,
  sleep: (milliseconds: number) => Promise<unknown> = delay,
): PipelinePolicy {
  const polled = new Map<string, { first: number; last: number }>();
  let readsLeft = Number.MAX_SAFE_INTEGER;
  const elapsed = (path: string): number => {
    const at = now();
    for (const [other, { last }] of polled) if (last < at - forgottenAfter) polled.delete(other);
    const { first } = polled.get(path) ?? { first: at };
    polled.set(path, { first, last: at });
    return (at - first) / 1000;
  };
  return {
    name: 'pollPace',
    async sendRequest(request, next) {
      if (request.method === 'GET' && readsLeft < almostNone) await sleep(random() * spreadSeconds * 1000);
      const response = await next(request);
      readsLeft = Number(response.headers.get('x-ms-ratelimit-remaining-subscription-reads') ?? readsLeft);
      const { pathname } = new URL(request.url);
      if (request.method !== 'GET' || !operationPath.test(pathname) || response.status >= 300) return response;
      const asked = pollSeconds(elapsed(pathname), readsLeft, polled.size);
      const seconds = readsLeft < scarce ? Math.ceil(asked * (0.6 + 0.4 * random())) : asked;
      if (!response.headers.has('retry-after')) response.headers.set('retry-after', String(seconds));
      return response;
    },
  };
}
