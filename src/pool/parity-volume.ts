import { DbupError, isSystemError } from '../core/errors.js';
import type { ParityMember } from '../format/parity.js';
import { type FileSystem, type OpenFile, readFully } from '../store/file-system.js';
import { shortName } from '../store/pack-file.js';
import type { PoolLayout } from '../store/pool-layout.js';

const MOST_OPEN = 16;

/**
 * The packs of a parity set as one sequence of bytes, in the order of the set; after the last one come zeros without end.
 * The caller closes it.
 */
export class ParityVolume {
  readonly members: readonly ParityMember[];
  /** Where each member begins, and at the end where the last one ends. */
  readonly starts: readonly number[];
  readonly #fs: FileSystem;
  readonly #layout: PoolLayout;
  readonly #isStrict: boolean;
  /** null where there is no file to read. The one used last comes last. */
  readonly #open = new Map<number, OpenFile | null>();

  /** @param isStrict throw where bytes cannot be read; else they are zeros, and digests tell */
  constructor(
    { fs, layout }: { fs: FileSystem; layout: PoolLayout },
    members: readonly ParityMember[],
    isStrict: boolean,
  ) {
    this.#fs = fs;
    this.#layout = layout;
    this.#isStrict = isStrict;
    this.members = members;
    let end = 0;
    this.starts = [0, ...members.map(({ sizeBytes }) => (end += sizeBytes))];
  }

  /** Fills `into` from `offsetBytes`. @throws DbupError POOL_DAMAGED, POOL_INCOMPLETE when strict */
  async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    into.fill(0);
    for (let done = 0; done < into.length; ) {
      const at = offsetBytes + done;
      if (at >= this.starts.at(-1)!) return;
      const number = this.#memberAt(at);
      const start = this.starts[number]!;
      const count = Math.min(into.length - done, this.starts[number + 1]! - at);
      await this.#readMember(number, into.subarray(done, done + count), at - start);
      done += count;
    }
  }

  async close(): Promise<void> {
    for (const file of this.#open.values()) await file?.close();
    this.#open.clear();
  }

  #memberAt(offsetBytes: number): number {
    let low = 0;
    let high = this.members.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.starts[middle]! <= offsetBytes) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  async #readMember(number: number, into: Uint8Array, position: number): Promise<void> {
    const { name } = this.members[number]!;
    const file = await this.#fileOf(number, name);
    if (file === null) {
      if (!this.#isStrict) return;
      throw new DbupError('POOL_INCOMPLETE', `pack ${shortName(name)} is gone`, {
        hint: 'Sync the pool again.',
        details: { pack: name },
      });
    }
    let count = 0;
    try {
      count = await readFully(file, into, position);
    } catch (error) {
      if (!isSystemError(error, 'EIO')) throw error;
    }
    if (count === into.length) return;
    if (this.#isStrict) {
      throw new DbupError('POOL_DAMAGED', `pack ${shortName(name)} cannot be read at ${position + count}`, {
        hint: 'Run `dbup verify --read-data`.',
        details: { pack: name },
      });
    }
    into.fill(0, count);
  }

  async #fileOf(number: number, name: string): Promise<OpenFile | null> {
    const known = this.#open.get(number);
    if (known !== undefined) return known;
    if (this.#open.size >= MOST_OPEN) {
      const [oldest, file] = this.#open.entries().next().value!;
      this.#open.delete(oldest);
      await file?.close();
    }
    const path = this.#layout.packPath(name);
    const isFile = (await this.#fs.info(path))?.isFile ?? false;
    const file = isFile ? await this.#fs.openRead(path) : null;
    this.#open.set(number, file);
    return file;
  }
}
