/** The shapes in which Guacamole's REST interface shows connections and groups. Pure. */
import type { Connection, ConnectionGroup } from './guacamoleDatabase.ts';
import type { Session } from './guacamoleSessions.ts';

type Shape = Record<string, unknown>;
const root = 'ROOT';
const parent = (id: number | null): string => (id === null ? root : String(id));

export const showConnection = (connection: Connection, active: Session[]): Shape => ({
  name: connection.name,
  identifier: String(connection.id),
  parentIdentifier: parent(connection.parentId),
  protocol: connection.protocol,
  attributes: {},
  activeConnections: active.filter((session) => session.connection.id === connection.id).length,
});

export const showGroup = (group: ConnectionGroup): Shape => ({
  name: group.name,
  identifier: String(group.id),
  parentIdentifier: parent(group.parentId),
  type: group.type,
  activeConnections: 0,
  attributes: {},
});

export const showActive = (session: Session): Shape => ({
  identifier: session.id,
  connectionIdentifier: String(session.connection.id),
  startDate: session.startedAt.getTime(),
  remoteHost: session.remoteHost,
  username: session.login.account.name,
  connectable: false,
});

/** The group `id` with all that is below it and readable; undefined when there is no such group. */
export function showTree(
  id: string,
  groups: ConnectionGroup[],
  connections: Connection[],
  active: Session[],
): Shape | undefined {
  const group = groups.find((one) => String(one.id) === id);
  if (!group && id !== root) return undefined;
  const shown = group
    ? showGroup(group)
    : { name: root, identifier: root, type: 'ORGANIZATIONAL', activeConnections: 0, attributes: {} };
  const childGroups = groups.filter((one) => parent(one.parentId) === id);
  return {
    ...shown,
    childConnections: connections
      .filter((one) => parent(one.parentId) === id)
      .map((one) => showConnection(one, active)),
    childConnectionGroups: childGroups.map((one) => showTree(String(one.id), groups, connections, active)),
  };
}
