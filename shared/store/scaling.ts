import type { Need } from '../scaling/desiredCount.ts';
import type { ByHand } from '../scaling/timetable.ts';
import { deleteRow, findRow, listRows, type Row, type Tables } from './tables.ts';

/** What scaling remembers of a jump server between its minutes. */
export interface ScalingMemory {
  byHand?: ByHand;
  /** See `desiredCount`. */
  needs: Need[];
  /** When the stopped MySQL server is looked at: Azure starts it again after 30 days. */
  checkDatabaseAt?: Date;
}

interface ScalingRow {
  byHand?: string;
  needs?: string;
  checkDatabaseAt?: Date;
}

/** One partition for all: the sweep reads it in one scan. */
const partition = 'scaling';

export const nothingRemembered: ScalingMemory = { needs: [] };

export async function findScaling(tables: Tables, jumpServer: string): Promise<ScalingMemory> {
  const row = await findRow<ScalingRow>(tables.scaling, partition, jumpServer);
  return row === undefined ? nothingRemembered : toMemory(row);
}

export async function listScaling(tables: Tables): Promise<Map<string, ScalingMemory>> {
  const rows = await listRows<ScalingRow>(tables.scaling, partition);
  return new Map(rows.map((row) => [row.rowKey ?? '', toMemory(row)]));
}

/** Changes the members given and leaves the others: those who write different ones need not wait for each other. */
export async function rememberScaling(
  tables: Tables,
  jumpServer: string,
  change: Partial<ScalingMemory>,
): Promise<void> {
  const row: ScalingRow = {
    ...(change.byHand === undefined ? {} : { byHand: JSON.stringify(change.byHand) }),
    ...(change.needs === undefined ? {} : { needs: JSON.stringify(change.needs) }),
    ...(change.checkDatabaseAt === undefined ? {} : { checkDatabaseAt: change.checkDatabaseAt }),
  };
  await tables.scaling.upsertEntity({ partitionKey: partition, rowKey: jumpServer, ...row }, 'Merge');
}

export const forgetScaling = (tables: Tables, jumpServer: string): Promise<void> =>
  deleteRow(tables.scaling, partition, jumpServer);

function toMemory({ byHand, needs, checkDatabaseAt }: Row<ScalingRow>): ScalingMemory {
  return {
    ...(byHand === undefined ? {} : { byHand: readByHand(byHand) }),
    needs: needs === undefined ? [] : readNeeds(needs),
    ...(checkDatabaseAt === undefined ? {} : { checkDatabaseAt }),
  };
}

type Stored<T> = { [Key in keyof T]: T[Key] extends Date ? string : T[Key] extends Date | undefined ? string : T[Key] };

function readByHand(text: string): ByHand {
  const { from, until, ...rest } = JSON.parse(text) as Stored<ByHand>;
  return { ...rest, from: new Date(from), until: until === undefined ? undefined : new Date(until) };
}

const readNeeds = (text: string): Need[] =>
  (JSON.parse(text) as Stored<Need>[]).map(({ at, nodes }) => ({ at: new Date(at), nodes }));
