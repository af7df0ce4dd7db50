/** Reading ARM's loosely typed documents. */
import type { ArmResource } from '../contract.ts';

export type Json = Record<string, unknown>;

export const object = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};

export const objects = (value: unknown): Json[] => (Array.isArray(value) ? value.map(object) : []);

export const text = (value: unknown): string | undefined => (typeof value === 'string' && value ? value : undefined);

/** The `id` of a reference such as `{subnet: {id}}`, in lower case: ids are compared without regard to case. */
export const reference = (value: unknown): string | undefined => text(object(value).id)?.toLowerCase();

/** A sub-resource's own fields: `properties` of an element of a list. */
export const inner = (element: Json): Json => object(element.properties);

export const key = (id: string): string => id.toLowerCase();

/** The id without its last `/type/name`, in lower case. */
export const parentOf = (id: string): string => key(id).split('/').slice(0, -2).join('/');

export const lastName = (id: string): string => id.slice(id.lastIndexOf('/') + 1);

export const resourceGroupOf = (resource: ArmResource): string =>
  /\/resourceGroups\/([^/]+)/i.exec(resource.id)?.[1] ?? '';
