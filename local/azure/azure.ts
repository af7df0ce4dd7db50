import { randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { join, resolve } from 'node:path';
import { type Arm, createArm, openArmState } from './arm/arm.ts';
import { controlListener } from './arm/control.ts';
import { setOptions } from './arm/env.ts';
import { claimRange } from './claim.ts';
import type { Context, DataPlanes } from './contract.ts';
import { openAddresses } from './fabric/addresses.ts';
import { createFabric } from './fabric/fabric.ts';
import { createIdentity } from './identity/identity.ts';
import { listen } from './identity/listen.ts';
import { openAuthority } from './tls.ts';
import { createVaults } from './vault/vaults.ts';

export interface AzureOptions {
  /** State directory. */
  dir: string;
  /** Multiplies Azure's real durations. */
  factor: number;
  /** Where the ARM requests are written; default `<dir>/../arm-requests.jsonl`. */
  trace?: string;
  /** How this copy of Azure behaves where regions or times differ; see ArmOptions. */
  options?: Record<string, unknown>;
  log?(message: string): void;
}

/** What `endpoints.json` says. */
export interface AzureEndpoints {
  range: string;
  arm: string;
  tenantId: string;
  subscriptionId: string;
  location: string;
  issuer: string;
  identityEndpoint: string;
  identityHeader: string;
  control: string;
  ca: string;
  hosts: string;
  ownerOid: string;
}

export interface LocalAzure {
  endpoints: AzureEndpoints;
  arm: Arm;
  close(): Promise<void>;
}

const owner = '8e3af657-a8ff-443c-a75c-2fe8c4bcb635';
const audiences = ['https://management.azure.com', 'https://management.core.windows.net'];
const location = 'westeurope';

/**
 * Starts one copy of the local Azure: claims a /16, opens the state, starts identity, vaults and fabric, makes what is stored real
 * again, and only then listens. Throws when a part cannot start.
 */
export async function startAzure(options: AzureOptions): Promise<LocalAzure> {
  const dir = resolve(options.dir);
  const log = options.log ?? (() => {});
  mkdirSync(dir, { recursive: true });
  const opened = openArmState({ stateFile: join(dir, 'state.sqlite'), factor: options.factor });
  setOptions(opened.options, options.options ?? {});
  const { state, rbac } = opened;
  const had = state.once('range', () => '') || undefined;
  const claim = await claimRange(dir, had);
  if (had !== undefined && had !== claim.range)
    log(
      `The range ${had} is taken: this copy now has ${claim.range}, and what others remember of its addresses is wrong.`,
    );
  state.set('range', claim.range);
  const { range } = claim;
  const host = `${range}.0.1`;
  const tenantId = state.once('tenantId', randomUUID);
  const subscriptionId = state.once('subscriptionId', randomUUID);
  const ownerOid = state.once('ownerOid', randomUUID);
  const certificates = await openAuthority(dir);
  const context: Context = { dir, range, tenantId, subscriptionId, location, state, rbac, certificates, log };

  const identity = await createIdentity(context);
  const addresses = openAddresses(dir, range);
  const vaults = await createVaults(context, identity);
  const fabric = await createFabric(context, { addresses, imds: identity.imds, factor: options.factor });
  const planes: DataPlanes = { ...identity.dataPlanes, ...vaults.dataPlanes, ...fabric.dataPlanes };

  let origin = '';
  const parts = {
    planes,
    origin: () => origin,
    principalOf: (id: string) => identity.principals.of(id),
    async authenticate(token: string) {
      const caller = await identity.verify(token, audiences);
      return { objectId: caller.oid, clientId: caller.appid };
    },
  };
  const arm = createArm(context, opened, parts, options.trace ?? resolve(dir, '..', 'arm-requests.jsonl'));
  if (!state.list('Microsoft.Authorization/roleAssignments').some((one) => one.properties.principalId === ownerOid))
    arm.assign(ownerOid, owner, `/subscriptions/${subscriptionId}`);
  await arm.restore();

  const { certPem, keyPem } = await certificates.issue([host]);
  const armServer = createHttpsServer({ cert: certPem, key: keyPem }, arm.listener);
  // Longer than any client keeps an idle connection, so that none is closed under a request.
  armServer.keepAliveTimeout = 120_000;
  const armListener = await listen(armServer, host, 8400);
  origin = `https://${host}:${armListener.port}`;
  const controlServer = createHttpServer(
    controlListener(arm, { identity: identity.control, connectivity: fabric.connectivity }),
  );
  const control = await listen(controlServer, host, 8403);

  const endpoints: AzureEndpoints = {
    range,
    arm: origin,
    tenantId,
    subscriptionId,
    location,
    issuer: identity.issuer,
    identityEndpoint: identity.identityEndpoint,
    identityHeader: identity.identityHeader,
    control: `http://${host}:${control.port}`,
    ca: certificates.caFile,
    hosts: `${join(dir, 'hosts')}/`,
    ownerOid,
  };
  const file = join(dir, 'endpoints.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(endpoints, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
  return {
    endpoints,
    arm,
    async close() {
      await Promise.all([armListener.close(), control.close()]);
      opened.clock.stop();
      await fabric.close();
      await vaults.close();
      await identity.close();
      addresses.close();
      await arm.close();
      await claim.release();
    },
  };
}
