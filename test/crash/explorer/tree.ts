import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { sha256Of } from '../../support/images.js';

/** But for packs that a gc has set aside. */
const TEMPORARY = /(^|\/)tmp\/(?!aside-).|\.dbup-[0-9a-f]+\.partial$/;

/** Files by their path below some directory, and directories as null. */
export type Tree = ReadonlyMap<string, Uint8Array | null>;

/** Everything below a directory; nothing where it is not there. */
export function readTree(directory: string): Map<string, Uint8Array | null> {
  const tree = new Map<string, Uint8Array | null>();
  let entries: import('node:fs').Dirent[];
  try {
    entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return tree;
    throw error;
  }
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(directory, path);
    if (entry.isDirectory()) tree.set(name, null);
    else tree.set(name, new Uint8Array(readFileSync(path)));
  }
  return new Map([...tree].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Makes a directory hold exactly this. */
export function writeTree(directory: string, tree: Tree): void {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const [name, bytes] of tree) {
    const path = join(directory, name);
    if (bytes === null) mkdirSync(path, { recursive: true });
    else {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, bytes);
    }
  }
}

/** The part of a tree below one of its directories. */
export function subtree(tree: Tree, directory: string): Map<string, Uint8Array | null> {
  const prefix = `${directory}/`;
  return new Map(
    [...tree].flatMap(([name, bytes]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), bytes] as const] : [],
    ),
  );
}

/**
 * Two trees of one fingerprint are alike to every command: temporary files are there or not, but nothing reads them, a
 * pool's descriptor is as good as another that is as long, and locks are empty.
 */
export function fingerprint(tree: Tree): string {
  const lines = [...tree].flatMap(([name, bytes]) => {
    if (name.endsWith('dbup.lock')) return [];
    const content = bytes === null ? 'directory' : sha256Of(bytes);
    if (name.endsWith('dbup-pool.json')) return [`${name} ${bytes?.length}`];
    if (TEMPORARY.test(name)) return [`temporary ${bytes === null}`];
    return [`${name} ${content}`];
  });
  return createHash('sha256').update(lines.sort().join('\n')).digest('hex');
}
