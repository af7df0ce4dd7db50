/** Flexible servers and their databases as data planes. */
import { join } from 'node:path';
import { type ArmResource, AzureFailure, type Context, type DataPlane } from '../contract.ts';
import type { Addresses } from './addresses.ts';
import { dataTemplate } from './mariadb.ts';
import { type MysqlServer, mysqlPort, openMysqlServer } from './mysqlServer.ts';
import { key, lastName, parentOf, text } from './read.ts';
import { shortPath } from './shortPath.ts';
import { withoutMachine } from './stateOnly.ts';

export interface Mysql {
  servers: DataPlane;
  databases: DataPlane;
  /** Where the server really listens, or undefined while it is down. */
  target(serverId: string): { host: string; port: number } | undefined;
  /** Puts the addresses of new private endpoints into the server's certificate. */
  refreshCertificate(serverId: string): Promise<void>;
  close(): Promise<void>;
}

const domain = 'mysql.database.azure.com';

export function openMysql(
  context: Context,
  parts: { addresses: Addresses; cacheDir: string; wiresTo(serverId: string): string[] },
): Mysql {
  const servers = new Map<string, MysqlServer>();
  // Begun before the first server is asked for; whoever needs it hears of a failure then.
  dataTemplate(parts.cacheDir).catch(() => {});
  const turns = new Map<string, Promise<unknown>>();

  /** One thing at a time for each server. */
  function inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(key(id)) ?? Promise.resolve()).then(work, work);
    turns.set(
      key(id),
      mine.catch(() => {}),
    );
    return mine;
  }

  function serverOf(resource: ArmResource): MysqlServer {
    const known = servers.get(key(resource.id));
    if (known) return known;
    const dir = join(context.dir, 'mysql', resource.name.toLowerCase());
    const server = openMysqlServer({
      dir,
      socket: `${shortPath(context.dir, dir)}.sock`,
      address: parts.addresses.allocate('mysql', resource.id),
      cacheDir: parts.cacheDir,
      issue: (names) => context.certificates.issue(names),
      log: context.log,
    });
    servers.set(key(resource.id), server);
    return server;
  }

  // Clients that cannot be given another resolver (Debian's mariadb) connect to the endpoint's address: it is in the certificate, too.
  const certificateNames = (resource: { id: string; name: string }): string[] => [
    `${resource.name}.${domain}`,
    `${resource.name}.privatelink.${domain}`,
    ...parts.wiresTo(resource.id).sort(),
  ];

  async function apply(resource: ArmResource, writeOnly: Record<string, unknown>): Promise<Record<string, unknown>> {
    const answer = { fullyQualifiedDomainName: `${resource.name}.${domain}` };
    if (withoutMachine(resource)) return answer;
    const server = serverOf(resource);
    const login = text(resource.properties.administratorLogin);
    const password = text(writeOnly.administratorLoginPassword);
    await server.useCertificate(certificateNames(resource));
    // A lost server is only made anew by a request that brings its administrator.
    if (server.power() === 'running' || (server.power() === 'lost' && password)) await server.start();
    if (server.isUp() && login && password) await server.setAdministrator(login, password);
    return answer;
  }

  const actions: Record<string, (server: MysqlServer) => Promise<void>> = {
    start: (server) => server.start(),
    stop: (server) => server.stop('stopped'),
    restart: (server) => server.restart(),
    failover: (server) => server.restart(),
    'fault:stop': (server) => server.stop('stopped', 'kill'),
    'fault:lose': (server) => server.stop('lost', 'kill'),
  };

  async function act(resource: ArmResource, action: string): Promise<undefined> {
    const work = actions[action];
    if (!work) throw new AzureFailure('NotFound', `A MySQL server has no action '${action}'.`, 404);
    if (withoutMachine(resource)) return undefined;
    const server = serverOf(resource);
    if (server.power() === 'lost') {
      throw new AzureFailure(
        'InternalServerError',
        `The data of server '${resource.name}' is lost; delete it and create it again.`,
        500,
      );
    }
    await work(server);
    return undefined;
  }

  const databaseStatement = async (resource: ArmResource, statement: (name: string) => string): Promise<void> => {
    const server = servers.get(parentOf(resource.id));
    if (server?.isUp()) await server.execute(statement(`\`${lastName(resource.id).replaceAll('`', '``')}\``));
  };

  return {
    servers: {
      apply: (resource, writeOnly) => inTurn(resource.id, () => apply(resource, writeOnly)),
      act: (resource, action) => inTurn(resource.id, () => act(resource, action)),
      remove: (resource) =>
        inTurn(resource.id, async () => {
          await serverOf(resource).destroy();
          servers.delete(key(resource.id));
          parts.addresses.release('mysql', resource.id);
        }),
    },
    databases: {
      async apply(resource) {
        const word = (value: unknown, other: string): string => (text(value) ?? other).replaceAll(/\W/g, '');
        const charset = word(resource.properties.charset, 'utf8mb4');
        await databaseStatement(resource, (name) => `CREATE DATABASE IF NOT EXISTS ${name} CHARACTER SET ${charset}`);
        return undefined;
      },
      remove: (resource) => databaseStatement(resource, (name) => `DROP DATABASE IF EXISTS ${name}`),
    },
    target(serverId) {
      const server = servers.get(key(serverId));
      return server?.isUp() ? { host: server.address, port: mysqlPort } : undefined;
    },
    refreshCertificate: (serverId) =>
      inTurn(serverId, async () => {
        const server = servers.get(key(serverId));
        const resource = context.state.get(serverId);
        if (server && resource) await server.useCertificate(certificateNames(resource));
      }),
    async close() {
      await dataTemplate(parts.cacheDir).catch(() => {});
      await Promise.all([...servers.values()].map((server) => server.suspend()));
    },
  };
}
