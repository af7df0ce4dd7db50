/** What users and the balancer do to a node's HAProxy. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { type RequestOptions, request } from 'node:https';
import type { Readable } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { describeCertificate } from '../../shared/certificates.ts';
import { nodePorts } from '../../shared/node/ports.ts';
import { type Proxies, publicName, type RunningProxy } from './proxies.ts';

export interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

const secure = (proxies: Proxies, to: RunningProxy, more: RequestOptions): RequestOptions => ({
  host: to.node.address,
  port: nodePorts.ingress,
  servername: publicName,
  ca: proxies.authority.certificate,
  agent: false,
  path: '/guacamole/',
  ...more,
});

/** One request on a flow of its own, as a browser behind the balancer would send it to this node. */
export function get(proxies: Proxies, to: RunningProxy, more: RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(secure(proxies, to, more), (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString() }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** The node whose web server answered. */
export const servedBy = (answer: Answer): string =>
  answer.status === 200
    ? (JSON.parse(answer.body) as { name: string }).name
    : `nobody: ${answer.status} ${answer.body}`;

export const cookieOf = (answer: Answer): string => (answer.headers['set-cookie']?.[0] ?? '').split(';')[0] ?? '';

/** An answer that goes on until `close`: `next` waits for more of it and fails when it has ended. */
export function openStream(
  proxies: Proxies,
  to: RunningProxy,
  cookie: string,
): Promise<{ next(): Promise<string>; fingerprint: string; close(): void }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(secure(proxies, to, { path: '/guacamole/stream', headers: { cookie } }), (response) => {
      const socket = response.socket as TLSSocket;
      const fingerprint = socket.getPeerCertificate().fingerprint256.replaceAll(':', '').toLowerCase();
      resolve({ next: () => nextData(response), fingerprint, close: () => outgoing.destroy() });
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

function nextData(stream: Readable): Promise<string> {
  return new Promise((resolve, reject) => {
    const done = (act: () => void) => () => {
      stream.removeAllListeners('data').removeAllListeners('close');
      act();
    };
    stream.once('data', (data: Buffer) => done(() => resolve(data.toString()))());
    stream.once(
      'close',
      done(() => reject(new Error('the stream was cut'))),
    );
  });
}

/** A WebSocket's handshake, then raw bytes: `say` sends and returns the echo. */
export function openTunnel(
  proxies: Proxies,
  to: RunningProxy,
  cookie: string,
): Promise<{ say(text: string): Promise<string>; close(): void }> {
  return new Promise((resolve, reject) => {
    const headers = {
      cookie,
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    };
    const outgoing = request(secure(proxies, to, { path: '/guacamole/websocket-tunnel', headers }));
    outgoing.on('upgrade', (_response, socket) => {
      resolve({
        say(text) {
          socket.write(text);
          return nextData(socket);
        },
        close: () => socket.destroy(),
      });
    });
    outgoing.on('response', (response) => reject(new Error(`no upgrade but ${response.statusCode}`)));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** The same over HTTP/2, as browsers do where the server offers it (RFC 8441). */
export async function openTunnelOverHttp2(
  proxies: Proxies,
  to: RunningProxy,
  cookie: string,
): Promise<{ say(text: string): Promise<string>; close(): void }> {
  const session = connectHttp2(`https://${to.node.address}:${nodePorts.ingress}`, {
    servername: publicName,
    ca: proxies.authority.certificate,
  });
  await once(session, 'remoteSettings');
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'https',
    ':authority': publicName,
    ':path': '/guacamole/websocket-tunnel',
    'sec-websocket-version': '13',
    cookie,
  });
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  if (headers[':status'] !== 200) throw new Error(`no tunnel but ${headers[':status']}`);
  return {
    say(text) {
      stream.write(text);
      return nextData(stream);
    },
    close: () => session.destroy(),
  };
}

/** What the balancer's probe sees. */
export async function probe({ node }: RunningProxy): Promise<number> {
  const response = await fetch(`http://${node.address}:${nodePorts.probe}/health`);
  await response.body?.cancel();
  return response.status;
}

export const fingerprintOf = (pem: string): string => describeCertificate(pem).fingerprint;
