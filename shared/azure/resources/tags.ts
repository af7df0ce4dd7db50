import type { Blueprint } from '../blueprint.ts';
import { ownerTag, tagNamesTag } from '../names.ts';
import { refuseOthers } from './ownership.ts';

/**
 * The tags a resource should have: the owner's, the spec's, and those that others (people, Azure Policy) put on it. A PUT
 * replaces all tags; names are the same in any letter case (tag-resources, "Limitations"). Throws when another jump server owns it.
 */
export function tagsOver(
  found: { id?: string; tags?: Record<string, string> } | undefined,
  blueprint: Blueprint,
): Record<string, string> {
  refuseOthers(found, blueprint);
  const ours = ownTags(blueprint);
  const former = (found?.tags?.[tagNamesTag] ?? '').split(',').map((name) => name.toLowerCase());
  const taken = new Set([...former, tagNamesTag, ...Object.keys(ours).map((name) => name.toLowerCase())]);
  const others = Object.entries(found?.tags ?? {}).filter(([name]) => !taken.has(name.toLowerCase()));
  return { ...Object.fromEntries(others), ...ours };
}

function ownTags({ name, spec }: Blueprint): Record<string, string> {
  const names = Object.keys(spec.tags).sort();
  return { [ownerTag]: name, ...spec.tags, ...(names.length > 0 && { [tagNamesTag]: names.join(',') }) };
}
