import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AppDirectory, appDirectory, HostProcess, until } from './hostProcess.ts';

const app = `
const { app } = require('@azure/functions');
app.http('onlyGet', { methods: ['GET'], handler: async () => ({ body: 'got' }) });
app.http('throws', { handler: async () => { throw new Error('a secret detail'); } });
app.http('echo', { methods: ['POST'], handler: async (request) => ({ jsonBody: await request.text() }) });
`;

describe('What the local host does as badly as the real one, it says in a warning:', () => {
  let directory: AppDirectory;
  let host: HostProcess;
  beforeAll(async () => {
    directory = appDirectory('app.cjs', { 'app.cjs': { text: app } });
    host = await HostProcess.start(directory);
  });
  afterAll(async () => {
    await host?.end('SIGKILL');
    directory?.remove();
  });
  const warning = (text: RegExp) =>
    until(`${text} in the log`, 5_000, () => (host.log.split('\n').some((line) => text.test(line)) ? true : null));

  it('a wrong method is a 404', async () => {
    const answer = await fetch(`${host.origin}/api/onlyGet`, { method: 'DELETE' });
    expect(answer.status).toBe(404);
    await warning(/warning \[onlyGet\] It is not registered for DELETE: .* 404/);
  });

  it('a function that throws is a 500 without a word, and the error is in the log', async () => {
    const answer = await fetch(`${host.origin}/api/throws`);
    expect([answer.status, await answer.text()]).toEqual([500, '']);
    await warning(/error \[throws\] Error: a secret detail/);
    await warning(/warning \[throws\] It threw: .* 500 without any text/);
  });

  it('a chunked body arrives empty without streaming, and one of known length does not', async () => {
    const send = async (body: string | ReadableStream) =>
      (await fetch(`${host.origin}/api/echo`, { method: 'POST', body, duplex: 'half' })).json();
    expect(await send('known length')).toBe('known length');
    expect(host.log).not.toContain('chunked');
    expect(await send(new Blob(['chunked']).stream())).toBe('');
    await warning(/warning \[echo\] The request body is chunked, and without enableHttpStream/);
  });
});
