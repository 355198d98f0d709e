import { TarWalk } from '../archive/tar-walk.js';
import { DbupError } from '../core/errors.js';
import type { StreamRef } from '../format/recipe.js';
import { type BlockCache, type ChunkLease, checkChunk } from './block-cache.js';
import { streamChunks } from './stream-chunks.js';

/** Decoded ahead of the reader, for each stream. */
export interface ReadAhead {
  bytes: number;
  /** Of all blocks that these bytes lie in. */
  blockBytes: number;
}
const USUAL_AHEAD: ReadAhead = { bytes: 6 * 1024 * 1024, blockBytes: 24 * 1024 * 1024 };
const AHEAD_CHUNKS = 1024;

/**
 * A pull source of bytes without copies: `current` is what is at hand (empty: call `advance`), `consume`
 * moves past some of it. `advance` resolves to false at the end.
 */
export interface ByteSource {
  readonly current: Uint8Array;
  consume(byteCount: number): void;
  advance(): Promise<boolean>;
  /**
   * With nothing at hand, moves past up to `byteCount` bytes that need not be read for it.
   * @returns how many; 0 where none can be told before they are read
   */
  skip?(byteCount: number): Promise<number>;
  close(): Promise<void>;
}

export const NOTHING = new Uint8Array(0);

/** The bytes of a stream, read ahead. With `verifyChunks` each chunk is compared with its id, for streams no blob digest covers. */
export class StreamSource implements ByteSource {
  current: Uint8Array = NOTHING;
  readonly #cache: BlockCache;
  readonly #verifyChunks: boolean;
  readonly #readAheadLimit: ReadAhead;
  readonly #chunks: AsyncGenerator<{ id: Uint8Array; sizeBytes: number }>;
  readonly #ahead: ChunkLease[] = [];
  readonly #aheadBlocks = new Map<string, number>();
  #aheadBytes = 0;
  #aheadBlockBytes = 0;
  #listEnded = false;
  #held: ChunkLease | null = null;

  constructor(cache: BlockCache, stream: StreamRef, verifyChunks: boolean, readAhead = USUAL_AHEAD) {
    this.#cache = cache;
    this.#readAheadLimit = readAhead;
    this.#verifyChunks = verifyChunks;
    this.#chunks = streamChunks(cache, stream);
  }

  consume(byteCount: number): void {
    this.current = this.current.subarray(byteCount);
  }

  async advance(): Promise<boolean> {
    this.#releaseHeld();
    await this.#readAhead();
    const lease = this.#ahead.shift();
    if (!lease) return false;
    this.#held = lease;
    this.#aheadBytes -= lease.bytes.length;
    const leases = this.#aheadBlocks.get(lease.blockKey)!;
    if (leases > 1) this.#aheadBlocks.set(lease.blockKey, leases - 1);
    else {
      this.#aheadBlocks.delete(lease.blockKey);
      this.#aheadBlockBytes -= lease.blockBytes;
    }
    await lease.ready;
    if (this.#verifyChunks) checkChunk(lease.id, lease.bytes);
    this.current = lease.bytes;
    return true;
  }

  async skip(byteCount: number): Promise<number> {
    // What is read ahead is there already.
    if (this.#ahead.length > 0) return 0;
    let skipped = 0;
    while (!this.#listEnded) {
      const next = await this.#chunks.next();
      if (next.done) this.#listEnded = true;
      else if (next.value.sizeBytes <= byteCount - skipped) skipped += next.value.sizeBytes;
      else {
        this.#lease(next.value);
        break;
      }
    }
    return skipped;
  }

  async close(): Promise<void> {
    this.#releaseHeld();
    for (const lease of this.#ahead.splice(0)) lease.release();
    await this.#chunks.return(undefined);
  }

  #releaseHeld(): void {
    this.current = NOTHING;
    this.#held?.release();
    this.#held = null;
  }

  async #readAhead(): Promise<void> {
    while (
      !this.#listEnded &&
      (this.#ahead.length === 0 ||
        (this.#aheadBytes < this.#readAheadLimit.bytes &&
          this.#aheadBlockBytes < this.#readAheadLimit.blockBytes &&
          this.#ahead.length < AHEAD_CHUNKS))
    ) {
      const next = await this.#chunks.next();
      if (next.done) {
        this.#listEnded = true;
        return;
      }
      this.#lease(next.value);
    }
  }

  #lease({ id, sizeBytes }: { id: Uint8Array; sizeBytes: number }): void {
    const lease = this.#cache.lease(id);
    this.#ahead.push(lease);
    if (lease.bytes.length !== sizeBytes) throw wrongLength(id);
    this.#aheadBytes += lease.bytes.length;
    const leases = this.#aheadBlocks.get(lease.blockKey) ?? 0;
    if (leases === 0) this.#aheadBlockBytes += lease.blockBytes;
    this.#aheadBlocks.set(lease.blockKey, leases + 1);
  }
}

/** Several sources one after the other, each opened when it is its turn. */
export class SequenceSource implements ByteSource {
  readonly #openers: (() => Promise<ByteSource>)[];
  #source: ByteSource | null = null;

  constructor(openers: (() => Promise<ByteSource>)[]) {
    this.#openers = openers;
  }

  get current(): Uint8Array {
    return this.#source?.current ?? NOTHING;
  }

  consume(byteCount: number): void {
    this.#source!.consume(byteCount);
  }

  async advance(): Promise<boolean> {
    for (;;) {
      if (this.#source && (await this.#source.advance())) return true;
      await this.close();
      const open = this.#openers.shift();
      if (!open) return false;
      this.#source = await open();
      if (this.#source.current.length > 0) return true;
    }
  }

  async skip(byteCount: number): Promise<number> {
    return (await this.#source?.skip?.(byteCount)) ?? 0;
  }

  async close(): Promise<void> {
    await this.#source?.close();
    this.#source = null;
  }
}

/** A tar put together again: the walk over the skeleton says when contents are due. */
export class TarSource implements ByteSource {
  readonly #walk = new TarWalk();
  readonly #skeleton: ByteSource;
  readonly #content: ByteSource;

  constructor(skeleton: ByteSource, content: ByteSource) {
    this.#skeleton = skeleton;
    this.#content = content;
  }

  get current(): Uint8Array {
    const { current } = this.#due;
    const { remainingBytes } = this.#walk;
    return current.length > remainingBytes ? current.subarray(0, remainingBytes) : current;
  }

  consume(byteCount: number): void {
    const source = this.#due;
    if (this.#walk.kind === 'skeleton') this.#walk.skeleton(source.current.subarray(0, byteCount));
    else this.#walk.content(byteCount);
    source.consume(byteCount);
  }

  async advance(): Promise<boolean> {
    if (this.#due.current.length > 0 || (await this.#due.advance())) return true;
    await this.#checkNothingLeft();
    return false;
  }

  async skip(byteCount: number): Promise<number> {
    // The walk must see all of the skeleton.
    if (this.#walk.kind === 'skeleton' || !this.#content.skip) return 0;
    const skipped = await this.#content.skip(Math.min(byteCount, this.#walk.remainingBytes));
    if (skipped > 0) this.#walk.content(skipped);
    return skipped;
  }

  /** The walk says which bytes come next: bytes it never comes to mean that the recipe is not the archive's. */
  async #checkNothingLeft(): Promise<void> {
    const other = this.#due === this.#skeleton ? this.#content : this.#skeleton;
    if (other.current.length === 0 && !(await other.advance())) return;
    throw new DbupError('POOL_DAMAGED', 'a recipe holds bytes that its skeleton has no place for', {
      hint: 'Nothing of it was accepted. Run `dbup verify`.',
    });
  }

  async close(): Promise<void> {
    await this.#skeleton.close();
    await this.#content.close();
  }

  get #due(): ByteSource {
    return this.#walk.kind === 'skeleton' ? this.#skeleton : this.#content;
  }
}

/** Fills `into`, or as much of it as there are bytes. @returns how many there were */
export async function fillFrom(source: ByteSource, into: Uint8Array): Promise<number> {
  for (let fill = 0; ; ) {
    const taken = Math.min(source.current.length, into.length - fill);
    into.set(source.current.subarray(0, taken), fill);
    if (taken > 0) source.consume(taken);
    fill += taken;
    if (fill === into.length || !(await source.advance())) return fill;
  }
}

/** Moves past so many bytes, or to the end. @returns how many there were */
export async function skipBytes(source: ByteSource, byteCount: number): Promise<number> {
  for (let done = 0; ; ) {
    const { current } = source;
    const taken = Math.min(current.length, byteCount - done);
    if (taken > 0) source.consume(taken);
    done += taken;
    if (done === byteCount) return done;
    const skipped = (await source.skip?.(byteCount - done)) ?? 0;
    done += skipped;
    if (skipped === 0 && !(await source.advance())) return done;
  }
}

/** A source as an iterable of pieces, each valid until the next is asked for. Closes the source. */
export async function* readSource(source: ByteSource): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const { current } = source;
      if (current.length === 0) {
        if (!(await source.advance())) return;
        continue;
      }
      yield current;
      source.consume(current.length);
    }
  } finally {
    await source.close();
  }
}

function wrongLength(id: Uint8Array): DbupError {
  const hex = Buffer.from(id).toString('hex');
  return new DbupError('POOL_DAMAGED', `chunk ${hex.slice(0, 12)} has another length than the recipe says`, {
    hint: 'Run `dbup verify`.',
    details: { chunk: hex },
  });
}
