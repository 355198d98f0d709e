import type { Tree } from './tree.js';

/** Catalogs that a command may meet, whatever the pool is like. */
export interface CatalogOrigins {
  /** As it lay there when the process died, write-ahead log and all. */
  asLeft: Tree;
  /** From before the operation. */
  old: Tree;
  /** Of another pool. */
  foreign: Tree;
}

const MAIN = 'catalog.sqlite';
const WAL = 'catalog.sqlite-wal';

/** By name: what may become of a catalog when a process dies, the power goes, or somebody copies files. */
export const CATALOG_STATES: Record<string, (from: CatalogOrigins, random: () => number) => Tree> = {
  'as-left': ({ asLeft }) => asLeft,
  missing: () => new Map(),
  old: ({ old }) => old,
  foreign: ({ foreign }) => foreign,
  empty: ({ asLeft }) => emptied(asLeft),
  'old-with-new-log': ({ asLeft, old }) => joined(old, asLeft),
  'foreign-with-log': ({ asLeft, foreign }) => joined(foreign, asLeft),
  'log-lost': ({ asLeft }) => without(asLeft, WAL),
  'log-torn': ({ asLeft }, random) => cut(asLeft, WAL, random),
  torn: ({ asLeft }, random) => cut(asLeft, MAIN, random),
  zeros: ({ asLeft }, random) => overwritten(asLeft, random, () => 0),
  junk: ({ asLeft }, random) => overwritten(asLeft, random, () => Math.floor(random() * 256)),
  'no-database': () => new Map([[MAIN, new TextEncoder().encode('this is no database at all\n'.repeat(50))]]),
};

function emptied(tree: Tree): Tree {
  return new Map([...tree.keys()].map((name) => [name, new Uint8Array(0)]));
}

function joined(main: Tree, log: Tree): Tree {
  const tree = new Map(main);
  for (const name of [WAL, 'catalog.sqlite-shm']) {
    const bytes = log.get(name);
    if (bytes) tree.set(name, bytes);
  }
  return tree;
}

function without(tree: Tree, name: string): Tree {
  const rest = new Map(tree);
  rest.delete(name);
  return rest;
}

function cut(tree: Tree, name: string, random: () => number): Tree {
  const bytes = tree.get(name);
  if (!bytes) return tree;
  return new Map(tree).set(name, bytes.slice(0, Math.floor(random() * bytes.length)));
}

/** A stretch of the database, anywhere. */
function overwritten(tree: Tree, random: () => number, byte: () => number): Tree {
  const bytes = tree.get(MAIN)?.slice();
  if (!bytes) return tree;
  const from = Math.floor(random() * bytes.length);
  const to = Math.min(bytes.length, from + Math.floor(random() * 8192) + 1);
  for (let at = from; at < to; at++) bytes[at] = byte();
  return new Map(tree).set(MAIN, bytes);
}
