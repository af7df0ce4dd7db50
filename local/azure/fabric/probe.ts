/** One health probe of a load balancer against one member, with the reasons of fact 2.6. */
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { FlowError } from './nic.ts';
import { giveUpAfter } from './sockets.ts';

export interface Probe {
  protocol: 'Tcp' | 'Http' | 'Https';
  port: number;
  path: string;
  /** Milliseconds between two looks, and for how long one may last. */
  intervalMs: number;
  timeoutMs: number;
  /** Consecutive results that change the state. */
  threshold: number;
}

export type ProbeReason =
  | 'Up_Probe_Success'
  | 'Down_Probe_HttpStatusCodeError'
  | 'Down_Probe_HttpEndpointUnreachable'
  | 'Down_Probe_TcpProbeTimeout'
  | 'Down_Probe_HttpNoResponse';

/** `open` connects to the member from the platform's address and throws FlowError. */
export async function look(probe: Probe, host: string, open: () => Promise<Socket>): Promise<ProbeReason> {
  let socket: Socket;
  try {
    socket = await open();
  } catch (error) {
    if (!(error instanceof FlowError)) throw error;
    return probe.protocol === 'Tcp' ? 'Down_Probe_TcpProbeTimeout' : 'Down_Probe_HttpEndpointUnreachable';
  }
  if (probe.protocol === 'Tcp') {
    socket.destroy();
    return 'Up_Probe_Success';
  }
  const status = await statusOf(probe, host, socket);
  if (status === undefined) return 'Down_Probe_HttpNoResponse';
  // Only 200 counts as healthy, whatever else a 2xx may mean.
  return status === 200 ? 'Up_Probe_Success' : 'Down_Probe_HttpStatusCodeError';
}

function statusOf(probe: Probe, host: string, raw: Socket): Promise<number | undefined> {
  // Azure does not check the certificate of an HTTPS member.
  const socket = probe.protocol === 'Https' ? connectTls({ socket: raw, rejectUnauthorized: false }) : raw;
  return new Promise((resolve) => {
    let answer = '';
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      raw.destroy();
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(answer)?.[1];
      resolve(status ? Number(status) : undefined);
    };
    const timer = giveUpAfter(probe.timeoutMs, finish);
    socket.on('error', finish);
    socket.once('close', finish);
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (answer.includes('\r\n')) finish();
    });
    socket.write(
      `GET ${probe.path} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: Load Balancer Agent\r\nConnection: close\r\n\r\n`,
    );
  });
}
