import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { createAuthenticate } from '../../shared/auth.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

const audience = 'api://molcajete';
const pair = await generateKeyPair('RS256');
const keys = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'k', alg: 'RS256' }] };

const never = (): void => {};

/** An issuer whose answers a test may change, and a caller's token of it. */
async function openIssuer() {
  const json = (body: object) => (response: ServerResponse) => void response.end(JSON.stringify(body));
  const answers: Record<'discovery' | 'keys', (response: ServerResponse) => void> = {
    discovery: never,
    keys: json(keys),
  };
  server = createServer((request, response) =>
    request.url?.endsWith('/keys') ? answers.keys(response) : answers.discovery(response),
  );
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  answers.discovery = json({ jwks_uri: `${issuer}/keys` });
  const token = (key = pair.privateKey) =>
    new SignJWT({ oid: 'anna' })
      .setProtectedHeader({ alg: 'RS256', kid: 'k' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime('1h')
      .sign(key);
  const authenticate = createAuthenticate(issuer, [audience], 100);
  const call = async (key = pair.privateKey) => {
    try {
      return (await authenticate(`Bearer ${await token(key)}`)).objectId;
    } catch (error) {
      return error;
    }
  };
  return { answers, call };
}

const unavailable = expect.objectContaining({
  status: 503,
  code: 'IssuerUnavailable',
  headers: { 'Retry-After': expect.any(String) },
});
const refuses = (status: number) => (response: ServerResponse) => void response.writeHead(status).end();
const garbage = (response: ServerResponse) => void response.end('<html>');

test.each([
  ['does not answer', never],
  ['answers 500', refuses(500)],
  ['answers with a web page', garbage],
])('an issuer whose discovery document %s is no reason to drop a token, and is asked again', async (_, answer) => {
  const { answers, call } = await openIssuer();
  const { discovery } = answers;
  answers.discovery = answer;
  expect(await Promise.all([call(), call()])).toEqual([unavailable, unavailable]);
  answers.discovery = discovery;
  expect(await call()).toBe('anna');
});

test.each([
  ['do not come', never],
  ['are refused', refuses(503)],
  ['are a web page', garbage],
  ['are no keys', (response: ServerResponse) => void response.end('{}')],
])('an issuer whose keys %s is no reason to drop a token', async (_, answer) => {
  const { answers, call } = await openIssuer();
  const before = answers.keys;
  answers.keys = answer;
  expect(await call()).toEqual(unavailable);
  answers.keys = before;
  expect(await call()).toBe('anna');
});

test('a token of another key is refused, as the fault of who brings it', async () => {
  const { call } = await openIssuer();
  const other = await generateKeyPair('RS256');
  expect(await call(other.privateKey)).toMatchObject({ status: 401, code: 'Unauthenticated' });
});
