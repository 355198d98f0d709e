import { type DeltaOps, type DeltaStreams, readDeltaOps } from '../compress/delta/delta-ops.js';
import type { FlatDelta } from '../compress/delta/flat-delta.js';
import { FlatDeltaBuilder } from '../compress/delta/flat-delta-builder.js';
import { DbupError } from '../core/errors.js';
import { BLOCK_CODEC, type BlockEntry } from '../format/block-entry.js';
import { BLOCK_KIND } from '../format/pack.js';
import type { PoolLayout } from '../store/pool-layout.js';
import { planBases } from './base-plan.js';
import { DELTA_DAMAGED } from './block-job.js';
import type { BlockWorkers } from './block-workers.js';
import type { BlockAddress, ChunkCatalog } from './chunk-catalog.js';

/** Of larger deltas the bytes are wanted, not the way to them. */
const MOST_STORED_BYTES = 256 * 1024;
/** Solid blocks are larger, and coded by other means. */
const MOST_PLAIN_BYTES = 2 * 1024 * 1024;
const MOST_STREAM_BYTES = 512 * 1024;
const MOST_PIECES = 16_384;
const MOST_DIFFERENCES = 16_384;
const MOST_LITERAL_BYTES = 4 * 1024 * 1024;
/** Of flat deltas that are kept: the next block mostly leans on the same ones. */
const CACHE_BYTES = 8 * 1024 * 1024;
/** Of those that one block leans on, all are kept until it is flat: each may be wanted by many. */
const MOST_CACHE_BYTES = 32 * 1024 * 1024;
const ENTRY_BYTES = 200;
const PIECE_BYTES = 12;
const DIFFERENCE_BYTES = 10;

/** Where one base of a block lies in that block's base, and in the pool. */
interface BaseSpan {
  startBytes: number;
  endBytes: number;
  /** Of the chunk table. */
  entry: number;
  offsetBytes: number;
  address: BlockAddress;
}

interface BlockOps extends DeltaOps {
  spans: readonly BaseSpan[];
}

/**
 * Follows chains of deltas down to what has to be read: of the deltas between, the lists of copies are put together, and no
 * plain bytes are made. So a version that leans on seven others costs little more to read than one that leans on one.
 */
export class DeltaChains {
  readonly #layout: PoolLayout;
  readonly #chunks: ChunkCatalog;
  readonly #workers: BlockWorkers;
  /** By block, the least recently used first. */
  readonly #flat = new Map<string, { delta: Promise<FlatDelta | null>; sizeBytes: number }>();
  #cachedBytes = 0;
  #running = 0;

  constructor(parts: { layout: PoolLayout; chunks: ChunkCatalog; workers: BlockWorkers }) {
    this.#layout = parts.layout;
    this.#chunks = parts.chunks;
    this.#workers = parts.workers;
  }

  /**
   * A block in pieces of chunks, by their entries in the chunk table, that lie in blocks which are to be decoded
   * themselves; null when the block is such a one: no delta, too large a one, or one with something wrong.
   * @throws DbupError POOL_DAMAGED, POOL_INCOMPLETE when a disk fails
   */
  flatten(address: BlockAddress): Promise<FlatDelta | null> {
    const key = keyOf(address);
    const known = this.#flat.get(key);
    if (known) {
      this.#flat.delete(key);
      this.#flat.set(key, known);
      return known.delta;
    }
    this.#running++;
    const isFull = this.#cachedBytes > MOST_CACHE_BYTES;
    const delta = isFull ? Promise.resolve(null) : whereSound(() => this.#flatten(address));
    const item = { delta, sizeBytes: ENTRY_BYTES };
    this.#flat.set(key, item);
    item.delta
      .then(
        (delta) => {
          if (delta !== null) item.sizeBytes += sizeOf(delta);
          this.#cachedBytes += item.sizeBytes;
        },
        () => this.#flat.delete(key),
      )
      .finally(() => {
        this.#running--;
        this.#shrink();
      });
    return item.delta;
  }

  /** False for a block that {@link flatten} has nothing for. */
  mayFlatten(address: BlockAddress): boolean {
    return mayFlatten(this.#entryOf(address));
  }

  async #flatten(address: BlockAddress): Promise<FlatDelta | null> {
    const block = this.#entryOf(address);
    const ops = await this.#opsOf(address, block);
    if (ops === null) return null;
    const builder = new FlatDeltaBuilder();
    for (const { source, sourceAt, sizeBytes } of piecesOf(ops, block.plainBytes)) {
      if (source) builder.addPiece(source, sourceAt, sizeBytes);
      else await this.#addCopy(builder, ops.spans, sourceAt, sourceAt + sizeBytes);
      if (builder.pieces > MOST_PIECES || builder.differences > 2 * MOST_DIFFERENCES) return null;
    }
    const delta = builder.build(ops.differences, block.depth);
    return isSmall(delta) ? delta : null;
  }

  /** Adds what a copy takes from the base. */
  async #addCopy(
    builder: FlatDeltaBuilder,
    spans: readonly BaseSpan[],
    from: number,
    to: number,
  ): Promise<void> {
    for (let i = spanAt(spans, from), at = from; at < to; i++) {
      const { startBytes, endBytes, entry, offsetBytes, address } = spans[i]!;
      const end = Math.min(to, endBytes);
      const below = await this.flatten(address);
      if (below) builder.addPart(below, offsetBytes + at - startBytes, offsetBytes + end - startBytes);
      else builder.addPiece(entry, at - startBytes, end - at);
      at = end;
    }
  }

  /** What a block says, and of what; null when it is no delta, too large a one, or makes no sense. */
  async #opsOf(address: BlockAddress, block: BlockEntry): Promise<BlockOps | null> {
    if (!this.mayFlatten(address)) return null;
    const { name } = this.#chunks.packs[address.packIndex]!;
    const path = this.#layout.packPath(name);
    const streams = await this.#workers.deltaStreams(path, name, block, MOST_STREAM_BYTES);
    if (streams === null) return null;
    const spans = this.#spansOf(address);
    const ops = readOps(streams, block.plainBytes, spans.at(-1)?.endBytes ?? 0);
    if (ops === null || ops.differences.length > MOST_DIFFERENCES) return null;
    // A copy: the literals are kept, the other streams are not.
    return { ...ops, literals: new Uint8Array(ops.literals), spans };
  }

  #spansOf(address: BlockAddress): BaseSpan[] {
    const { baseIds } = this.#chunks.packs[address.packIndex]!.footer;
    const { firstBase } = this.#entryOf(address);
    const places = planBases(this.#chunks, address).flatMap(({ packIndex, blockIndex, bases }) =>
      bases.map((base) => ({ ...base, address: { packIndex, blockIndex } })),
    );
    places.sort((a, b) => a.number - b.number);
    let endBytes = 0;
    return places.map(({ number, offsetBytes, sizeBytes, address: baseAddress }) => {
      const startBytes = endBytes;
      endBytes += sizeBytes;
      const entry = this.#chunks.table.find(baseIds, (firstBase + number) * 32);
      return { startBytes, endBytes, entry, offsetBytes, address: baseAddress };
    });
  }

  #entryOf({ packIndex, blockIndex }: BlockAddress): BlockEntry {
    return this.#chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
  }

  #shrink(): void {
    if (this.#running > 0) return;
    for (const [key, { sizeBytes }] of this.#flat) {
      if (this.#cachedBytes <= CACHE_BYTES) return;
      this.#flat.delete(key);
      this.#cachedBytes -= sizeBytes;
    }
  }
}

/** Whether a block is one to be taken apart. Tar headers have differences without number, and lists are short. */
export function mayFlatten({ codec, kind, storedBytes, plainBytes }: BlockEntry): boolean {
  const isDelta = codec === BLOCK_CODEC.delta && kind === BLOCK_KIND.data;
  return isDelta && storedBytes <= MOST_STORED_BYTES && plainBytes <= MOST_PLAIN_BYTES;
}

const keyOf = ({ packIndex, blockIndex }: BlockAddress): string => `${packIndex}:${blockIndex}`;

/** The number of the span that a place of the base lies in. */
function spanAt(spans: readonly BaseSpan[], at: number): number {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle]!.endBytes <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Null for what makes no sense. */
function readOps(streams: DeltaStreams, plainBytes: number, baseBytes: number): DeltaOps | null {
  try {
    return readDeltaOps(streams, plainBytes, baseBytes);
  } catch {
    return null;
  }
}

/** Of literals, which it shares with what it leans on, it counts one source: its own. */
function sizeOf({ ends, sources, differences, guesses }: FlatDelta): number {
  const own = sources.findLast((source) => typeof source !== 'number') as Uint8Array | undefined;
  return (
    ends.length * PIECE_BYTES +
    (differences.at.length + guesses.length) * DIFFERENCE_BYTES +
    (own?.length ?? 0)
  );
}

function literalBytes(sources: FlatDelta['sources']): number {
  return sources.reduce<number>((sum, source) => sum + (typeof source === 'number' ? 0 : source.length), 0);
}

function isSmall({ ends, sources, differences, guesses }: FlatDelta): boolean {
  return (
    ends.length <= MOST_PIECES &&
    differences.at.length + guesses.length <= MOST_DIFFERENCES &&
    literalBytes(sources) <= MOST_LITERAL_BYTES
  );
}

/** The pieces of a block in order: of its literals, or of its base where there is no `source`. */
function* piecesOf(
  { copies, literals }: DeltaOps,
  plainBytes: number,
): Generator<{ at: number; source: Uint8Array | null; sourceAt: number; sizeBytes: number }> {
  let [at, literalAt] = [0, 0];
  for (const { literalBytes: sizeBytes, copyBytes, sourceAt } of copies) {
    yield { at, source: literals, sourceAt: literalAt, sizeBytes };
    literalAt += sizeBytes;
    at += sizeBytes;
    yield { at, source: null, sourceAt, sizeBytes: copyBytes };
    at += copyBytes;
  }
  yield { at, source: literals, sourceAt: literalAt, sizeBytes: plainBytes - at };
}

/** Null where something is wrong with what is stored: who decodes it the long way finds out what, and with which block. */
async function whereSound<T>(make: () => Promise<T | null>): Promise<T | null> {
  try {
    return await make();
  } catch (error) {
    if (!(error instanceof DbupError)) throw error;
    const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
    const isDamage = code === undefined || code === 'DAMAGED' || code === DELTA_DAMAGED;
    if (error.code.startsWith('POOL_') && isDamage) return null;
    throw error;
  }
}
