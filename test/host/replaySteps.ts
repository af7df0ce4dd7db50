import { request as httpRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostProcess } from './hostProcess.ts';
import { normalise, withoutStacks } from './normalise.ts';
import type { ClientCall, Recording, Step } from './recordings.ts';

export interface Answer {
  readonly status: number;
  readonly rawHeaders: string[];
  readonly body: string;
  readonly chunks: number;
}

/** Long enough for any answer of a function that answers at all. */
const silenceMs = 700;

/** Sends a recorded request as it was. Null when nothing came back, as with a streaming function that throws. */
export async function send(host: HostProcess, step: Step, keys: Record<string, string> = {}): Promise<Answer | null> {
  const { method, path, headers = {}, body } = step.request;
  const withKey = (text: string): string => text.replace(/<(SYSTEM_)?KEY>/, keys[step.label] ?? '');
  const url = new URL(host.origin);
  return new Promise((resolve, reject) => {
    const sent = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value : withKey(String(value))]),
    );
    const outgoing = httpRequest(
      {
        host: url.hostname,
        port: url.port,
        method,
        path: withKey(path),
        headers: sent,
        ...(!step.response && { timeout: silenceMs }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            rawHeaders: pairs(response.rawHeaders),
            body: Buffer.concat(chunks).toString('utf8'),
            chunks: chunks.length,
          }),
        );
        response.on('error', reject);
      },
    );
    outgoing.on('timeout', () => {
      resolve(null);
      outgoing.destroy();
    });
    outgoing.on('error', (error) => (step.response ? reject(error) : resolve(null)));
    outgoing.end(body ?? undefined);
  });
}

function pairs(rawHeaders: readonly string[]): string[] {
  return rawHeaders.flatMap((name, index) => (index % 2 ? [] : [`${name}: ${rawHeaders[index + 1] ?? ''}`]));
}

/** What is compared of an answer: status, headers but for those of the connection, and the body. */
export function comparable(answer: { status: number; rawHeaders: string[]; body: string | null } | null): unknown {
  if (!answer) return 'no answer';
  const headers = answer.rawHeaders
    .filter((header) => !/^(date|connection|keep-alive): /i.test(header))
    // The length of a body with times, ids and addresses in it says nothing.
    .map((header) =>
      header.replace(/^(Content-Length): [1-9]\d*$/, '$1: <N>').replace(/(x-ms-continuation-token): .+/, '$1: <TOKEN>'),
    )
    .map((header) => normalise(header))
    .sort();
  return { status: answer.status, headers, body: withoutStacks(normalise(answer.body ?? '')) };
}

/**
 * Sends a step until it gives what was recorded, for a reading step: what it reads may still be on its way. A step that changes something is
 * sent once, after the host has become quiet.
 * @param racing when the order of events is chance.
 */
export async function replayStep(
  host: HostProcess,
  step: Step,
  limitMs: number,
  racing: boolean,
): Promise<{ expected: unknown; actual: unknown }> {
  const read = (answer: Parameters<typeof comparable>[0]): unknown =>
    racing ? sortedHistory(comparable(answer)) : comparable(answer);
  const expected = read(step.response ?? null);
  const wanted = JSON.stringify(expected);
  if (step.request.method !== 'GET') await quiet(host);
  const end = Date.now() + limitMs;
  for (;;) {
    const actual = read(await send(host, step));
    const isReading = step.request.method === 'GET';
    if (JSON.stringify(actual) === wanted || !isReading || Date.now() > end) return { expected, actual };
    await delay(20);
  }
}

/** Puts the events of a status in an order of its own, where the order in which they came is chance. */
function sortedHistory(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (name, member: unknown) =>
    name === 'historyEvents' && Array.isArray(member) ? member.map((event) => JSON.stringify(event)).sort() : member,
  );
}

/** Waits until no message goes to or from a function for a moment. */
export async function quiet(host: HostProcess): Promise<void> {
  const quietMs = 20;
  for (let before = -1, now = host.trace.length; before !== now; now = host.trace.length) {
    before = now;
    await delay(quietMs);
  }
}

/** Starts that the recorded driver made without noting a step, by the id they used. */
export function unnotedStarts(from: Recording): Map<string, { name: string; body: string }> {
  const noted = JSON.stringify(from.driverSteps.map(({ request }) => [request.path, request.body]));
  const found = new Map<string, { name: string; body: string }>();
  for (const line of from.hostWorkerTraffic) {
    if (line.event !== 'durableClientHttp') continue;
    const { request } = line as ClientCall;
    const [, name, id] = /\/orchestrators\/([^/]+)\/([^/?]+)$/.exec(request.url) ?? [];
    const marks = [`start/${name}?id=${id}`, `\\"instanceId\\":\\"${id}`, `\\"id\\":\\"${id}`];
    if (!name || !id || marks.some((mark) => noted.includes(mark))) continue;
    found.set(id, { name, body: request.body ?? 'null' });
  }
  return found;
}
