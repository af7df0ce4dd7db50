import { type Kysely, sql } from 'kysely';
import { stringify } from 'yaml';
import { connectionAttributes } from '../attributes.ts';
import { csvLine } from '../csvText.ts';
import { joinNames } from '../import/csv.ts';
import type { ImportFormat } from '../import/readFile.ts';
import { allParameters } from '../protocols.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';
import { type ExportedConnection, exportConnections } from './readConnections.ts';

type Db = Kysely<GuacamoleDatabase>;

/** No call is answered for longer than this (the platform cuts HTTP at 230 s); a snapshot that outlives it has lost its reader. */
const longestMilliseconds = 240_000;

const writers = { csv: writeCsv, json: writeJson, yaml: writeYaml } as const;

/**
 * All connections as a file that an import takes, part by part, out of one snapshot: pages of different moments could miss a
 * connection that moves, or bring a parameter that had no column when the header was written.
 */
export async function* writeExport(db: Db, format: ImportFormat): AsyncGenerator<string> {
  const snapshot = await db.startTransaction().setIsolationLevel('repeatable read').execute();
  const end = async (): Promise<void> => {
    if (!snapshot.isRolledBack) await snapshot.rollback().execute();
  };
  const abandoned = setTimeout(() => void end().catch(() => undefined), longestMilliseconds).unref();
  try {
    yield* writers[format](snapshot);
  } finally {
    clearTimeout(abandoned);
    await end();
  }
}

async function* writeJson(db: Db): AsyncGenerator<string> {
  let separator = '[\n';
  for await (const page of exportConnections(db)) {
    yield separator + page.map((one) => JSON.stringify(withoutEmpty(one))).join(',\n');
    separator = ',\n';
  }
  yield separator === '[\n' ? '[]\n' : '\n]\n';
}

async function* writeYaml(db: Db): AsyncGenerator<string> {
  let empty = true;
  for await (const page of exportConnections(db)) {
    empty = false;
    yield stringify(page.map(withoutEmpty), { lineWidth: 0, aliasDuplicateObjects: false });
  }
  if (empty) yield '[]\n';
}

function withoutEmpty({ users, groups, parameters, attributes, ...rest }: ExportedConnection): object {
  return {
    ...rest,
    ...(users.length > 0 ? { users } : {}),
    ...(groups.length > 0 ? { groups } : {}),
    ...(Object.keys(parameters).length > 0 ? { parameters } : {}),
    ...(Object.keys(attributes).length > 0 ? { attributes } : {}),
  };
}

/** A column for every parameter and attribute that is in use; suffixes where the bare name would not say which it is. */
async function* writeCsv(db: Db): AsyncGenerator<string> {
  const parameters = await distinctNames(db, 'guacamole_connection_parameter', 'parameter_name');
  const extra = await distinctNames(db, 'guacamole_connection_attribute', 'attribute_name');
  const attributes = [...Object.keys(connectionAttributes), ...extra];
  yield csvLine([
    ...['name', 'protocol', 'group', 'parentIdentifier', 'users', 'groups'],
    ...parameters.map((name) => (isPlain(name) ? name : `${name} (parameter)`)),
    ...attributes.map((name) => `${name} (attribute)`),
  ]);
  for await (const page of exportConnections(db)) {
    const lines = page.map((one) =>
      csvLine([
        ...[one.name, one.protocol, one.group, one.parentIdentifier, joinNames(one.users), joinNames(one.groups)],
        ...parameters.map((name) => one.parameters[name]),
        ...attributes.map((name) => one.attributes[name]),
      ]),
    );
    yield lines.join('');
  }
}

const isPlain = (name: string): boolean => allParameters.has(name) && !Object.hasOwn(connectionAttributes, name);

/** Every spelling: names that the collation holds for equal are told apart, as the connections' values are. */
async function distinctNames(db: Db, table: string, column: string): Promise<string[]> {
  const found = await sql<{ name: string }>`
    SELECT DISTINCT CAST(${sql.ref(column)} AS CHAR CHARACTER SET utf8mb4) COLLATE utf8mb4_bin AS name FROM ${sql.table(table)} ORDER BY 1`.execute(
    db,
  );
  return found.rows.map((row) => row.name);
}
