import { type OpenSession, openSession } from '../e2e/load.ts';
import { openWorld, spec, type World } from '../e2e/world.ts';

/** A row of `GET …/operations`. */
export interface Summary {
  id: string;
  kind: string;
  status: string;
  reason: string;
  createdAt: string;
  finishedAt?: string;
}

/** A jump server that things happen to, while users log in. */
export interface Patient {
  world: World;
  name: string;
  base: string;
  ingress: string;
  account: { username: string; password: string };
  /** Full id of one of its resources, `Microsoft.Compute/virtualMachines`, `ill-1`. */
  id(type: string, name: string): string;
  /** The first resource of a type whose id holds this. */
  find(type: string, part: string): Promise<{ id: string }>;
  /** A fault of the thing itself: crash, freeze, isolate, lose, stop. */
  strike(id: string, kind: string): Promise<void>;
  /** Gone, or changed by a merge patch, behind everybody's back. */
  vanish(id: string): Promise<void>;
  change(id: string, patch: object): Promise<void>;
  /** Runs a timer of the product now, instead of at its minute. */
  tick(timer: string): Promise<void>;
  operations(): Promise<Summary[]>;
  /** A session that this node serves: new flows until the balancer has chosen it. */
  sessionOn(node: string): Promise<OpenSession>;
  /** Rows of open sessions in Guacamole's history. */
  openRows(): Promise<number>;
  // biome-ignore lint/suspicious/noExplicitAny: tests reach into answers of every shape
  status(): Promise<any>;
  close(): Promise<void>;
}

export async function openPatient(name = 'ill', healing: object = {}): Promise<Patient> {
  const world = await openWorld();
  const { control, subscriptionId } = world.stack.endpoints;
  const base = `/jump-servers/${name}`;
  const account = { username: 'ben', password: 'correct horse 2' };
  const body = spec({ healing: { gracePeriod: 'PT10S', maxRepairsPerHour: 100, ...healing } });
  const made = await world.provision(name, body);
  if (made.status !== 'Succeeded') throw new Error(`It could not be made: ${JSON.stringify(made.error)}`);
  const connection = await makeUser(world, base, account);
  const tell = async (method: string, path: string, given?: object) => {
    const answer = await fetch(`${control}${path}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(given === undefined ? {} : { body: JSON.stringify(given) }),
    });
    if (!answer.ok) throw new Error(`${method} ${path} was answered with ${answer.status}: ${await answer.text()}`);
    return answer.json();
  };
  const status = async () => (await world.call('GET', base)).body.status;
  const at = (id: string) => `/resources?id=${encodeURIComponent(id)}`;
  const ingress = (await status()).ingress.url;
  return {
    world,
    name,
    base,
    ingress,
    account,
    id: (type, child) => `/subscriptions/${subscriptionId}/resourceGroups/molcajete-${name}/providers/${type}/${child}`,
    async find(type, part) {
      const { value } = (await tell('GET', '/resources')) as { value: { id: string; type: string }[] };
      const found = value.find((one) => one.type.toLowerCase() === type.toLowerCase() && one.id.includes(part));
      if (found === undefined) throw new Error(`There is no ${type} with '${part}'.`);
      return found;
    },
    strike: async (id, kind) => void (await tell('POST', '/faults', { kind, match: { id } })),
    vanish: async (id) => void (await tell('DELETE', at(id))),
    change: async (id, patch) => void (await tell('PATCH', at(id), patch)),
    async tick(timer) {
      const url = `${world.stack.endpoints.api.replace(/\/api$/, '')}/admin/functions/${timer}`;
      const headers = { 'content-type': 'application/json' };
      // The host may be down just now: some tests kill it.
      await fetch(url, { method: 'POST', headers, body: '{}' }).catch(() => undefined);
    },
    operations: async () => (await world.call('GET', `${base}/operations`)).body.value,
    async sessionOn(node) {
      for (let last = 10; last < 200; last++) {
        const session = await openSession({ ingress, from: `127.0.0.${last}` }, account, connection);
        if (session?.home === node) return session;
        session?.close();
      }
      throw new Error(`No flow came to ${node}.`);
    },
    openRows: async () => (await world.call('GET', `${base}/sessions`)).body.value.length,
    status,
    close: () => world.close(),
  };
}

/** Somebody who may log in and open one connection; returns that connection. */
async function makeUser(world: World, base: string, account: { username: string }): Promise<string> {
  await world.call('POST', `${base}/users`, { body: account });
  const body = { name: 'web', protocol: 'ssh', parentIdentifier: 'ROOT', parameters: {}, attributes: {} };
  const connection = (await world.call('POST', `${base}/connections`, { body })).body.identifier;
  await world.call('PATCH', `${base}/users/${account.username}/permissions`, {
    raw: JSON.stringify([{ op: 'add', path: `/connectionPermissions/${connection}`, value: 'READ' }]),
    headers: { 'content-type': 'application/json-patch+json' },
  });
  return connection;
}
