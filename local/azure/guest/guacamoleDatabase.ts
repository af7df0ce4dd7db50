/** What Guacamole's web application asks its database. Only SELECT, INSERT and UPDATE: its account has no more. */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { createPool, type Pool, type ResultSetHeader, type RowDataPacket } from 'mysql2/promise';
import type { Account } from './guacamoleLogin.ts';

export interface Connection {
  id: number;
  name: string;
  parentId: number | null;
  protocol: string;
  maxConnections: number | null;
  maxConnectionsPerUser: number | null;
}

export interface ConnectionGroup {
  id: number;
  name: string;
  parentId: number | null;
  type: string;
}

export interface GuacamoleDatabase {
  /** Throws when the login or the TLS verification fails. */
  check(): Promise<void>;
  account(name: string): Promise<Account | undefined>;
  isAdministrator(entityId: number): Promise<boolean>;
  /** Those that the user may READ, directly or by a group; everything when `all`. */
  connections(entityId: number, all: boolean): Promise<Connection[]>;
  connectionGroups(entityId: number, all: boolean): Promise<ConnectionGroup[]>;
  /** Opens a history row and returns its id. */
  beginLogin(account: Account, remoteHost: string): Promise<number>;
  endLogin(historyId: number): Promise<void>;
  beginSession(account: Account, connection: Connection, remoteHost: string): Promise<number>;
  endSession(historyId: number): Promise<void>;
  close(): Promise<void>;
}

type Row = Record<string, unknown> & RowDataPacket;

/** The user's own entity and those of its groups, nested ones too; a disabled group gives nothing. */
const entities = `WITH RECURSIVE entities (id) AS (
  SELECT CAST(? AS SIGNED) UNION
  SELECT user_group.entity_id FROM entities
    JOIN guacamole_user_group_member member ON member.member_entity_id = entities.id
    JOIN guacamole_user_group user_group ON user_group.user_group_id = member.user_group_id AND user_group.disabled = 0)`;

/** From the official image's environment variables. `readSecret` reads a file by its path in the container. */
export function openGuacamoleDatabase(
  env: Record<string, string | undefined>,
  readSecret: (path: string) => string,
): GuacamoleDatabase {
  const host = env.MYSQL_HOSTNAME ?? '';
  const port = Number(env.MYSQL_PORT ?? 3306);
  const verified = env.MYSQL_SSL_MODE === 'verify-identity' || env.MYSQL_SSL_MODE === 'verify-ca';
  const pool = createPool({
    ...{ host, port, user: env.MYSQL_USERNAME, database: env.MYSQL_DATABASE },
    password: env.MYSQL_PASSWORD_FILE ? readSecret(env.MYSQL_PASSWORD_FILE).trim() : env.MYSQL_PASSWORD,
    ...{ connectionLimit: 4, dateStrings: true, timezone: 'Z', connectTimeout: 5000 },
    ssl: verified
      ? { ca: trusted(env), verifyIdentity: env.MYSQL_SSL_MODE === 'verify-identity' }
      : { rejectUnauthorized: false },
    // A node's packets carry its own address: the network's rules are about that.
    stream: () => connect({ host, port, localAddress: env.LOCAL_SOURCE }),
  });
  return queries(pool);
}

const trusted = (env: Record<string, string | undefined>): string | undefined =>
  env.NODE_EXTRA_CA_CERTS ? readFileSync(env.NODE_EXTRA_CA_CERTS, 'utf8') : undefined;

function queries(pool: Pool): GuacamoleDatabase {
  const select = async (sql: string, values: unknown[]): Promise<Row[]> => (await pool.query<Row[]>(sql, values))[0];
  const insert = async (sql: string, values: unknown[]): Promise<number> =>
    (await pool.query<ResultSetHeader>(sql, values))[0].insertId;

  return {
    async check() {
      await pool.query('SELECT 1 FROM guacamole_user LIMIT 1');
    },
    async account(name) {
      const rows = await select(
        `SELECT user.*, entity.name FROM guacamole_user user JOIN guacamole_entity entity ON entity.entity_id = user.entity_id
         WHERE entity.type = 'USER' AND entity.name = ?`,
        [name],
      );
      // The column's collation does not tell letter case apart, Guacamole does.
      const row = rows.find((one) => one.name === name);
      return row && toAccount(row);
    },
    async isAdministrator(entityId) {
      const sql = `${entities} SELECT 1 FROM guacamole_system_permission
        WHERE entity_id IN (SELECT id FROM entities) AND permission = 'ADMINISTER' LIMIT 1`;
      return (await select(sql, [entityId])).length > 0;
    },
    async connections(entityId, all) {
      const rows = await select(readable('connection', all), all ? [] : [entityId]);
      return rows.map((row) => ({
        id: Number(row.connection_id),
        name: String(row.connection_name),
        parentId: nullable(row.parent_id, Number),
        protocol: String(row.protocol),
        maxConnections: nullable(row.max_connections, Number),
        maxConnectionsPerUser: nullable(row.max_connections_per_user, Number),
      }));
    },
    async connectionGroups(entityId, all) {
      const rows = await select(readable('connection_group', all), all ? [] : [entityId]);
      return rows.map((row) => ({
        id: Number(row.connection_group_id),
        name: String(row.connection_group_name),
        parentId: nullable(row.parent_id, Number),
        type: String(row.type),
      }));
    },
    beginLogin: (account, remoteHost) =>
      insert(
        'INSERT INTO guacamole_user_history (user_id, username, remote_host, start_date) VALUES (?, ?, ?, UTC_TIMESTAMP())',
        [account.userId, account.name, remoteHost],
      ),
    async endLogin(historyId) {
      await pool.query('UPDATE guacamole_user_history SET end_date = UTC_TIMESTAMP() WHERE history_id = ?', [
        historyId,
      ]);
    },
    beginSession: (account, connection, remoteHost) =>
      insert(
        `INSERT INTO guacamole_connection_history (user_id, username, remote_host, connection_id, connection_name, start_date)
         VALUES (?, ?, ?, ?, ?, UTC_TIMESTAMP())`,
        [account.userId, account.name, remoteHost, connection.id, connection.name],
      ),
    async endSession(historyId) {
      await pool.query('UPDATE guacamole_connection_history SET end_date = UTC_TIMESTAMP() WHERE history_id = ?', [
        historyId,
      ]);
    },
    close: () => pool.end(),
  };
}

function readable(kind: 'connection' | 'connection_group', all: boolean): string {
  const rows = `SELECT * FROM guacamole_${kind}`;
  if (all) return rows;
  return `${entities} ${rows} WHERE ${kind}_id IN (SELECT ${kind}_id FROM guacamole_${kind}_permission
    WHERE entity_id IN (SELECT id FROM entities) AND permission = 'READ')`;
}

const nullable = <T>(value: unknown, to: (value: unknown) => T): T | null =>
  value === null || value === undefined ? null : to(value);

function toAccount(row: Row): Account {
  const time = (value: unknown) => nullable(value, String);
  return {
    userId: Number(row.user_id),
    entityId: Number(row.entity_id),
    name: String(row.name),
    passwordHash: row.password_hash as Buffer,
    passwordSalt: row.password_salt as Buffer | null,
    disabled: Boolean(row.disabled),
    expired: Boolean(row.expired),
    accessWindowStart: time(row.access_window_start),
    accessWindowEnd: time(row.access_window_end),
    validFrom: time(row.valid_from),
    validUntil: time(row.valid_until),
    timezone: time(row.timezone),
  };
}
