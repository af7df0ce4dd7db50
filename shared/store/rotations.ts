import type { Credential } from '../rotation/credentials.ts';
import { deleteRow, listAllRows, listRows, type Row, type Tables } from './tables.ts';

/** What is remembered of one credential's rotations. */
export interface Rotation {
  credential: Credential;
  /** The operation that was last asked to rotate it. */
  operationId: string;
  /** The first one that was asked to: those that carry an unfinished rotation on leave it. */
  begunBy?: string;
  /** It was asked for and has not come to its end: whatever stands in its way, it is to be carried on. */
  unfinished: boolean;
  /** The version that the last finished rotation made and proved; undefined before the first. */
  version?: string;
  rotatedAt?: Date;
  /** When the last attempt ended that failed or was canceled. */
  failedAt?: Date;
  /** When the secret that the spec names for it was last looked at, and what was wrong with it then; empty: nothing. */
  lookedAt?: Date;
  problem?: string;
}

type RotationRow = Omit<Rotation, 'credential'>;

/** By an operation that sets out to rotate it. What the last rotation came to is kept. */
export async function beginRotation(
  tables: Tables,
  jumpServer: string,
  { credential, ...begun }: Pick<Rotation, 'credential' | 'operationId' | 'begunBy'>,
): Promise<void> {
  const row = { partitionKey: jumpServer, rowKey: credential, ...begun, unfinished: true };
  await tables.rotations.upsertEntity(row, 'Merge');
}

/** The new version is proven, and nothing uses an older one any more. */
export async function endRotation(
  tables: Tables,
  jumpServer: string,
  credential: Credential,
  ended: Pick<Rotation, 'operationId' | 'begunBy'> & { version: string; rotatedAt: Date },
): Promise<void> {
  const row: RotationRow = { ...ended, unfinished: false };
  await tables.rotations.upsertEntity({ partitionKey: jumpServer, rowKey: credential, ...row }, 'Replace');
}

/** It cannot come to its end, and nothing was changed: it is not to be carried on. */
export async function abandonRotation(tables: Tables, jumpServer: string, credential: Credential): Promise<void> {
  await tables.rotations.upsertEntity({ partitionKey: jumpServer, rowKey: credential, unfinished: false }, 'Merge');
}

/** An attempt failed or was canceled; what it did not finish is carried on after a pause. */
export async function noteFailedRotation(
  tables: Tables,
  jumpServer: string,
  credential: Credential,
  failedAt: Date,
): Promise<void> {
  await tables.rotations.upsertEntity({ partitionKey: jumpServer, rowKey: credential, failedAt }, 'Merge');
}

/** What its source was like when it was looked at. */
export async function noteSource(
  tables: Tables,
  jumpServer: string,
  seen: { lookedAt: Date; problem: string },
): Promise<void> {
  const credential: Credential = 'certificate';
  await tables.rotations.upsertEntity({ partitionKey: jumpServer, rowKey: credential, ...seen }, 'Merge');
}

export async function listRotations(tables: Tables, jumpServer: string): Promise<Rotation[]> {
  return (await listRows<RotationRow>(tables.rotations, jumpServer)).map(toRotation);
}

/** The rotations of every jump server that has rows. */
export async function listAllRotations(tables: Tables): Promise<Map<string, Rotation[]>> {
  const rows = await listAllRows<RotationRow>(tables.rotations);
  const grouped = Map.groupBy(rows, ({ partitionKey }) => partitionKey ?? '');
  return new Map([...grouped].map(([jumpServer, own]) => [jumpServer, own.map(toRotation)]));
}

export async function forgetRotations(tables: Tables, jumpServer: string): Promise<void> {
  const rotations = await listRotations(tables, jumpServer);
  await Promise.all(rotations.map(({ credential }) => deleteRow(tables.rotations, jumpServer, credential)));
}

const toRotation = ({ rowKey, operationId = '', unfinished = false, ...more }: Row<Partial<RotationRow>>): Rotation => {
  // Rows of a release that did not keep it have the operation that last carried it on.
  const { begunBy = operationId, version, rotatedAt, failedAt, lookedAt, problem } = more;
  return {
    credential: rowKey as Credential,
    operationId,
    unfinished,
    begunBy,
    ...(version === undefined ? {} : { version }),
    ...(rotatedAt === undefined ? {} : { rotatedAt }),
    ...(failedAt === undefined ? {} : { failedAt }),
    ...(lookedAt === undefined ? {} : { lookedAt }),
    ...(problem === undefined ? {} : { problem }),
  };
};
