/** A session's stream to its user: a WebSocket as the web client opens one, or a plain response that stays open. */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface Tunnel {
  /** Ends it from this side. */
  close(): void;
}

/** A session is never silent: the real client asks twice a second and is answered. So a client that went away is soon noticed. */
const nothing = '3.nop;';
const keepAliveMs = 1000;
const handshakeKey = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const opcodes = { text: 0x81, close: 0x88 } as const;

/** Answers an upgrade. `onEnd` is called once, whoever ends it. */
export function openWebSocket(request: IncomingMessage, socket: Socket, sessionId: string, onEnd: () => void): Tunnel {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${handshakeKey}`).digest('base64');
  const protocol = request.headers['sec-websocket-protocol'] ? 'Sec-WebSocket-Protocol: guacamole\r\n' : '';
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${protocol}\r\n`,
  );
  const frame = (opcode: number, text: string): Buffer =>
    Buffer.concat([Buffer.from([opcode, Buffer.byteLength(text)]), Buffer.from(text)]);
  // The first instruction of a tunnel is its id, under an empty opcode.
  socket.write(frame(opcodes.text, `0.,${sessionId.length}.${sessionId};`));
  socket.on('data', (chunk: Buffer) => {
    if (chunk[0] === opcodes.close) socket.end(frame(opcodes.close, ''));
  });
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  const timer = setInterval(() => socket.write(frame(opcodes.text, nothing)), keepAliveMs);
  socket.once('close', () => {
    clearInterval(timer);
    onEnd();
  });
  return { close: () => socket.end(frame(opcodes.close, '')) };
}

/** A chunked response that ends with the session. */
export function openStream(response: ServerResponse, sessionId: string, onEnd: () => void): Tunnel {
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-cache' });
  response.write(`0.,${sessionId.length}.${sessionId};`);
  const timer = setInterval(() => response.write(nothing), keepAliveMs);
  response.once('close', () => {
    clearInterval(timer);
    onEnd();
  });
  return { close: () => response.end() };
}
