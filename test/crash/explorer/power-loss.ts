import { applied, type ModelDirectory, type ModelEntry, ModelFile, type NameChange } from './disk-model.js';
import type { Tree } from './tree.js';

/** What a disk keeps when its power goes. */
interface Survival {
  /** How many of the changes to one name in one directory are kept; a later one is never kept without those before it. */
  names(changes: readonly NameChange[]): number;
  contents(file: ModelFile): Uint8Array;
}

const all = (changes: readonly NameChange[]): number => changes.length;
const none = (): number => 0;
const now = (file: ModelFile): Uint8Array => file.contents();
const durable = (file: ModelFile): Uint8Array => file.durable;

/** The last change such that the name stands for something, or for nothing. */
function upTo(changes: readonly NameChange[], wanted: (change: NameChange) => boolean): number {
  return changes.findLastIndex(wanted) + 1;
}

/** The length of the file reached the disk, its bytes did not. */
function sizedWith(file: ModelFile, fill: () => number): Uint8Array {
  const bytes = file.contents();
  for (const write of file.unsynced) {
    for (let i = 0; i < write.bytes.length; i++) bytes[write.position + i] = fill();
  }
  return bytes;
}

/** Each write kept or not, in no order, one of them in part; sometimes with the length of all. */
function tornContents(file: ModelFile, random: () => number): Uint8Array {
  const kept = file.unsynced.flatMap((write) => {
    const lot = random();
    if (lot < 0.4) return [write];
    if (lot < 0.7) return [];
    return [{ ...write, bytes: write.bytes.subarray(0, Math.floor(random() * write.bytes.length)) }];
  });
  const bytes = applied(file.durable, kept);
  const fullLength = file.contents().length;
  if (random() < 0.7 || bytes.length >= fullLength) return bytes;
  return applied(bytes, [{ position: bytes.length, bytes: new Uint8Array(fullLength - bytes.length) }]);
}

/** The extremes, and choices by lot between them. */
export const POWER_LOSSES: Record<string, (random: () => number) => Survival> = {
  /** Nothing is kept that was not synced. */
  nothing: () => ({ names: none, contents: durable }),
  /** Everything is: as when the process alone had died. */
  everything: () => ({ names: all, contents: now }),
  /** Renames and removals are, but no contents: files of no length. */
  names: () => ({ names: all, contents: durable }),
  /** The same, with their lengths, full of zeros. */
  lengths: () => ({ names: all, contents: (file) => sizedWith(file, () => 0) }),
  /** The same, full of what lay on the disk before. */
  stale: (random) => ({ names: all, contents: (file) => sizedWith(file, () => Math.floor(random() * 256)) }),
  /** Contents, but no names. */
  contents: () => ({ names: none, contents: now }),
  /** New names, but no removals. */
  additions: () => ({ names: (changes) => upTo(changes, ({ entry }) => entry !== null), contents: now }),
  /** Removals, but no new names. */
  removals: () => ({ names: (changes) => upTo(changes, ({ entry }) => entry === null), contents: durable }),
  /** Whatever the lot says, name by name and write by write. */
  lot: (random) => ({
    names: (changes) => Math.floor(random() * (changes.length + 1)),
    contents: (file) => (random() < 0.3 ? file.contents() : tornContents(file, random)),
  }),
};

/** What is on the disk when the machine starts again. */
export function treeAfter(root: ModelDirectory, survival: Survival): Tree {
  const tree = new Map<string, Uint8Array | null>();
  const walk = (directory: ModelDirectory, prefix: string): void => {
    for (const [name, entry] of entriesKept(directory, survival)) {
      if (entry instanceof ModelFile) tree.set(prefix + name, survival.contents(entry));
      else {
        tree.set(prefix + name, null);
        walk(entry, `${prefix}${name}/`);
      }
    }
  };
  walk(root, '');
  return tree;
}

function entriesKept(directory: ModelDirectory, survival: Survival): Map<string, ModelEntry> {
  const kept = new Map(directory.durable);
  const byName = new Map<string, NameChange[]>();
  for (const change of directory.unsynced) {
    byName.set(change.name, [...(byName.get(change.name) ?? []), change]);
  }
  for (const [name, changes] of byName) {
    const count = survival.names(changes);
    const last = changes[count - 1];
    if (last === undefined) continue;
    if (last.entry === null) kept.delete(name);
    else kept.set(name, last.entry);
  }
  return kept;
}
