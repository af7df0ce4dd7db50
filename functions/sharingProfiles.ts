import { z } from 'zod';
import { read } from '../shared/guacamole/change.ts';
import { failures, flag } from '../shared/guacamole/http/answers.ts';
import { type DatabaseDeps, databaseRoute } from '../shared/guacamole/http/databaseRoute.ts';
import { type Directory, directoryRoutes } from '../shared/guacamole/http/directory.ts';
import { sharingProfileBody, sharingProfilePatch, sharingProfileShape } from '../shared/guacamole/shapes.ts';
import {
  createSharingProfile,
  deleteSharingProfile,
  getSharingProfile,
  listSharingProfiles,
  lockSharingProfile,
  mergeSharingProfile,
  replaceSharingProfile,
  type SharingProfileBody,
  type SharingProfilePatch,
  type StoredSharingProfile,
} from '../shared/guacamole/sharingProfiles.ts';
import type { Route } from '../shared/http.ts';

const directory: Directory<StoredSharingProfile, SharingProfileBody, SharingProfileBody, SharingProfilePatch> = {
  path: 'sharing-profiles',
  name: 'SharingProfiles',
  word: 'sharing profile',
  shape: sharingProfileShape,
  body: sharingProfileBody,
  replacement: sharingProfileBody,
  patch: sharingProfilePatch,
  writeQuery: z.strictObject({ allowUnknownParameters: flag }),
  list: listSharingProfiles,
  get: getSharingProfile,
  lock: lockSharingProfile,
  version: ({ profile, etag }) => ({ value: profile, etag }),
  create: createSharingProfile,
  replace: replaceSharingProfile,
  merge: mergeSharingProfile,
  remove: deleteSharingProfile,
};

/** Sharing profiles, and their parameters for those who may change them. */
export function sharingProfilesRoutes(deps: DatabaseDeps): Route[] {
  return [
    ...directoryRoutes(deps, directory),
    databaseRoute(
      deps,
      {
        operationId: 'SharingProfiles_GetParameters',
        summary: "Reads a sharing profile's parameters; every call is audited",
        method: 'GET',
        path: '/jump-servers/{name}/sharing-profiles/{id}/parameters',
        role: 'Connection.Admin',
        audited: true,
        responses: { 200: { description: 'Names to values', schema: z.record(z.string(), z.string()) }, ...failures },
      },
      async ({ db, params }) => ({ body: (await read(db, (on) => getSharingProfile(on, params.id))).parameters }),
    ),
  ];
}
