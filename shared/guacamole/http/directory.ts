import type { Kysely, Transaction } from 'kysely';
import { z } from 'zod';
import type { Caller } from '../../auth.ts';
import { requireMatch } from '../../etag.ts';
import { listOf, type Route, type RouteAnswer } from '../../http.ts';
import { change, read } from '../change.ts';
import { type ListQuery, listQuery } from '../listing.ts';
import type { GuacamoleDatabase } from '../schema/tables.ts';
import { answerVersion, failures, jsonPatch, mergePatch, versionedFailures } from './answers.ts';
import { type DatabaseDeps, type DatabaseRequest, databaseRoute } from './databaseRoute.ts';
import { directoryPatchAnswer, directoryPatchBody, parseValue, runDirectoryPatch } from './directoryPatch.ts';

type Db = Kysely<GuacamoleDatabase>;
type Tx = Transaction<GuacamoleDatabase>;

/** What a write knows of the request besides its body. */
export interface WriteContext {
  caller: Caller;
  allowUnknownParameters?: boolean;
  recursive?: boolean;
}

/** An object as it is answered, with its version. */
export interface Versioned {
  value: object;
  etag: string;
}

/** One of Guacamole's directories: what its seven routes need to know. */
export interface Directory<Stored, Body, Replacement, Patch> {
  /** Below the jump server: `connections`. */
  path: string;
  /** Begins the operation ids: `Connections`. */
  name: string;
  /** In the routes' summaries: `connection`. */
  word: string;
  shape: z.ZodType;
  body: z.ZodType<Body>;
  replacement: z.ZodType<Replacement>;
  patch: z.ZodType<Patch>;
  /** Query parameters of writes: what they may be told besides the body. */
  writeQuery: z.ZodType<Omit<WriteContext, 'caller'>>;
  list(db: Db, query: ListQuery, url: URL): Promise<object>;
  get(db: Db, identifier: string): Promise<Stored>;
  lock(tx: Tx, identifier: string): Promise<Stored>;
  version(stored: Stored): Versioned;
  create(tx: Tx, body: Body, context: WriteContext): Promise<string>;
  replace(tx: Tx, stored: Stored, body: Replacement, context: WriteContext): Promise<void>;
  merge(tx: Tx, stored: Stored, patch: Patch, context: WriteContext): Promise<void>;
  remove(tx: Tx, stored: Stored, context: WriteContext): Promise<void>;
}

/** `GET POST PATCH /things` and `GET PUT PATCH DELETE /things/{id}`. */
export function directoryRoutes<Stored, Body, Replacement, Patch>(
  deps: DatabaseDeps,
  directory: Directory<Stored, Body, Replacement, Patch>,
): Route[] {
  return [...collectionRoutes(deps, directory), ...readRoute(deps, directory), ...writeRoutes(deps, directory)];
}

function collectionRoutes<Stored, Body, Replacement, Patch>(
  deps: DatabaseDeps,
  directory: Directory<Stored, Body, Replacement, Patch>,
): Route[] {
  const path = `/jump-servers/{name}/${directory.path}` as const;
  const { name, word, shape, writeQuery } = directory;
  return [
    databaseRoute(
      deps,
      {
        operationId: `${name}_List`,
        summary: `Lists ${word}s, a page at a time`,
        method: 'GET',
        path,
        role: 'Reader',
        query: listQuery,
        responses: { 200: { description: `${word}s`, schema: listOf(shape) }, ...failures },
      },
      async ({ db, query, url }) => ({ body: await read(db, (on) => directory.list(on, query, url)) }),
    ),
    databaseRoute(
      deps,
      {
        operationId: `${name}_Create`,
        summary: `Makes a ${word}`,
        method: 'POST',
        path,
        role: 'Connection.Admin',
        query: writeQuery,
        body: directory.body,
        responses: { 201: { description: `The ${word} as it is now`, schema: shape }, ...failures },
      },
      async ({ db, auditId, body, url, caller, query }) =>
        change(db, auditId, async (tx) => {
          const identifier = await directory.create(tx, body, { caller, ...query });
          const { value, etag } = directory.version(await directory.get(tx, identifier));
          const Location = `${url.origin}${url.pathname.replace(/\/$/, '')}/${encodeURIComponent(identifier)}`;
          return { status: 201, body: value, headers: { ETag: etag, Location } };
        }),
    ),
    databaseRoute(
      deps,
      {
        operationId: `${name}_Batch`,
        summary: `Adds, replaces and removes ${word}s, all or none`,
        method: 'PATCH',
        path,
        role: 'Connection.Admin',
        query: writeQuery,
        body: directoryPatchBody,
        contentTypes: jsonPatch,
        maxBodyBytes: 8 * 1024 * 1024,
        responses: { 200: { description: 'What was done', schema: directoryPatchAnswer }, ...failures },
      },
      async ({ db, auditId, body, caller, query }) => {
        const context = { caller, ...query };
        const answer = await change(db, auditId, (tx) =>
          runDirectoryPatch(body, {
            add: (value) => directory.create(tx, parseValue(directory.body, value), context),
            replace: async (id, value) =>
              directory.replace(tx, await directory.lock(tx, id), parseValue(directory.replacement, value), context),
            remove: async (id) => directory.remove(tx, await directory.lock(tx, id), context),
          }),
        );
        return { body: answer };
      },
    ),
  ];
}

function readRoute<Stored, Body, Replacement, Patch>(
  deps: DatabaseDeps,
  directory: Directory<Stored, Body, Replacement, Patch>,
): Route[] {
  const { name, word, shape } = directory;
  return [
    databaseRoute(
      deps,
      {
        operationId: `${name}_Get`,
        summary: `Reads one ${word}`,
        method: 'GET',
        path: `/jump-servers/{name}/${directory.path}/{id}`,
        role: 'Reader',
        responses: {
          200: { description: `The ${word}`, schema: shape },
          304: { description: 'The caller has this version' },
          ...failures,
        },
      },
      async ({ db, params, headers }) => {
        const { value, etag } = directory.version(await read(db, (on) => directory.get(on, params.id)));
        return answerVersion(headers, etag, value);
      },
    ),
  ];
}

function writeRoutes<Stored, Body, Replacement, Patch>(
  deps: DatabaseDeps,
  directory: Directory<Stored, Body, Replacement, Patch>,
): Route[] {
  const path = `/jump-servers/{name}/${directory.path}/{id}` as const;
  const { name, word, shape, writeQuery } = directory;
  const common = { path, role: 'Connection.Admin', query: writeQuery } as const;
  const changed = { 200: { description: `The ${word} as it is now`, schema: shape }, ...versionedFailures };
  type Request<B> = DatabaseRequest<typeof path, Omit<WriteContext, 'caller'>, B>;

  const changeOne = async <B>(
    request: Request<B>,
    write: (tx: Tx, stored: Stored, context: WriteContext) => Promise<void>,
  ): Promise<RouteAnswer> =>
    change(request.db, request.auditId, async (tx) => {
      const stored = await directory.lock(tx, request.params.id);
      requireMatch(request.headers, directory.version(stored).etag);
      await write(tx, stored, { caller: request.caller, ...request.query });
      const { value, etag } = directory.version(await directory.get(tx, request.params.id));
      return { body: value, headers: { ETag: etag } };
    });

  return [
    databaseRoute(
      deps,
      {
        ...common,
        operationId: `${name}_Replace`,
        summary: `Replaces a ${word}`,
        method: 'PUT',
        body: directory.replacement,
        responses: changed,
      },
      (request) => changeOne(request, (tx, stored, context) => directory.replace(tx, stored, request.body, context)),
    ),
    databaseRoute(
      deps,
      {
        ...common,
        operationId: `${name}_Update`,
        summary: `Changes what the body names (JSON Merge Patch)`,
        method: 'PATCH',
        body: directory.patch,
        contentTypes: mergePatch,
        responses: changed,
      },
      (request) => changeOne(request, (tx, stored, context) => directory.merge(tx, stored, request.body, context)),
    ),
    databaseRoute(
      deps,
      {
        ...common,
        operationId: `${name}_Delete`,
        summary: `Deletes a ${word}`,
        method: 'DELETE',
        responses: { 204: { description: 'Gone' }, ...versionedFailures },
      },
      async (request) =>
        change(request.db, request.auditId, async (tx) => {
          const stored = await directory.lock(tx, request.params.id);
          requireMatch(request.headers, directory.version(stored).etag);
          await directory.remove(tx, stored, { caller: request.caller, ...request.query });
          return { status: 204 };
        }),
    ),
  ];
}

/** Query of writes that can be told nothing. */
export const noWriteQuery = z.strictObject({});
