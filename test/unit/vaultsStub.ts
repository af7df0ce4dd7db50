import type { Secret, Vault, Vaults } from '../../shared/secrets/vaults.ts';

type Versions = (Secret & { enabled: boolean })[];

/** Vaults in memory, by address. */
export interface VaultsStub extends Vaults {
  /** All versions of a secret, oldest first. */
  versions(uri: string, name: string): Versions;
  /** What a vault answers instead of its secrets. */
  troubles: Map<string, Error>;
}

export function createVaultsStub(control: string): VaultsStub {
  const all = new Map<string, Versions>();
  const troubles = new Map<string, Error>();
  const versions = (uri: string, name: string): Versions => {
    const key = `${uri} ${name}`;
    const found = all.get(key) ?? [];
    all.set(key, found);
    return found;
  };
  let made = 0;
  const at = (uri: string): Vault => {
    const look = async (name: string): Promise<Versions> => {
      const trouble = troubles.get(uri);
      if (trouble !== undefined) throw trouble;
      return versions(uri, name);
    };
    return {
      find: async (name) => (await look(name)).at(-1),
      findVersion: async (name, version) => (await look(name)).find((one) => one.version === version && one.enabled),
      async put(name, value, { tags = {}, expiresOn }) {
        const version = (++made).toString(16).padStart(32, '0');
        const dates = { createdOn: new Date(), ...(expiresOn === undefined ? {} : { expiresOn }) };
        (await look(name)).push({ value, version, tags, enabled: true, ...dates });
        return version;
      },
      async retireOthers(name, version) {
        for (const one of await look(name)) one.enabled = one.version === version;
      },
      remove: async (name) => void all.delete(`${uri} ${name}`),
    };
  };
  return { control: at(control), at, versions, troubles };
}
