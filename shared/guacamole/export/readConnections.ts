import { type Kysely, sql } from 'kysely';
import { connectionAttributes, readAttributes } from '../attributes.ts';
import { type GroupNode, pathOf, readGroupTree } from '../groupTree.ts';
import { readJsonObject } from '../jsonColumn.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';

type Db = Kysely<GuacamoleDatabase>;

/** One connection as an import file has it. */
export interface ExportedConnection {
  name: string;
  protocol: string;
  /** `ROOT/a/b`; instead of it `parentIdentifier` where a name holds a slash, which paths cannot say. */
  group?: string;
  parentIdentifier?: string;
  users: string[];
  groups: string[];
  parameters: Record<string, string>;
  attributes: Record<string, string>;
}

interface Row {
  connection_id: number;
  connection_name: string;
  parent_id: number | null;
  protocol: string;
  extra: unknown;
  parameters: unknown;
}

const pageSize = 500;

/** All connections by identifier, a page in memory at a time; `users` and `groups` are those who may read it directly. */
export async function* exportConnections(db: Db): AsyncGenerator<ExportedConnection[]> {
  const tree = await readGroupTree(db, []);
  for (let after = 0; ; ) {
    const found = await sql<Row>`
      SELECT c.connection_id, c.connection_name, c.parent_id, c.protocol, c.max_connections, c.max_connections_per_user,
        c.connection_weight, c.failover_only, c.proxy_hostname, c.proxy_port, c.proxy_encryption_method,
        (SELECT JSON_OBJECTAGG(a.attribute_name, a.attribute_value)
          FROM guacamole_connection_attribute a WHERE a.connection_id = c.connection_id) AS extra,
        (SELECT JSON_OBJECTAGG(p.parameter_name, p.parameter_value)
          FROM guacamole_connection_parameter p WHERE p.connection_id = c.connection_id) AS parameters
      FROM guacamole_connection c WHERE c.connection_id > ${after} ORDER BY c.connection_id LIMIT ${sql.lit(pageSize)}`.execute(
      db,
    );
    const last = found.rows.at(-1);
    if (!last) return;
    const readers = await findReaders(db, after, last.connection_id);
    yield found.rows.map((row) =>
      toExported(row, row.parent_id === null ? tree.root : tree.byId(row.parent_id), readers),
    );
    after = last.connection_id;
  }
}

type Readers = Map<number, { name: string; type: string }[]>;

async function findReaders(db: Db, after: number, last: number): Promise<Readers> {
  const rows = await db
    .selectFrom('guacamole_connection_permission as p')
    .innerJoin('guacamole_entity as e', 'e.entity_id', 'p.entity_id')
    .select(['p.connection_id as id', 'e.name', 'e.type'])
    .where('p.connection_id', '>', after)
    .where('p.connection_id', '<=', last)
    .where('p.permission', '=', 'READ')
    .orderBy('e.name')
    .execute();
  return Map.groupBy(rows, (row) => row.id);
}

function toExported(row: Row, parent: GroupNode | undefined, readers: Readers): ExportedConnection {
  const named = (type: string): string[] =>
    (readers.get(row.connection_id) ?? []).filter((one) => one.type === type).map((one) => one.name);
  return {
    name: row.connection_name,
    protocol: row.protocol,
    ...(parent && canBePath(parent) ? { group: pathOf(parent) } : { parentIdentifier: String(row.parent_id) }),
    users: named('USER'),
    groups: named('USER_GROUP'),
    parameters: readJsonObject(row.parameters),
    attributes: readAttributes(connectionAttributes, row, readJsonObject(row.extra)),
  };
}

const canBePath = (node: GroupNode): boolean => !node.parent || (!node.name.includes('/') && canBePath(node.parent));
