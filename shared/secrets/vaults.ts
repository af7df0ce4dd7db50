import { randomInt } from 'node:crypto';
import type { TokenCredential } from '@azure/core-auth';
import { type KeyVaultSecret, SecretClient } from '@azure/keyvault-secrets';
import { deadlinePolicy } from '../azure/deadline.ts';

export interface Secret {
  value: string;
  /** 32 hexadecimal digits. */
  version: string;
  createdOn: Date;
  expiresOn?: Date;
  tags: Readonly<Record<string, string>>;
}

/** What a version is written with, besides its value. */
interface SecretDetails {
  contentType: string;
  expiresOn?: Date;
  tags?: Record<string, string>;
}

/** The secrets of one vault. */
export interface Vault {
  /** The newest version, or undefined when there is no such secret. */
  find(name: string): Promise<Secret | undefined>;
  /** A version that may be read; undefined when there is none such, or it is disabled. */
  findVersion(name: string, version: string): Promise<Secret | undefined>;
  /** Writes a new version and returns it. Brings a soft-deleted secret of that name back first. */
  put(name: string, value: string, more: SecretDetails): Promise<string>;
  /** Disables every version but this one, and lets them expire. */
  retireOthers(name: string, version: string, now: Date): Promise<void>;
  /** Deletes it (softly, as vaults do). One that is gone already is fine. */
  remove(name: string): Promise<void>;
}

export interface Vaults {
  /** The control plane's own: administrators' secrets. */
  control: Vault;
  /** A jump server's: what its nodes need. @param uri as ARM returned it */
  at(uri: string): Vault;
}

/** Names in the control plane's vault, by jump server. */
export const controlSecrets = {
  mysqlAdministrator: (jumpServer: string) => `${jumpServer}-mysql-admin`,
  guacadmin: (jumpServer: string) => `${jumpServer}-guacadmin`,
  controlAccount: (jumpServer: string) => `${jumpServer}-database`,
  /** The private certificate authority of all jump servers: its key and certificate as PEM. */
  certificateAuthority: 'certificate-authority',
} as const;

/** Names in a jump server's vault. */
export const nodeSecrets = { database: 'node-database', certificate: 'certificate' } as const;

export function createVaults(credential: TokenCredential, controlVaultUrl: string): Vaults {
  const open = new Map<string, Vault>();
  const at = (uri: string): Vault => {
    const known = open.get(uri);
    if (known !== undefined) return known;
    const made = createVault(credential, uri);
    open.set(uri, made);
    return made;
  };
  return { control: at(controlVaultUrl), at };
}

function createVault(credential: TokenCredential, uri: string): Vault {
  // The client insists on hosts below vault.azure.net unless told otherwise. The addresses come from ARM and our own settings.
  const client = new SecretClient(uri, credential, {
    disableChallengeResourceVerification: true,
    additionalPolicies: [{ policy: deadlinePolicy(), position: 'perCall' }],
  });
  return {
    async find(name) {
      try {
        return toSecret(await client.getSecret(name));
      } catch (error) {
        if (isCode(error, 404)) return undefined;
        throw error;
      }
    },
    async findVersion(name, version) {
      try {
        return toSecret(await client.getSecret(name, { version }));
      } catch (error) {
        if (isCode(error, 404) || isDisabled(error)) return undefined;
        throw error;
      }
    },
    async put(name, value, more) {
      try {
        return await write(client, name, value, more);
      } catch (error) {
        // 409 ObjectIsDeletedButRecoverable: the name is kept by soft delete.
        if (!isCode(error, 409)) throw error;
        await (await client.beginRecoverDeletedSecret(name)).pollUntilDone();
        return write(client, name, value, more);
      }
    },
    async retireOthers(name, version, now) {
      for await (const other of client.listPropertiesOfSecretVersions(name)) {
        if (other.version === undefined || other.version === version || other.enabled === false) continue;
        await client.updateSecretProperties(name, other.version, { enabled: false, expiresOn: now });
      }
    },
    async remove(name) {
      try {
        await client.beginDeleteSecret(name);
      } catch (error) {
        // Repeated, as after a crash, it meets what it has done before.
        if (!isCode(error, 404) && !isDeleted(error)) throw error;
      }
    },
  };
}

function toSecret({ value = '', properties }: KeyVaultSecret): Secret {
  const { version = '', createdOn = new Date(0), expiresOn, tags = {} } = properties;
  return { value, version, createdOn, tags, ...(expiresOn === undefined ? {} : { expiresOn }) };
}

async function write(client: SecretClient, name: string, value: string, more: SecretDetails): Promise<string> {
  const { properties } = await client.setSecret(name, value, more);
  return properties.version ?? '';
}

/** 403 is also what a missing role gives: the inner code tells (azure-behaviour.md, 2.18). */
const isDisabled = (error: unknown): boolean =>
  isCode(error, 403) && error instanceof Error && /SecretDisabled|disabled secret/.test(error.message);

/** 409 ObjectIsDeletedButRecoverable or ObjectIsBeingDeleted: the inner code, of which the client keeps the sentence only, tells. */
const isDeleted = (error: unknown): boolean =>
  isCode(error, 409) && error instanceof Error && /deleted but recoverable|being deleted/.test(error.message);

export const isCode = (error: unknown, statusCode: number): boolean =>
  error instanceof Error && 'statusCode' in error && error.statusCode === statusCode;

/** A user name and password as they are stored: JSON in the secret's value. */
export interface Login {
  username: string;
  password: string;
}

/**
 * The stored login of that name, made with a random password when there is none.
 * @param permit asked before it is written
 */
export async function ensureLogin(
  vault: Vault,
  name: string,
  username: string,
  permit: () => Promise<void> = async () => undefined,
): Promise<Login & { version: string }> {
  const existing = await vault.find(name);
  if (existing !== undefined) return { ...(JSON.parse(existing.value) as Login), version: existing.version };
  const login = { username, password: randomPassword() };
  await permit();
  const version = await vault.put(name, JSON.stringify(login), { contentType: 'application/json' });
  return { ...login, version };
}

const alphabets = ['ABCDEFGHJKLMNPQRSTUVWXYZ', 'abcdefghijkmnopqrstuvwxyz', '23456789', '-_.~'] as const;

/**
 * 32 characters, about 190 bits. At least one of each class, which Azure Database for MySQL asks for (three of four), and none
 * that a shell, an option file or a URL would read differently.
 */
export function randomPassword(): string {
  const pick = (letters: string) => letters[randomInt(letters.length)] ?? '';
  const characters = [...alphabets.map(pick), ...Array.from({ length: 28 }, () => pick(alphabets.join('')))];
  for (let i = characters.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [characters[i], characters[j]] = [characters[j] ?? '', characters[i] ?? ''];
  }
  return characters.join('');
}
