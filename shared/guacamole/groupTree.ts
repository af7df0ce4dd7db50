import type { Kysely } from 'kysely';
import { collationKeys } from './collation.ts';
import type { GuacamoleDatabase } from './schema/tables.ts';

/** A group in memory; one that an import is about to make has no id yet. */
export interface GroupNode {
  id: number | undefined;
  name: string;
  parent: GroupNode | undefined;
  depth: number;
}

/** All connection groups, found by identifier or by path. */
export class GroupTree {
  readonly root: GroupNode = { id: undefined, name: 'ROOT', parent: undefined, depth: 0 };
  readonly #byId = new Map<number, GroupNode>();
  readonly #children = new Map<GroupNode, Map<string, GroupNode>>();
  readonly #keyOf: (name: string) => string;

  constructor(keyOf: (name: string) => string) {
    this.#keyOf = keyOf;
  }

  byId(id: number): GroupNode | undefined {
    return this.#byId.get(id);
  }

  child(parent: GroupNode, name: string): GroupNode | undefined {
    return this.#children.get(parent)?.get(this.#keyOf(name));
  }

  add(parent: GroupNode, name: string, id: number | undefined): GroupNode {
    const node: GroupNode = { id, name, parent, depth: parent.depth + 1 };
    const children = this.#children.get(parent) ?? new Map<string, GroupNode>();
    this.#children.set(parent, children.set(this.#keyOf(name), node));
    if (id !== undefined) this.#byId.set(id, node);
    return node;
  }
}

/** Reads the tree; `names` are those that will be looked for in it. */
export async function readGroupTree(db: Kysely<GuacamoleDatabase>, names: Iterable<string>): Promise<GroupTree> {
  const rows = await db
    .selectFrom('guacamole_connection_group')
    .select(['connection_group_id as id', 'connection_group_name as name', 'parent_id as parent'])
    .orderBy('connection_group_id')
    .execute();
  const tree = new GroupTree(await collationKeys(db, [...names, ...rows.map((row) => row.name)]));
  const byParent = Map.groupBy(rows, (row) => row.parent);
  const pending: [GroupNode, number | null][] = [[tree.root, null]];
  for (let next = pending.pop(); next; next = pending.pop()) {
    const [parent, id] = next;
    for (const row of byParent.get(id) ?? []) pending.push([tree.add(parent, row.name, row.id), row.id]);
  }
  return tree;
}

/** The names of a path: `ROOT/a/b`, `/a/b` and `a//b/` are all `a` then `b`, as Guacamole reads them. */
export function splitPath(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '');
  return names[0] === 'ROOT' ? names.slice(1) : names;
}

/** `ROOT/a/b`. */
export function pathOf(node: GroupNode): string {
  return node.parent ? `${pathOf(node.parent)}/${node.name}` : node.name;
}
