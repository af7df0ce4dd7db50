import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createWrites } from '../../shared/azure/armStep.ts';
import type { Attempt, Outcome } from '../../shared/azure/engine.ts';
import { describeCertificate } from '../../shared/certificates.ts';
import type { Deps } from '../../shared/deps.ts';
import { oldCertificate } from '../../shared/healing/compare.ts';
import { describeJumpServer } from '../../shared/jumpServerView.ts';
import { certificateRotationStep } from '../../shared/rotation/certificateStep.ts';
import { decideRotation } from '../../shared/rotation/due.ts';
import { isLookDue, lookAtSource } from '../../shared/rotation/source.ts';
import { sweepRotations } from '../../shared/rotation/sweep.ts';
import { readBrought, refuseBadCertificate } from '../../shared/secrets/broughtCertificate.ts';
import { certificateStep, ensureAuthority } from '../../shared/steps/certificate.ts';
import { putInventory } from '../../shared/store/inventory.ts';
import { type JumpServer, putJumpServer } from '../../shared/store/jumpServers.ts';
import type { Lease } from '../../shared/store/leases.ts';
import { beginRotation, listAllRotations, listRotations } from '../../shared/store/rotations.ts';
import { secondsAfter } from '../../shared/time.ts';
import { createPublicAuthority, type LeafOptions, type PublicAuthority } from './publicAuthority.ts';
import { specWith } from './sample.ts';
import { createTablesStub } from './tablesStub.ts';
import { createVaultsStub, type VaultsStub } from './vaultsStub.ts';

const control = 'https://molcajete-control.vault.azure.net/';
const own = 'https://demo-1234.vault.azure.net/';
const theirs = 'https://contoso.vault.azure.net/';
const id = `${theirs}secrets/jump`;
const hostname = 'jump.contoso.com';
const address = { ipAddress: '20.1.2.3', fqdn: 'door.westeurope.cloudapp.azure.com' };
const outputs = { vault: { vaultUri: own }, publicIpAddress: address };
const day = 24 * 3600;

let authority: PublicAuthority;
let vaults: VaultsStub;
let deps: Deps;
let now: Date;
let writes: number;
const attempt = {
  permit: async () => void writes++,
  within: async (work: Promise<unknown>) => ({ value: await work }),
} as Attempt;

beforeAll(async () => {
  authority = await createPublicAuthority();
});
beforeEach(() => {
  now = new Date();
  writes = 0;
  vaults = createVaultsStub(control);
  const config = { MOLCAJETE_VAULT_URL: control, AZURE_CLIENT_ID: 'client-1' };
  deps = { vaults, config, tables: createTablesStub(), now: () => now } as unknown as Deps;
});

const brought = { hostname, certificate: { keyVaultSecretId: id } };
const step = (ingress: object): Promise<Outcome> =>
  certificateStep(deps, 'demo', specWith({ ingress }).ingress).ensure(outputs, attempt);
const present = () => vaults.versions(own, 'certificate');
const failureOf = (outcome: Outcome) => (outcome.state === 'failed' ? outcome.failure : undefined);

/** A new certificate in the user's vault. */
async function bring(options: Partial<LeafOptions> = {}): Promise<string> {
  const { key, leaf } = await authority.issue({ names: [hostname], ...options });
  const text = key + leaf + authority.intermediate + authority.root;
  await vaults.at(theirs).put('jump', text, { contentType: 'application/x-pem-file' });
  return text;
}
const ended = (): Partial<LeafOptions> => ({ notAfter: secondsAfter(now, -60) });

const refused = Object.assign(new Error('ForbiddenByRbac'), { statusCode: 403 });
const nowhere = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' });

describe('the secret that a spec names', () => {
  const read = async (keyVaultSecretId = id) => {
    const found = await readBrought(deps, keyVaultSecretId, hostname);
    return 'failure' in found ? found.failure : found;
  };

  test('is read with the version that is the newest, or with the one that is named', async () => {
    const [first, second] = [await bring(), await bring()];
    const [one, two] = vaults.versions(theirs, 'jump').map(({ version }) => version);
    expect(await read()).toEqual({ value: second, source: `${id}/${two}` });
    expect(await read(`${id}/${one}`)).toEqual({ value: first, source: `${id}/${one}` });
  });

  test.each<[string, () => unknown, string, RegExp]>([
    ['is not there', () => {}, 'CertificateSecretNotFound', /no secret 'jump' in the vault contoso.vault.azure.net/],
    [
      'may not be read',
      () => vaults.troubles.set(theirs, refused),
      'CertificateSecretForbidden',
      /client-1.*Secrets User/,
    ],
    ['cannot be reached', () => vaults.troubles.set(theirs, nowhere), 'CertificateVaultUnreachable', /ENOTFOUND/],
    [
      'holds something else',
      () => vaults.at(theirs).put('jump', '{"password": "hush"}', { contentType: '' }),
      'CertificateUnreadable',
      /exportable key, or PEM/,
    ],
    [
      'does not cover the name',
      () => bring({ names: ['other.contoso.com'] }),
      'CertificateNameMissing',
      /jump.contoso.com/,
    ],
    ['has ended', () => bring(ended()), 'CertificateExpired', /better version/],
  ])('that %s is refused with what is wrong and what to do', async (_, make, code, words) => {
    await make();
    const failure = await read();
    expect(failure).toMatchObject({ code });
    expect(JSON.stringify(failure)).toMatch(words);
    expect(JSON.stringify(failure)).not.toContain('hush');
    const { ingress } = specWith({ ingress: brought });
    await expect(refuseBadCertificate(deps, ingress)).rejects.toMatchObject({ status: 400, code });
  });

  test('is asked for nowhere but in the vaults of the own cloud, whatever a spec says', async () => {
    for (const host of ['vault.evil.example', 'x.vault.azure.net.evil.example', 'x.vault.azure.net:8443', '127.0.0.1'])
      expect([host, await read(`https://${host}/secrets/jump`)]).toMatchObject([
        host,
        { code: 'CertificateVaultForeign' },
      ]);
  });
});

describe('a provision', () => {
  test('takes what was brought, once, and each newer version', async () => {
    const first = await bring();
    expect(await step(brought)).toMatchObject({ state: 'ready', output: { peerName: hostname } });
    await step(brought);
    expect(present()).toMatchObject([
      { value: first, tags: { 'molcajete-source': expect.stringContaining(`${id}/`) } },
    ]);
    expect(present()[0]?.expiresOn).toEqual(describeCertificate(first).notAfter);
    const second = await bring();
    expect(await step(brought)).toMatchObject({ output: { version: present()[1]?.version } });
    expect(present().map(({ value }) => value)).toEqual([first, second]);
  });

  test('fails at once on one that is no good, and writes nothing', async () => {
    await bring(ended());
    expect(failureOf(await step(brought))?.code).toBe('CertificateExpired');
    expect([present(), writes]).toEqual([[], 0]);
  });

  test('keeps the present one when its renewal is no good or cannot be read, but not for another name or secret', async () => {
    await bring({ names: [hostname, 'second.contoso.com'] });
    const { output } = (await step(brought)) as Extract<Outcome, { state: 'ready' }>;
    await bring({ names: ['other.contoso.com'] });
    expect(await step(brought)).toEqual({ state: 'ready', output });
    expect(await step({ ...brought, hostname: 'second.contoso.com' })).toEqual({ state: 'ready', output });
    expect(failureOf(await step({ ...brought, hostname: 'third.contoso.com' }))?.code).toBe('CertificateNameMissing');
    vaults.troubles.set(theirs, nowhere);
    expect(await step(brought)).toEqual({ state: 'ready', output });
    const elsewhere = { keyVaultSecretId: `${theirs}secrets/another` };
    expect(failureOf(await step({ ...brought, certificate: elsewhere }))?.code).toBe('CertificateVaultUnreachable');
    expect(present()).toHaveLength(1);
  });

  test('keeps the present one past its end, too: nodes can be repaired and added meanwhile', async () => {
    await bring({ notAfter: secondsAfter(now, 5 * day) });
    const { output } = (await step(brought)) as Extract<Outcome, { state: 'ready' }>;
    now = secondsAfter(now, 6 * day);
    expect(await step(brought)).toEqual({ state: 'ready', output });
    expect(present()).toHaveLength(1);
  });

  test('never puts one of our own in the place of a brought one that nears its end', async () => {
    await bring({ notAfter: secondsAfter(now, 5 * day) });
    await step(brought);
    await step(brought);
    expect(present()).toHaveLength(1);
    await step({ hostname });
    expect(describeCertificate(present()[1]?.value ?? '').issuer).toContain('Molcajete');
    await step(brought);
    expect(describeCertificate(present()[2]?.value ?? '').issuer).toContain('Public');
  });

  test("issues one of our own for the address and both names, and again when the user's name is new", async () => {
    await step({});
    await step({});
    expect(present()).toHaveLength(1);
    await step({ hostname });
    await step({ hostname });
    const [, second] = present();
    expect(present()).toHaveLength(2);
    expect(describeCertificate(second?.value ?? '').names).toEqual(
      expect.arrayContaining([address.ipAddress, address.fqdn, hostname]),
    );
    expect(second?.tags).toEqual({});
  });

  test('says so when it replaces a version that somebody else wrote', async () => {
    const { key, leaf } = await authority.issue({ names: [hostname] });
    const stranger = await vaults.at(own).put('certificate', key + leaf, { contentType: '' });
    expect(await step({ hostname })).toMatchObject({ output: { replaced: stranger } });
    expect(present()).toHaveLength(2);
    await bring();
    expect(await step(brought)).toMatchObject({ output: { replaced: '' } });
  });

  test('of two first jump servers at once issues by the authority that stays', async () => {
    const other = createVaultsStub(control);
    await ensureAuthority(other.control);
    const theirAuthority = other.versions(control, 'certificate-authority')[0]?.value ?? '';
    const { find } = vaults.control;
    let looks = 0;
    vaults.control.find = async (name) => {
      // The other one, who has found none either, writes after this one has looked again.
      if (++looks === 3) await vaults.control.put(name, theirAuthority, { contentType: '' });
      return find(name);
    };
    await step({});
    const { certificate } = JSON.parse(theirAuthority) as { certificate: string };
    expect(present()).toHaveLength(1);
    expect(present()[0]?.value).toContain(certificate);
  });
});

const server = (ingress: object = brought): JumpServer => ({
  ...{ name: 'demo', state: 'Ready', createdAt: now, lastOperation: 'op', etag: '' },
  spec: specWith({ ingress }),
});
const conditions = async (of = server()) => {
  const { status } = await describeJumpServer(deps, of);
  return status.conditions.map(({ type }) => type);
};
/** As a provision leaves it. */
async function provisioned(ingress: object = brought): Promise<void> {
  const outcome = await step(ingress);
  if (outcome.state !== 'ready') throw new Error(JSON.stringify(outcome));
  for (const [key, output] of Object.entries({ ...outputs, certificate: outcome.output }))
    await putInventory(deps.tables, 'demo', { key, type: '', id: '', dependsOn: [], output });
}

describe('between provisions', () => {
  test('a newer version is taken by a rotation', async () => {
    await bring();
    await provisioned();
    expect(await lookAtSource(deps, { server: server(), now })).toBeUndefined();
    await bring();
    const found = await lookAtSource(deps, { server: server(), now });
    expect(found).toMatchObject({ order: { credentials: ['certificate'] }, reason: expect.stringContaining(id) });
    expect(await conditions()).toEqual([]);
  });

  test('a newer version is taken, before all else, also while another rotation stays unfinished', async () => {
    await bring();
    await provisioned();
    const { etag: _, ...ready } = server();
    await putJumpServer(deps.tables, ready);
    await beginRotation(deps.tables, 'demo', { credential: 'mysqlAdministrator', operationId: 'stuck' });
    await bring();
    const started: Lease[] = [];
    await sweepRotations(deps, async (lease) => void started.push(lease));
    expect(started.map(({ spec }) => JSON.parse(spec))).toEqual([
      { credentials: ['certificate', 'mysqlAdministrator'] },
    ]);
    expect(started[0]?.reason).toMatch(
      /^a newer certificate .*; carries on an interrupted rotation: mysqlAdministrator$/,
    );
  });

  test('one that is no good is a condition until a better one is there, and changes nothing', async () => {
    await bring();
    await provisioned();
    await bring(ended());
    expect(await lookAtSource(deps, { server: server(), now })).toBeUndefined();
    expect(await conditions()).toEqual(['CertificateNotRenewed']);
    expect(await conditions(server({ hostname }))).toEqual([]);
    expect(present()).toHaveLength(1);
    await bring();
    expect(await lookAtSource(deps, { server: server(), now })).toBeDefined();
    expect(await conditions()).toEqual([]);
  });

  test('one that nears its end without a newer one is a condition that says where to renew it', async () => {
    await bring({ notAfter: secondsAfter(now, 5 * day) });
    await provisioned();
    expect(await lookAtSource(deps, { server: server(), now })).toBeUndefined();
    const { status } = await describeJumpServer(deps, server());
    expect(status.conditions).toMatchObject([{ type: 'CertificateExpires', message: expect.stringContaining(id) }]);
  });

  test("a stranger's version that was replaced is a condition", async () => {
    await bring();
    const { key, leaf } = await authority.issue({ names: ['x.example'] });
    await vaults.at(own).put('certificate', key + leaf, { contentType: '' });
    await provisioned();
    expect(await conditions()).toEqual(['CertificateReplaced']);
  });

  test('the source is looked at every hour, while nobody is at work', async () => {
    const minute = { server: server(), rotations: [], lease: undefined, now };
    const looked = (seconds: number) => [
      { credential: 'certificate' as const, operationId: '', unfinished: false, lookedAt: secondsAfter(now, -seconds) },
    ];
    expect(isLookDue(minute)).toBe(true);
    expect(isLookDue({ ...minute, rotations: looked(3599) })).toBe(false);
    expect(isLookDue({ ...minute, rotations: looked(3600) })).toBe(true);
    expect(isLookDue({ ...minute, server: server({ hostname }) })).toBe(false);
    expect(isLookDue({ ...minute, server: { ...server(), state: 'Hibernated' } })).toBe(false);
  });

  test('five sources are looked at in a minute, and whose look is longest ago comes first', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const { etag: _, ...ready } = server();
    for (const name of names) await putJumpServer(deps.tables, { ...ready, name });
    const looked = async () => {
      await sweepRotations(deps, async () => {});
      const all = await listAllRotations(deps.tables);
      return names.filter((name) => all.get(name)?.[0]?.lookedAt?.getTime() === now.getTime());
    };
    expect(await looked()).toEqual(['a', 'b', 'c', 'd', 'e']);
    now = secondsAfter(now, 3600);
    expect(await looked()).toEqual(['a', 'b', 'c', 'f', 'g']);
    now = secondsAfter(now, 3600);
    expect(await looked()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('its age rotates no certificate that is brought, nor heals a jump server that has one', () => {
    const soon = secondsAfter(now, 5 * day).toISOString();
    expect(oldCertificate(server({ hostname }).spec, soon, now)).toHaveLength(1);
    expect(oldCertificate(server().spec, soon, now)).toEqual([]);
    const later = { rotations: [], lease: undefined, now: secondsAfter(now, 400 * day) };
    expect(decideRotation({ ...later, server: server({ hostname }) })?.order.credentials).toEqual(['certificate']);
    expect(decideRotation({ ...later, server: server() })).toBeUndefined();
  });
});

test('a rotation by hand to one that is no good fails at once, changes nothing and is not carried on', async () => {
  await bring();
  await provisioned();
  await bring(ended());
  await beginRotation(deps.tables, 'demo', { credential: 'certificate', operationId: 'op-2' });
  const holder = { jumpServer: 'demo', operationId: 'op-2', fence: 1 };
  const rotating = {
    ...{ deps, writes: createWrites(), holder, server: server(), rotations: [] },
    failingSince: new Map<string, Date>(),
  };
  const outcome = await certificateRotationStep(rotating, []).ensure({}, attempt);
  expect(failureOf(outcome)?.code).toBe('CertificateExpired');
  expect(present()).toHaveLength(1);
  expect(await listRotations(deps.tables, 'demo')).toMatchObject([{ unfinished: false }]);
});
