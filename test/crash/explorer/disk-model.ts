import type { Tree } from './tree.js';

/** Bytes of a file that the disk was not made to keep yet. */
export interface UnsyncedWrite {
  position: number;
  bytes: Uint8Array;
}

/** A file, whatever names lead to it. */
export class ModelFile {
  /** What is there after lost power in any case, if a name leads to it. */
  durable: Uint8Array;
  unsynced: UnsyncedWrite[] = [];

  constructor(durable: Uint8Array = new Uint8Array(0)) {
    this.durable = durable;
  }

  write(position: number, bytes: Uint8Array): void {
    this.unsynced.push({ position, bytes: bytes.slice() });
  }

  sync(): void {
    this.durable = this.contents();
    this.unsynced = [];
  }

  /** What readers see now. */
  contents(): Uint8Array {
    return applied(this.durable, this.unsynced);
  }
}

/** `bytes` with writes laid over it, zeros where none reaches. */
export function applied(bytes: Uint8Array, writes: readonly UnsyncedWrite[]): Uint8Array {
  const length = writes.reduce((most, write) => Math.max(most, write.position + write.bytes.length), 0);
  const result = new Uint8Array(Math.max(bytes.length, length));
  result.set(bytes);
  for (const write of writes) result.set(write.bytes, write.position);
  return result;
}

export type ModelEntry = ModelFile | ModelDirectory;

/** One name and what it stands for from then on: null after a removal. */
export interface NameChange {
  name: string;
  entry: ModelEntry | null;
}

/** A directory: the names that readers see, those that are durable, and how the one came from the other. */
export class ModelDirectory {
  readonly live = new Map<string, ModelEntry>();
  durable = new Map<string, ModelEntry>();
  unsynced: NameChange[] = [];

  set(name: string, entry: ModelEntry | null): void {
    if (entry === null) this.live.delete(name);
    else this.live.set(name, entry);
    this.unsynced.push({ name, entry });
  }

  sync(): void {
    this.durable = new Map(this.live);
    this.unsynced = [];
  }
}

/** A model in which everything of a tree is durable. */
export function modelOf(tree: Tree): ModelDirectory {
  const root = new ModelDirectory();
  for (const [path, bytes] of tree) {
    const names = path.split('/');
    const last = names.pop()!;
    let directory = root;
    for (const name of names) directory = directoryIn(directory, name);
    if (bytes === null) directoryIn(directory, last);
    else directory.set(last, new ModelFile(bytes));
  }
  syncAll(root);
  return root;
}

function directoryIn(parent: ModelDirectory, name: string): ModelDirectory {
  const known = parent.live.get(name);
  if (known instanceof ModelDirectory) return known;
  const made = new ModelDirectory();
  parent.set(name, made);
  return made;
}

function syncAll(directory: ModelDirectory): void {
  directory.sync();
  for (const entry of directory.live.values()) if (entry instanceof ModelDirectory) syncAll(entry);
}
