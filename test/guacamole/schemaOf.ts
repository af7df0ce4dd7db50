import { type Kysely, sql } from 'kysely';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';

interface TableShape {
  collation: string;
  columns: { name: string; type: string; nullable: boolean; default: string | null; extra: string | null }[];
  indexes: Record<string, { unique: boolean; columns: string[] }>;
  foreignKeys: Record<string, { columns: string[]; references: string; referencedColumns: string[]; onDelete: string }>;
}

type Row = Record<string, string | number | null>;

/** The `guacamole_*` tables as the server reports them, in the form of the official description. */
export async function describeSchema(db: Kysely<GuacamoleDatabase>): Promise<Record<string, TableShape>> {
  const shapes: Record<string, TableShape> = {};
  const query = async (text: string): Promise<Row[]> => (await sql.raw<Row>(text).execute(db)).rows;
  for (const row of await query(
    "SELECT table_name t, table_collation c FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE 'guacamole%' ORDER BY 1",
  )) {
    shapes[String(row.t)] = { collation: String(row.c), columns: [], indexes: {}, foreignKeys: {} };
  }
  for (const row of await query(
    'SELECT table_name t, column_name n, column_type ty, is_nullable nu, column_default d, extra e FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position',
  )) {
    shapes[String(row.t)]?.columns.push({
      name: String(row.n),
      type: String(row.ty),
      nullable: row.nu === 'YES',
      default: row.d === null || row.d === 'NULL' ? null : String(row.d),
      extra: row.e ? String(row.e) : null,
    });
  }
  for (const row of await query(
    'SELECT table_name t, index_name n, non_unique nu, column_name c FROM information_schema.statistics WHERE table_schema = DATABASE() ORDER BY table_name, index_name, seq_in_index',
  )) {
    const shape = shapes[String(row.t)];
    if (!shape) continue;
    const index = shape.indexes[String(row.n)] ?? { unique: Number(row.nu) === 0, columns: [] };
    index.columns.push(String(row.c));
    shape.indexes[String(row.n)] = index;
  }
  for (const row of await query(
    'SELECT k.table_name t, k.constraint_name n, k.column_name c, k.referenced_table_name r, k.referenced_column_name rc, x.delete_rule d FROM information_schema.key_column_usage k JOIN information_schema.referential_constraints x ON x.constraint_schema = k.constraint_schema AND x.constraint_name = k.constraint_name AND x.table_name = k.table_name WHERE k.table_schema = DATABASE() AND k.referenced_table_name IS NOT NULL ORDER BY k.ordinal_position',
  )) {
    const shape = shapes[String(row.t)];
    if (!shape) continue;
    shape.foreignKeys[String(row.n)] = {
      columns: [String(row.c)],
      references: String(row.r),
      referencedColumns: [String(row.rc)],
      onDelete: String(row.d),
    };
  }
  return shapes;
}
