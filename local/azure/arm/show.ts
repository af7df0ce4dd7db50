import { createHash } from 'node:crypto';
import type { ArmResource } from '../contract.ts';
import type { Stored } from '../state.ts';
import { type ArmEnv, kindOf } from './env.ts';
import { key, parentId } from './ids.ts';
import type { ArmRequest, Kind } from './kind.ts';
import { asObject, objects, setAt } from './values.ts';

/** A resource as a client sees it: back references added, what is hidden left out, an etag that follows every visible change. */
export function show(stored: Stored, env: ArmEnv, request?: ArmRequest): ArmResource {
  const kind = kindOf(env, stored.type);
  if (kind?.embedded) return showEmbedded(stored, env);
  const { internal: _internal, ...rest } = stored;
  const copy: ArmResource = structuredClone(rest);
  for (const path of kind?.hidden ?? []) setAt(copy as unknown as Record<string, unknown>, path, undefined);
  addBackReferences(copy.id, copy.properties, env);
  for (const part of partsOf(kind, copy)) addBackReferences(String(part.id), asObject(part.properties), env);
  kind?.view?.(copy, stored, env, request);
  if (kind?.etag || kind?.style === 'network' || kind?.style === 'dns') stampEtag(kind, copy);
  return copy;
}

function showEmbedded(child: Stored, env: ArmEnv): ArmResource {
  const parent = env.state.get(parentId(child.id));
  const list = child.type.slice(child.type.lastIndexOf('/') + 1);
  const shown = parent === undefined ? undefined : show(parent, env);
  const element = objects(shown?.properties[list]).find((part) => key(String(part.id)) === key(child.id));
  return { ...asObject(element), type: child.type } as unknown as ArmResource;
}

export const partsOf = (kind: Kind | undefined, resource: ArmResource): Record<string, unknown>[] =>
  (kind?.parts ?? []).flatMap((list) => objects(resource.properties[list]));

function addBackReferences(id: string, properties: Record<string, unknown>, env: ArmEnv): void {
  for (const { reference, holder } of env.references.of(id)) {
    if (reference.back === undefined) continue;
    if (reference.single) properties[reference.back] = { id: holder };
    else {
      const list = objects(properties[reference.back]);
      if (!list.some((other) => other.id === holder)) properties[reference.back] = [...list, { id: holder }];
    }
  }
}

// Azure changes a parent's etag with every change of a part or a back reference, and shows the parent's on each part.
function stampEtag(kind: Kind, copy: ArmResource): void {
  const hash = createHash('sha256').update(steady(copy)).digest('hex');
  const guid = [8, 4, 4, 4, 12].map((length, i, all) => {
    const from = all.slice(0, i).reduce((sum, n) => sum + n, 0);
    return hash.slice(from, from + length);
  });
  const etag = `W/"${guid.join('-')}"`;
  copy.etag = etag;
  for (const part of partsOf(kind, copy)) part.etag = etag;
}

// The order in which members were written is no change.
const steady = (value: unknown): string =>
  JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );

/** Gives the parts of a document ids, types and states, as the network provider does. */
export function completeParts(kind: Kind, resource: Stored): void {
  for (const list of kind.parts ?? []) {
    for (const part of objects(resource.properties[list])) {
      part.id = `${resource.id}/${list}/${String(part.name)}`;
      part.type = `${resource.type}/${list}`;
      part.properties = { ...asObject(part.properties), provisioningState: resource.properties.provisioningState };
    }
  }
}

/** The word for a resource's state, whichever member it is kept in. */
export const stateOf = (kind: Kind | undefined, resource: ArmResource): string =>
  String(resource.properties[kind?.state?.property ?? 'provisioningState'] ?? 'Succeeded');
