import {
  type CompiledQuery,
  DummyDriver,
  Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  type QueryResult,
} from 'kysely';
import type { GuacamoleDatabase } from '../../shared/guacamole/schema/tables.ts';

/** A database that tells each statement and has no tables; it is what `migrate` asks for. */
export function sqlStub(tell: (statement: string) => Promise<void>): Kysely<GuacamoleDatabase> {
  class Driver extends DummyDriver {
    override async acquireConnection() {
      return {
        async executeQuery({ sql }: CompiledQuery) {
          await tell(sql);
          return { rows: sql.startsWith('SELECT') ? [{ name: 'guacamole', taken: 1 }] : [] } as QueryResult<never>;
        },
        async *streamQuery() {},
      };
    }
  }
  return new Kysely<GuacamoleDatabase>({
    dialect: {
      createAdapter: () => new MysqlAdapter(),
      createDriver: () => new Driver(),
      createIntrospector: (db) => new MysqlIntrospector(db),
      createQueryCompiler: () => new MysqlQueryCompiler(),
    },
  });
}
