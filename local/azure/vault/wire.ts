import { badParameter } from './failure.ts';
import type { SecretFields, SecretStatus, SecretVersion } from './secrets.ts';

/** A secret without its value, as lists, PATCH and DELETE answer it. */
export interface Item {
  id: string;
  contentType?: string;
  tags?: Record<string, string>;
  attributes: Record<string, unknown>;
  recoveryId?: string;
}

const recoverableDays = 90;
const maxValueBytes = 25 * 1024;
const pageSize = 25;

export function secretItem(uri: string, secret: SecretVersion, idOf: 'name' | 'version'): Item {
  const { name, version, contentType, tags, enabled, nbf, exp, created, updated } = secret;
  return {
    id: `${uri}secrets/${name}${idOf === 'version' ? `/${version}` : ''}`,
    contentType,
    tags,
    attributes: { enabled, nbf, exp, created, updated, recoveryLevel: 'Recoverable+Purgeable', recoverableDays },
  };
}

export const deletedSecret = (uri: string, secret: SecretVersion, status: SecretStatus | undefined): Item => ({
  ...secretItem(uri, secret, 'version'),
  recoveryId: `${uri}deletedsecrets/${secret.name}`,
  ...(status && { deletedDate: status.deletedAt, scheduledPurgeDate: status.deletedAt + recoverableDays * 24 * 3600 }),
});

/** One page: `maxresults` (1 to 25) items after the one that the skip token names; the next link is absolute. */
export function listed(
  request: { uri: string; query: URLSearchParams },
  path: string,
  page: (after: string, limit: number) => SecretVersion[],
  keyOf: (secret: SecretVersion) => string,
  toItem: (secret: SecretVersion) => Item,
): { value: Item[]; nextLink: string | null } {
  const asked = request.query.get('maxresults');
  const limit = asked === null ? pageSize : Number(asked);
  if (!Number.isInteger(limit) || limit < 1 || limit > pageSize) {
    throw badParameter(`maxresults must be between 1 and ${pageSize}.`);
  }
  const after = Buffer.from(request.query.get('$skiptoken') ?? '', 'base64url').toString('utf8');
  const found = page(after, limit + 1);
  const shown = found.slice(0, limit);
  const last = shown.at(-1);
  const more = last !== undefined && found.length > limit;
  const query = new URLSearchParams({
    'api-version': request.query.get('api-version') ?? '',
    maxresults: String(limit),
    $skiptoken: last ? Buffer.from(keyOf(last)).toString('base64url') : '',
  });
  return { value: shown.map(toItem), nextLink: more ? `${request.uri}${path}?${query}` : null };
}

/** The value of a PUT; throws a 400 without it or beyond 25 KiB. */
export function parseValue(body: Record<string, unknown>): string {
  if (typeof body.value !== 'string') throw badParameter('The parameter value is missing or not a string.');
  if (Buffer.byteLength(body.value) > maxValueBytes) {
    throw badParameter(`The secret value is larger than ${maxValueBytes} bytes.`);
  }
  return body.value;
}

/** Content type, tags and attributes of a PUT or PATCH; throws a 400 naming a field of another type. */
export function parseFields(body: Record<string, unknown>): SecretFields {
  const attributes = isRecord(body.attributes) ? body.attributes : {};
  const fields: SecretFields = {};
  const take = <K extends keyof SecretFields>(key: K, value: unknown, good: (value: unknown) => boolean): void => {
    if (value === undefined || value === null) return;
    if (!good(value)) throw badParameter(`The property ${key} has an unexpected type.`);
    fields[key] = value as SecretFields[K];
  };
  take('contentType', body.contentType, (value) => typeof value === 'string');
  take('tags', body.tags, isTags);
  take('enabled', attributes.enabled, (value) => typeof value === 'boolean');
  take('nbf', attributes.nbf, Number.isInteger);
  take('exp', attributes.exp, Number.isInteger);
  return fields;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isTags = (value: unknown): boolean =>
  isRecord(value) && Object.values(value).every((tag) => typeof tag === 'string');
