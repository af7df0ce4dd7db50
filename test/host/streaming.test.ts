import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppDirectory, appDirectory, HostProcess, until } from './hostProcess.ts';

describe('HTTP functions with streaming', () => {
  let directory: AppDirectory;
  let host: HostProcess;
  beforeAll(async () => {
    directory = appDirectory('streaming.cjs', {
      'streaming.cjs': { copyOf: join(import.meta.dirname, 'app/streaming.cjs') },
    });
    host = await HostProcess.start(directory);
  });
  afterAll(async () => {
    await host?.end('SIGKILL');
    directory?.remove();
  });

  it('pass bytes through in both directions as they are', async () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, index) => index % 256);
    const answer = await fetch(`${host.origin}/api/count`, { method: 'POST', body: bytes });
    expect(answer.headers.get('x-length')).toBe('100000');
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(bytes);
  });

  it('see a piece of the request, and have their answer to it delivered, before the next piece is sent', async () => {
    const outgoing = request(`${host.origin}/api/pingPong`, { method: 'POST' });
    outgoing.write('one');
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    const pieces = answer[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    expect(String((await pieces.next()).value)).toBe('got one\n');
    outgoing.write('two');
    expect(String((await pieces.next()).value)).toBe('got two\n');
    outgoing.end();
    expect((await pieces.next()).done).toBe(true);
  });

  it('stop answering when their client has gone', async () => {
    const abort = new AbortController();
    const answer = await fetch(`${host.origin}/api/endless`, { signal: abort.signal });
    await answer.body?.getReader().read();
    abort.abort();
    // The library writes on into a closed connection; what matters is that the host is not held up.
    expect(await host.json('/api/aborted')).toBeTypeOf('number');
  });

  it.each([
    ['throw', 'throws', /warning \[throws\] It threw, and .* waits/],
    ['return nothing', 'nothing', /warning \[nothing\] It returned nothing, and .* waits/],
  ])('leave their client waiting when they %s, with a warning in the log', async (_what, name, warning) => {
    await expect(fetch(`${host.origin}/api/${name}`, { signal: AbortSignal.timeout(500) })).rejects.toThrow();
    await until('the warning', 5_000, () => (warning.test(host.log) ? true : null));
  });

  it('find members of query and body among their parameters, but declared ones keep their value', async () => {
    const answer = await fetch(`${host.origin}/api/params/n?name=query&other=1`, {
      method: 'POST',
      body: '{"name":"body","sub":"body","extra":true,"list":[1],"object":{"a":1}}',
      headers: { 'content-type': 'application/json' },
    });
    const { params, body } = (await answer.json()) as { params: unknown; body: string };
    expect(params).toEqual({ name: 'n', other: '1', extra: 'True' });
    expect(body).toContain('"list":[1]');
  });
});
