import type { Deps } from '../shared/deps.ts';
import { openApiDocument } from './openapi.ts';
import { allRoutes } from './routes.ts';

/** For the script that writes openapi.json: routes are described without being served, so nothing is constructed. */
export const document = openApiDocument(allRoutes({} as Deps));
