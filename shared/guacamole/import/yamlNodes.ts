import { type Document, isAlias, isCollection, isMap, isPair, isScalar, type Node, type Pair } from 'yaml';

/** Nodes that aliases may stand for in one file, each counted as often as it is used. */
const mostRepeated = 200_000;

/** What a document's nodes say that the parser does not check, or checks in quadratic time. */
export class YamlFault extends Error {
  /** Offset in the text, where it is known. */
  readonly at: number | undefined;

  constructor(message: string, node: Node | undefined) {
    super(message);
    this.at = node?.range?.[0];
  }
}

/**
 * Puts what an alias stands for in its place and throws YamlFault for a key that is in a mapping twice. The parser can do both, but
 * walks the document once for every alias and a mapping once for every key, which lets a small file hold up the process for
 * minutes; this walks each node once.
 */
export function resolveNodes(document: Document): void {
  const named = new Map<string, { node: Node; size: number | undefined }>();
  let repeated = 0;

  /** The node that belongs here, and how many nodes it is with everything in it. */
  const visit = (node: unknown): [unknown, number] => {
    if (isAlias(node)) {
      const target = named.get(node.source);
      // Without a size it is still being walked: it would hold itself.
      if (target?.size === undefined) throw new YamlFault(`the alias '*${node.source}' names nothing before it`, node);
      repeated += target.size;
      if (repeated > mostRepeated)
        throw new YamlFault(`its aliases stand for more than ${mostRepeated} values; write them out`, node);
      return [target.node, target.size];
    }
    if (!isScalar(node) && !isCollection(node)) return [node, 1];
    const anchored = node.anchor === undefined ? undefined : { node, size: undefined as number | undefined };
    if (anchored && node.anchor) named.set(node.anchor, anchored);
    const size = isCollection(node) ? 1 + visitItems(node) : 1;
    if (anchored) anchored.size = size;
    return [node, size];
  };

  const visitItems = (collection: { items: unknown[] }): number => {
    let size = 0;
    for (const [index, item] of collection.items.entries()) {
      const [node, inside] = isPair(item) ? visitPair(item) : visit(item);
      collection.items[index] = node;
      size += inside;
    }
    if (isMap(collection)) refuseSameKeys(collection.items);
    return size;
  };

  const visitPair = (pair: Pair): [Pair, number] => {
    const [key, keySize] = visit(pair.key);
    const [value, valueSize] = visit(pair.value);
    pair.key = key;
    pair.value = value;
    return [pair, keySize + valueSize];
  };

  const [contents] = visit(document.contents);
  document.contents = contents as Node | null;
}

function refuseSameKeys(pairs: readonly Pair[]): void {
  const seen = new Set<unknown>();
  for (const { key } of pairs) {
    const value = isScalar(key) ? key.value : key;
    if (seen.has(value)) throw new YamlFault('a key is there twice', isScalar(key) ? key : undefined);
    seen.add(value);
  }
}
