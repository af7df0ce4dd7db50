import type { Deps } from '../shared/deps.ts';
import type { Route } from '../shared/http.ts';
import { auditRoutes } from './audit.ts';
import { certificateAuthorityRoutes } from './certificateAuthority.ts';
import { guacamoleRoutes } from './guacamole.ts';
import { healingRoutes } from './healing.ts';
import { healthRoutes } from './health.ts';
import { jumpServerRoutes } from './jumpServers.ts';
import { nodeRoutes } from './nodes.ts';
import { openApiRoutes } from './openapi.ts';
import { operationRoutes } from './operations.ts';
import { portalRoutes } from './portal.ts';
import { rotationRoutes } from './rotation.ts';
import { scalingRoutes } from './scaling.ts';

/** Every route of the API, in the order of the document. */
export const allRoutes = (deps: Deps): Route[] => {
  const api = apiRoutes(deps);
  const routes: Route[] = [...api, ...portalRoutes(deps, api), ...openApiRoutes(() => routes)];
  return routes;
};

const apiRoutes = (deps: Deps): Route[] => [
  ...healthRoutes(),
  ...jumpServerRoutes(deps),
  ...scalingRoutes(deps),
  ...healingRoutes(deps),
  ...rotationRoutes(deps),
  ...operationRoutes(deps),
  ...certificateAuthorityRoutes(deps),
  ...auditRoutes(deps),
  ...guacamoleRoutes(deps),
  ...nodeRoutes(deps),
];
