import { z } from 'zod';
import { nodeKey, nodeName } from './azure/names.ts';
import type { Outputs } from './azure/resource.ts';
import type { Deps } from './deps.ts';
import { reasonsUnhealthy } from './node/report.ts';
import { desiredNode } from './nodes.ts';
import { operationUrl } from './operations.ts';
import { credentials } from './rotation/credentials.ts';
import { planRotations } from './rotation/due.ts';
import { fleetOf } from './scaling/fleet.ts';
import { findHealing, type HealingMemory } from './store/healing.ts';
import { listOutputs } from './store/inventory.ts';
import type { JumpServer } from './store/jumpServers.ts';
import { listNodes, type NodeRecord } from './store/nodes.ts';
import { isStale, listReports, type StoredReport } from './store/reports.ts';
import { listRotations, type Rotation } from './store/rotations.ts';
import { secondsAfter } from './time.ts';

const nodeShape = z.object({
  name: z.string(),
  state: z
    .enum(['starting', 'running', 'draining', 'deallocated'])
    .describe('What it is meant to be. A draining one keeps its sessions; a deallocated one costs its disk only.'),
  drainUntil: z.iso.datetime().nullable().describe('When the sessions of a draining node are ended.'),
  address: z.string().nullable().describe('Private address.'),
  healthy: z.boolean(),
  reasons: z.array(z.string()).describe('Why it is not healthy; empty when it is.'),
  reportedAt: z.iso.datetime().nullable(),
  sessions: z.int().describe('Open sessions that this node serves.'),
});

const credentialShape = z.object({
  credential: z.enum(credentials),
  rotatedAt: z.iso.datetime().nullable().describe('Null before the first rotation: as old as the jump server.'),
  nextAt: z.iso
    .datetime()
    .nullable()
    .describe('Null when it is rotated by hand only, and for a certificate that is taken from ingress.certificate.'),
  unfinished: z.boolean().describe('A rotation of it is under way, or was interrupted and will be carried on.'),
});

const conditionShape = z.object({ type: z.string(), message: z.string() });

/** What callers see of a jump server. */
export const jumpServerShape = z.object({
  name: z.string(),
  spec: z.record(z.string(), z.unknown()),
  status: z.object({
    state: z.enum(['Provisioning', 'Ready', 'Hibernated', 'Failed', 'Deleting']),
    ingress: z.object({ address: z.string(), fqdn: z.string().nullable(), url: z.string() }).nullable(),
    nodes: z.array(nodeShape),
    credentials: z.array(credentialShape),
    conditions: z.array(conditionShape).describe('What a person should know or do.'),
    lastOperation: z.object({ id: z.string(), url: z.string() }),
    createdAt: z.iso.datetime(),
  }),
});

type JumpServerView = z.input<typeof jumpServerShape>;

/** A certificate with less than this left is a condition. Seconds. */
const certificateWarning = 21 * 24 * 3600;

/** Puts together what the store knows; asks Azure nothing. */
export async function describeJumpServer(deps: Deps, server: JumpServer): Promise<JumpServerView> {
  const [outputs, nodes, reports, healing, rotations] = await Promise.all([
    listOutputs(deps.tables, server.name),
    listNodes(deps.tables, server.name),
    listReports(deps.tables, server.name),
    findHealing(deps.tables, server.name),
    listRotations(deps.tables, server.name),
  ]);
  return {
    name: server.name,
    spec: server.spec,
    status: {
      state: server.state,
      ingress: ingressOf(outputs),
      nodes: nodesOf(deps, server, fleetOf(server.spec, nodes, deps.now()), outputs, reports),
      credentials: planRotations(server, rotations).map(({ credential, rotatedAt, nextAt, unfinished }) => ({
        credential,
        rotatedAt: rotatedAt?.toISOString() ?? null,
        nextAt: nextAt?.toISOString() ?? null,
        unfinished,
      })),
      conditions: [
        ...certificateConditions(deps, server.spec.ingress, outputs, rotations),
        ...setbackOf(server),
        ...healingConditions(server, healing),
      ],
      lastOperation: { id: server.lastOperation, url: operationUrl(deps, server.name, server.lastOperation) },
      createdAt: server.createdAt.toISOString(),
    },
  };
}

function ingressOf(outputs: Outputs): JumpServerView['status']['ingress'] {
  const { ipAddress, fqdn, url } = outputs.ingress ?? {};
  return ipAddress === undefined || url === undefined ? null : { address: ipAddress, fqdn: fqdn || null, url };
}

function nodesOf(deps: Deps, server: JumpServer, fleet: NodeRecord[], outputs: Outputs, reports: StoredReport[]) {
  return fleet.map(({ number, state, drainUntil }) => {
    const name = nodeName(server.name, number);
    const stored = reports.find((one) => one.node === name);
    const desired = desiredNode(server.name, server.spec, fleet, outputs, name);
    const stale = stored === undefined || isStale(stored, deps.now());
    const reasons =
      state === 'deallocated'
        ? ['it is deallocated']
        : stale || desired === undefined
          ? ['no report from it lately']
          : reasonsUnhealthy(stored.report, desired);
    return {
      name,
      state,
      drainUntil: drainUntil?.toISOString() ?? null,
      address: outputs[nodeKey(number, 'networkInterface')]?.privateIPAddress ?? null,
      healthy: reasons.length === 0,
      reasons,
      reportedAt: stored?.receivedAt.toISOString() ?? null,
      sessions: state === 'deallocated' ? 0 : (stored?.report.sessions.served ?? 0),
    };
  });
}

const setbackOf = ({ setback }: JumpServer): JumpServerView['status']['conditions'] =>
  setback === undefined ? [] : [{ type: setback.type, message: setback.message }];

/** What the sweep said last holds only where it still looks; what healing failed at, a lost database above all, is not mended by sleep. */
const healingConditions = ({ state, spec }: JumpServer, { server }: HealingMemory) => [
  ...(state === 'Ready' && spec.healing.enabled ? [...server.conditions, ...server.noticed] : []),
  ...(state === 'Ready' || state === 'Hibernated' ? server.failure : []),
];

function certificateConditions(
  deps: Deps,
  { certificate }: JumpServer['spec']['ingress'],
  { certificate: present }: Outputs,
  rotations: readonly Rotation[],
): JumpServerView['status']['conditions'] {
  const { notAfter, replaced = '' } = present ?? {};
  const ends = notAfter !== undefined && new Date(notAfter) <= secondsAfter(deps.now(), certificateWarning);
  const problem = rotations.find(({ credential }) => credential === 'certificate')?.problem ?? '';
  const renew =
    certificate === undefined
      ? 'POST …/rotate with {"credentials": ["certificate"]} renews it.'
      : `${certificate.keyVaultSecretId} has no better one. Renew it there: it is taken within the hour, or by POST …/rotate.`;
  const stranger = `The version ${replaced} of the secret 'certificate' in the jump server's vault was not written by Molcajete and has been replaced.`;
  return [
    ...(ends ? [{ type: 'CertificateExpires', message: `The certificate ends on ${notAfter}. ${renew}` }] : []),
    ...(certificate !== undefined && problem !== ''
      ? [{ type: 'CertificateNotRenewed', message: `The present certificate stays. ${problem}` }]
      : []),
    ...(replaced !== ''
      ? [
          {
            type: 'CertificateReplaced',
            message: `${stranger} To bring a certificate, name its secret in ingress.certificate.`,
          },
        ]
      : []),
  ];
}
