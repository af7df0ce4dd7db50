/** ARM paths and ids: case-insensitive, double slashes collapse, extension resources hang below any scope. */

export interface ArmPath {
  segments: string[];
  subscription?: string;
  group?: string;
  /** What comes before the last `/providers/`, without slash at the end; `''` for the tenant. */
  scope: string;
  namespace?: string;
  /** Type and name words after the namespace: `['virtualNetworks', 'v1', 'subnets', 's1']`. */
  tail: string[];
}

export const key = (id: string): string => id.toLowerCase();

/** Throws URIError on a broken percent code. */
export function parsePath(pathname: string): ArmPath {
  const segments = pathname.split('/').filter(Boolean).map(decodeURIComponent);
  const lower = segments.map((s) => s.toLowerCase());
  const path: ArmPath = { segments, scope: '', tail: [] };
  if (lower[0] === 'subscriptions') path.subscription = segments[1];
  if (lower[2] === 'resourcegroups') path.group = segments[3];
  const providers = lower.lastIndexOf('providers');
  if (providers >= 0) {
    path.scope = segments
      .slice(0, providers)
      .map((s) => `/${s}`)
      .join('');
    path.namespace = segments[providers + 1];
    path.tail = segments.slice(providers + 2);
  } else path.scope = segments.map((s) => `/${s}`).join('');
  return path;
}

export const lastName = (id: string): string => id.slice(id.lastIndexOf('/') + 1);

/** The id without its last `/type/name`. */
export function parentId(id: string): string {
  return id.split('/').slice(0, -2).join('/');
}

/** `/subscriptions/s/resourceGroups/g` of an id below a group, else undefined. */
export function groupId(id: string): string | undefined {
  const match = /^(\/subscriptions\/[^/]+\/resourceGroups\/[^/]+)(\/|$)/i.exec(id);
  return match?.[1];
}

export const groupName = (id: string): string | undefined => {
  const group = groupId(id);
  return group === undefined ? undefined : lastName(group);
};

/** Is `id` the scope itself or something below it? */
export function within(id: string, scope: string): boolean {
  const [a, b] = [key(id), key(scope).replace(/\/$/, '')];
  return a === b || a.startsWith(`${b}/`);
}
