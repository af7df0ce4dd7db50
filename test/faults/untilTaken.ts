import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from '../e2e/world.ts';

/**
 * Sends a request again until it is taken or refused: hosts and tokens may be away just now, and a 5xx is to be repeated.
 * @param seconds to wait at most; then it throws
 * @param again tells of other answers that are to be repeated
 */
export async function untilTaken(
  send: () => Promise<Answer>,
  seconds = 60,
  again: (answer: Answer) => boolean = () => false,
): Promise<Answer> {
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await send().catch(() => undefined);
    if (answer !== undefined && answer.status < 500 && !again(answer)) return answer;
    if (Date.now() > until)
      throw new Error(`The request was not taken within ${seconds} s: ${answer?.status} ${answer?.text}`);
    await delay(100);
  }
}
