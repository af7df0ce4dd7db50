import { RestError, type TableClient } from '@azure/data-tables';
import type { Tables } from '../../shared/store/tables.ts';

type Stored = Record<string, unknown> & { partitionKey: string; rowKey: string; etag: string };

/** Tables in memory, with the service's etags, for tests of what is done with them. */
export function createTablesStub(): Tables {
  const tables = new Map<string, TableClient>();
  const open = (name: string): TableClient => {
    const known = tables.get(name) ?? tableStub();
    tables.set(name, known);
    return known;
  };
  return new Proxy({}, { get: (_, name) => open(String(name)) }) as Tables;
}

function tableStub(): TableClient {
  const rows = new Map<string, Stored>();
  let changes = 0;
  const key = (partition: string, row: string) => `${partition}\n${row}`;
  const missing = () => new RestError('not found', { statusCode: 404 });
  const put = (entity: Stored, merged: boolean) => {
    const at = key(entity.partitionKey, entity.rowKey);
    rows.set(at, { ...(merged ? rows.get(at) : {}), ...structuredClone(entity), etag: `"${++changes}"` });
  };
  const stub = {
    async getEntity(partition: string, row: string) {
      const found = rows.get(key(partition, row));
      if (found === undefined) throw missing();
      return structuredClone(found);
    },
    async createEntity(entity: Stored) {
      if (rows.has(key(entity.partitionKey, entity.rowKey))) throw new RestError('exists', { statusCode: 409 });
      put(entity, false);
    },
    async updateEntity(entity: Stored, mode: string, { etag }: { etag?: string } = {}) {
      const found = rows.get(key(entity.partitionKey, entity.rowKey));
      if (found === undefined) throw missing();
      if (etag !== undefined && etag !== '*' && etag !== found.etag)
        throw new RestError('changed', { statusCode: 412 });
      put(entity, mode === 'Merge');
    },
    upsertEntity: async (entity: Stored, mode: string) => put(entity, mode === 'Merge'),
    async deleteEntity(partition: string, row: string) {
      if (!rows.delete(key(partition, row))) throw missing();
    },
    async *listEntities({ queryOptions }: { queryOptions?: { filter?: string } } = {}) {
      const partition = /^PartitionKey eq '([^']*)'/.exec(queryOptions?.filter ?? '')?.[1];
      for (const row of [...rows.values()])
        if (partition === undefined || row.partitionKey === partition) yield structuredClone(row);
    },
  };
  return stub as unknown as TableClient;
}
