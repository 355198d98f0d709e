import { type FileSystem, nodeFileSystem, type OpenFile } from '../../src/store/file-system.js';

/** Calls that change the disk, and those that read it. */
const CHANGES = [
  'createNew',
  'write',
  'sync',
  'rename',
  'unlink',
  'makeDirectory',
  'syncDirectory',
  'setTimes',
];
const READS = ['openRead', 'read', 'sizeBytes', 'list', 'info'];

export interface FaultOptions {
  /** The N-th counted call fails, from 1; 0 only counts. */
  failAt: number;
  /** Such as `ENOSPC`. */
  errno: string;
  /** Which calls are counted; changes by default. */
  count?: 'changes' | 'reads';
  /** Every counted call from the N-th on fails: a disk that stays full. */
  stays?: boolean;
}

/** The real disk, but for one call (or all after it) that fails as told. `fired` proves that it did. */
export class FaultyFileSystem {
  readonly fs: FileSystem;
  readonly #options: FaultOptions;
  /** Counted calls so far. */
  calls = 0;
  /** What failed first: `rename /pool/packs/…`. */
  fired: string | null = null;

  constructor(options: FaultOptions) {
    this.#options = options;
    const guard =
      <Arguments extends unknown[], Result>(name: string, call: (...args: Arguments) => Promise<Result>) =>
      async (...args: Arguments): Promise<Result> => {
        this.#step(name, String(args[0]));
        return call(...args);
      };
    const file = (path: string, real: OpenFile): OpenFile => ({
      read: async (into, position) => {
        this.#step('read', path);
        return real.read(into, position);
      },
      write: (bytes, position) => this.#write(path, real, bytes, position),
      sync: async () => {
        this.#step('sync', path);
        await real.sync();
      },
      sizeBytes: async () => {
        this.#step('sizeBytes', path);
        return real.sizeBytes();
      },
      close: () => real.close(),
    });
    const real = nodeFileSystem;
    this.fs = {
      openRead: guard('openRead', async (path: string) => file(path, await real.openRead(path))),
      createNew: guard('createNew', async (path: string) => file(path, await real.createNew(path))),
      rename: guard('rename', (from: string, to: string) => real.rename(from, to)),
      unlink: guard('unlink', (path: string) => real.unlink(path)),
      makeDirectory: guard('makeDirectory', (path: string) => real.makeDirectory(path)),
      syncDirectory: guard('syncDirectory', (path: string) => real.syncDirectory(path)),
      list: guard('list', (path: string) => real.list(path)),
      info: guard('info', (path: string) => real.info(path)),
      setTimes: guard('setTimes', (path: string, seconds: number) => real.setTimes(path, seconds)),
    };
  }

  /** A write that fails may have written something before. */
  async #write(path: string, real: OpenFile, bytes: Uint8Array, position: number): Promise<number> {
    try {
      this.#step('write', path);
    } catch (error) {
      await real.write(bytes.subarray(0, bytes.length >> 1), position);
      throw error;
    }
    return real.write(bytes, position);
  }

  #step(name: string, path: string): void {
    const { failAt, errno, count = 'changes', stays = false } = this.#options;
    if (!(count === 'changes' ? CHANGES : READS).includes(name)) return;
    this.calls++;
    // A full disk still lets files go.
    if (stays && name === 'unlink') return;
    const hit = failAt > 0 && (stays ? this.calls >= failAt : this.calls === failAt);
    if (!hit) return;
    this.fired ??= `${name} ${path}`;
    throw Object.assign(new Error(`${errno}: injected, ${name} '${path}'`), {
      code: errno,
      path,
      syscall: name,
    });
  }
}
