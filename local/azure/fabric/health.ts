/** The state of a load balancer's probes: real looks at every member, at the probe's pace. */
import type { Network } from './network.ts';
import type { Nics } from './nic.ts';
import type { Nic } from './nicIndex.ts';
import { look, type Probe, type ProbeReason } from './probe.ts';

export interface Health {
  up: boolean;
  reason: ProbeReason | 'Down_Probe_ApproachingHealthyThreshold' | 'Up_Probe_ApproachingUnhealthyThreshold';
}

export interface ProbeRun {
  healthOf(nicId: string): Health;
  close(): void;
}

interface Member extends Health {
  streak: number;
  looking: boolean;
}

const unknown: Health = { up: false, reason: 'Down_Probe_ApproachingHealthyThreshold' };

/** `onChange` is called when a member's state changes. */
export function runProbe(
  probe: Probe,
  parts: { network: Network; nics: Nics; platform: string; members: () => Nic[]; onChange: () => void },
): ProbeRun {
  const states = new Map<string, Member>();

  async function lookAt(nic: Nic): Promise<void> {
    const state = states.get(nic.id) ?? { ...unknown, streak: 0, looking: false };
    states.set(nic.id, state);
    if (state.looking) return;
    state.looking = true;
    // A VM without a running guest is not worth a socket.
    const reason = parts.nics.isAttached(nic.id)
      ? await look(probe, nic.address, () => parts.nics.connect(parts.platform, nic, probe.port))
      : absent(probe);
    state.looking = false;
    settle(state, reason);
  }

  function settle(state: Member, reason: ProbeReason): void {
    const success = reason === 'Up_Probe_Success';
    const before = state.up;
    state.streak = success === state.up ? 0 : state.streak + 1;
    if (state.streak >= probe.threshold) {
      state.up = success;
      state.streak = 0;
    }
    if (state.up === success) state.reason = reason;
    else state.reason = state.up ? 'Up_Probe_ApproachingUnhealthyThreshold' : 'Down_Probe_ApproachingHealthyThreshold';
    if (before !== state.up) parts.onChange();
  }

  function turn(): void {
    const members = parts.members();
    const ids = new Set(members.map((nic) => nic.id));
    for (const id of states.keys()) if (!ids.has(id)) states.delete(id);
    for (const nic of members) void lookAt(nic);
  }

  const timer = setInterval(turn, probe.intervalMs);
  turn();
  return {
    healthOf: (nicId) => states.get(nicId) ?? unknown,
    close: () => clearInterval(timer),
  };
}

const absent = (probe: Probe): ProbeReason =>
  probe.protocol === 'Tcp' ? 'Down_Probe_TcpProbeTimeout' : 'Down_Probe_HttpEndpointUnreachable';
