import { type Kysely, sql } from 'kysely';
import { z } from 'zod';
import { notFound } from '../errors.ts';
import {
  type ConnectionGroup,
  type ConnectionGroupRow,
  connectionGroupColumns,
  findSubtree,
  toConnectionGroup,
} from './connectionGroups.ts';
import { type Connection, type ConnectionRow, connectionColumns, toConnection } from './connections.ts';
import { rootIdentifier } from './parents.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';
import { connectionGroupShape, connectionShape, sharingProfileShape } from './shapes.ts';
import { readSharingProfiles, type SharingProfile } from './sharingProfiles.ts';
import { parseIdentifier } from './text.ts';

type Db = Kysely<GuacamoleDatabase>;

/** A group with all that is below it. */
export interface Tree extends ConnectionGroup {
  childConnections: (Connection & { sharingProfiles: SharingProfile[] })[];
  childConnectionGroups: Tree[];
}

const connectionInTree = connectionShape.extend({ sharingProfiles: z.array(sharingProfileShape) });
export const treeShape = connectionGroupShape.extend({
  childConnections: z.array(connectionInTree),
  childConnectionGroups: z.array(z.looseObject({})),
});

/** The tree below a group or `ROOT`; children by name. ApiError 404 when there is no such group. */
export async function readTree(db: Db, identifier: string): Promise<Tree> {
  const whole = identifier === rootIdentifier;
  const id = whole ? undefined : parseIdentifier(identifier);
  const ids = id === undefined ? [] : (await findSubtree(db, id)).map((level) => level.id);
  if (!whole && ids.length === 0) throw notFound('connection group', identifier);
  const groups = await sql<ConnectionGroupRow>`
    SELECT ${connectionGroupColumns} FROM guacamole_connection_group g
    WHERE ${whole ? sql`TRUE` : sql`g.connection_group_id IN (${sql.join(ids)})`} ORDER BY g.connection_group_name`.execute(
    db,
  );
  const connections = await sql<ConnectionRow>`
    SELECT ${connectionColumns} FROM guacamole_connection c
    WHERE ${whole ? sql`TRUE` : sql`c.parent_id IN (${sql.join(ids)})`} ORDER BY c.connection_name`.execute(db);
  const profiles = await readSharingProfiles(
    db,
    connections.rows.map((row) => row.connection_id),
    whole,
  );
  const nodes = plant(groups.rows.map(toConnectionGroup));
  for (const connection of connections.rows.map(toConnection)) {
    const sharingProfiles = profiles.get(connection.identifier) ?? [];
    nodes.get(connection.parentIdentifier)?.childConnections.push({ ...connection, sharingProfiles });
  }
  const top = nodes.get(identifier);
  if (!top) throw notFound('connection group', identifier);
  return top;
}

/** Groups by identifier, each hung below its parent, with the root that no row stands for. */
function plant(groups: readonly ConnectionGroup[]): Map<string, Tree> {
  const root: Tree = {
    name: rootIdentifier,
    identifier: rootIdentifier,
    type: 'ORGANIZATIONAL',
    attributes: {},
    activeConnections: 0,
    childConnections: [],
    childConnectionGroups: [],
  };
  const nodes = new Map([[rootIdentifier, root]]);
  for (const group of groups)
    nodes.set(group.identifier, { ...group, childConnections: [], childConnectionGroups: [] });
  for (const group of groups) {
    const node = nodes.get(group.identifier);
    if (node) nodes.get(group.parentIdentifier ?? rootIdentifier)?.childConnectionGroups.push(node);
  }
  return nodes;
}
