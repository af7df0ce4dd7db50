import type { DatabaseDeps } from '../shared/guacamole/http/databaseRoute.ts';
import type { Route } from '../shared/http.ts';
import { connectionGroupsRoutes } from './connectionGroups.ts';
import { connectionsRoutes } from './connections.ts';
import { exportsRoutes } from './exports.ts';
import { historyRoutes } from './history.ts';
import { importsRoutes } from './imports.ts';
import { permissionsRoutes } from './permissions.ts';
import { sessionsRoutes } from './sessions.ts';
import { sharingProfilesRoutes } from './sharingProfiles.ts';
import { userGroupsRoutes } from './userGroups.ts';
import { usersRoutes } from './users.ts';

/** Everything that lives in the Guacamole database of a jump server. */
export const guacamoleRoutes = (deps: DatabaseDeps): Route[] => [
  ...connectionsRoutes(deps),
  ...connectionGroupsRoutes(deps),
  ...sharingProfilesRoutes(deps),
  ...usersRoutes(deps),
  ...userGroupsRoutes(deps),
  ...permissionsRoutes(deps),
  ...importsRoutes(deps),
  ...exportsRoutes(deps),
  ...historyRoutes(deps),
  ...sessionsRoutes(deps),
];
