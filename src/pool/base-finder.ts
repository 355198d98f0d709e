import { PENDING_PACK } from '../catalog/chunk-table.js';
import { SketchIndex } from '../catalog/sketch-index.js';
import { SKETCH_FEATURES } from '../chunk/sketch/sketcher.js';
import type { OperationContext } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { BLOCK_KIND, type BlockKind } from '../format/pack.js';
import type { BlobRef } from '../format/recipe.js';
import { BaseMap } from './base-map.js';
import type { BlockCache } from './block-cache.js';
import type { ChunkCatalog } from './chunk-catalog.js';
import { mayTakeApart } from './delta-chains.js';
import type { GuidedFile, StreamGuide } from './stream-guide.js';

/** How far around the expected place bases are taken: chunks end elsewhere, and bytes were put in between. */
const MARGIN_BYTES = 64 * 1024;
/** A neighbour farther away than this says nothing of a place. */
const NEAR_BYTES = 1024 * 1024;
/** Chunks around a look-alike that are taken with it: what surrounds it was mostly moved along. */
const AROUND = 1;
const LOOK_ALIKES = 2;
/** From there on another chunk is leaned on. Of 0.2 to 1.2, histories of 200 versions took least with 0.5 to 0.7. */
const OUTWORN_SHARE = 0.6;
/** Deltas upon deltas, at most, where each has to be decoded for the next: see DeltaChains for the others. */
const MOST_WHOLE_DEPTH = 4;

/** Where a new chunk stands in the stream it is of. */
export interface ChunkOrigin {
  guide: StreamGuide;
  atBytes: number;
  sizeBytes: number;
}

/** What came before what is saved. */
export interface History {
  /** Blobs of the pool that may be like the new ones, the likest first. */
  blobs: Iterable<BlobRef>;
  /** Deltas upon deltas, at most. */
  maxDepth: number;
}

/** What bases are wanted for. */
export interface BaseQuery {
  kind: BlockKind;
  /** By chunk of the block; null for one of which nothing is known. */
  origins: readonly (ChunkOrigin | null)[];
  /** Known chunks each guide had when the block was sealed: so that the answer is the same each time. */
  horizon: ReadonlyMap<StreamGuide, number>;
  /** {@link SKETCH_FEATURES} a chunk; null when the block was not sketched. */
  sketches: Uint32Array | null;
  maxBytes: number;
}

/**
 * Finds, for the new chunks of a block, chunks of the pool that they may be altered forms of: at the place of the
 * same file in another version, beside where the neighbours were found, or by resemblance.
 */
export class BaseFinder {
  readonly #chunks: ChunkCatalog;
  readonly #map: BaseMap;
  readonly #history: () => History;
  #maxDepth = 0;
  #loading: Promise<void> | null = null;
  #sketchIndex: SketchIndex | null = null;

  /** @param parts.history asked for once, when a block wants bases */
  constructor(parts: {
    chunks: ChunkCatalog;
    cache: BlockCache;
    history: () => History;
    context: OperationContext;
  }) {
    this.#chunks = parts.chunks;
    this.#map = new BaseMap(parts.cache, parts.chunks, parts.context.signal);
    this.#history = parts.history;
  }

  /** Begins to read what bases are found by, as some will be wanted. */
  prepare(): void {
    if (this.#loading) return;
    this.#loading = this.#load();
    // Thrown where somebody waits for it.
    this.#loading.catch(() => {});
  }

  /** Entries of the chunk table, in the order of the streams they are of; none when there is nothing alike. */
  async find(query: BaseQuery): Promise<number[]> {
    this.prepare();
    await this.#loading;
    const chosen = new Choice(this.#chunks, this.#maxDepth, query.maxBytes);
    if (query.kind === BLOCK_KIND.recipe) {
      for (const entry of this.#map.nodes) chosen.add(entry);
      return chosen.entries();
    }
    const lost: number[] = [];
    for (const run of runsOf(query.origins)) {
      const windows = [...this.#windows(run, query.horizon)];
      for (const { from, to } of windows) this.#addRange(chosen, from, to);
      if (windows.length === 0) for (let i = run.first; i < run.end; i++) lost.push(i);
    }
    if (query.sketches) for (const chunk of lost) this.#addLookAlikes(chosen, query.sketches, chunk);
    return chosen.entries();
  }

  async #load(): Promise<void> {
    const { blobs, maxDepth } = this.#history();
    this.#maxDepth = Math.min(maxDepth, LIMITS.deltaDepth);
    for (const { recipeId, sizeBytes } of blobs) {
      if (this.#map.isFull) return;
      try {
        await this.#map.addBlob(recipeId, sizeBytes);
      } catch (error) {
        // What cannot be read is no base; `dbup verify` tells of it.
        if (!(error instanceof DbupError) || !error.code.startsWith('POOL_')) throw error;
      }
    }
  }

  *#windows(run: Run, horizons: ReadonlyMap<StreamGuide, number>): Generator<Window> {
    const { guide, atBytes, endBytes } = run;
    if (!guide) return;
    const horizon = horizons.get(guide)!;
    const before = guide.knownUpTo(atBytes, horizon) - 1;
    const previous = this.#anchor(guide, before);
    const next = before + 1 < horizon ? this.#anchor(guide, before + 1) : null;
    let found = false;
    for (const file of guide.filesIn(atBytes, endBytes)) {
      const base = this.#map.locateFile(file, guide.stream);
      if (!base) continue;
      found = true;
      yield* fileWindows(run, file, base, guide.stream === 'content', previous, next);
    }
    if (found) return;
    if (previous && atBytes - previous.atBytes <= NEAR_BYTES) yield around(atBytes, endBytes, previous.shift);
    if (next && next.atBytes - endBytes <= NEAR_BYTES) yield around(atBytes, endBytes, next.shift);
  }

  /** A known chunk of the stream that the map has too, and how much later it is there. */
  #anchor(guide: StreamGuide, number: number): Anchor | null {
    if (number < 0) return null;
    const { atBytes, entry } = guide.known(number);
    const position = this.#map.positionOf(entry);
    return position < 0 ? null : { atBytes, shift: position - atBytes };
  }

  #addRange(chosen: Choice, from: number, to: number): void {
    const { first, end } = this.#map.range(Math.max(0, from), Math.max(1, to));
    for (let number = first; number < end && !chosen.isFull; number++) chosen.add(this.#map.entry(number));
  }

  #addLookAlikes(chosen: Choice, sketches: Uint32Array, chunk: number): void {
    const sketch = sketches.subarray(chunk * SKETCH_FEATURES, (chunk + 1) * SKETCH_FEATURES);
    if (sketch.every((word) => word === 0)) return;
    const { table, packs } = this.#chunks;
    this.#sketchIndex ??= this.#indexSketches();
    for (const { packIndex, chunk: alike } of this.#sketchIndex.find(sketch, LOOK_ALIKES)) {
      const { chunkIds, chunkCount } = packs[packIndex]!.footer;
      for (let near = Math.max(0, alike - AROUND); near <= Math.min(chunkCount - 1, alike + AROUND); near++)
        chosen.add(table.find(chunkIds, near * 32));
    }
  }

  #indexSketches(): SketchIndex {
    const { packs } = this.#chunks;
    const sketchedChunks = packs.reduce(
      (sum, { footer }) => sum + (footer.sketches ? footer.chunkCount : 0),
      0,
    );
    const index = new SketchIndex(sketchedChunks);
    packs.forEach(({ footer }, packIndex) => {
      if (footer.sketches) index.addPack(packIndex, footer.sketches);
    });
    return index;
  }
}

interface Window {
  from: number;
  to: number;
}

interface Anchor {
  atBytes: number;
  /** What is to be added to a place in the stream to come to its place in the map. */
  shift: number;
}

/** New chunks of one stream, one right after the other. */
interface Run {
  guide: StreamGuide | null;
  atBytes: number;
  endBytes: number;
  /** Numbers in the block. */
  first: number;
  end: number;
}

function* runsOf(origins: readonly (ChunkOrigin | null)[]): Generator<Run> {
  let run: Run | null = null;
  for (let i = 0; i < origins.length; i++) {
    const { guide = null, atBytes = 0, sizeBytes = 0 } = origins[i] ?? {};
    if (run && guide !== null && run.guide === guide && run.endBytes === atBytes) {
      run.endBytes = atBytes + sizeBytes;
      run.end = i + 1;
      continue;
    }
    if (run) yield run;
    run = { guide, atBytes, endBytes: atBytes + sizeBytes, first: i, end: i + 1 };
  }
  if (run) yield run;
}

/** Where a file's bytes in a run may lie in its earlier form. */
function* fileWindows(
  { atBytes, endBytes }: Run,
  file: GuidedFile,
  base: { atBytes: number; sizeBytes: number },
  hasContents: boolean,
  previous: Anchor | null,
  next: Anchor | null,
): Generator<Window> {
  const from = Math.max(atBytes, file.atBytes);
  if (!hasContents) {
    // Of a skeleton, from this header to the next.
    yield { from: base.atBytes + from - file.atBytes - 1024, to: base.atBytes + from - file.atBytes + 1024 };
    return;
  }
  const to = Math.min(endBytes, file.atBytes + file.sizeBytes);
  const shifts = new Set<number>();
  for (const anchor of [previous, next]) {
    if (!anchor || anchor.atBytes < file.atBytes || anchor.atBytes >= file.atBytes + file.sizeBytes) continue;
    const position = anchor.atBytes + anchor.shift;
    if (position >= base.atBytes && position < base.atBytes + base.sizeBytes) shifts.add(anchor.shift);
  }
  if (shifts.size === 0) {
    shifts.add(base.atBytes - file.atBytes);
    shifts.add(base.atBytes + base.sizeBytes - file.atBytes - file.sizeBytes);
  }
  for (const shift of shifts) {
    const window = around(from, to, shift);
    yield {
      from: Math.max(base.atBytes, window.from),
      to: Math.min(base.atBytes + base.sizeBytes, window.to),
    };
  }
}

function around(fromBytes: number, toBytes: number, shift: number): Window {
  return { from: fromBytes + shift - MARGIN_BYTES, to: toBytes + shift + MARGIN_BYTES };
}

/** The chunks chosen so far, each once, as many bytes as are allowed. */
class Choice {
  readonly #chunks: ChunkCatalog;
  readonly #maxDepth: number;
  readonly #chosen = new Set<number>();
  /** Those that lie too deep, too: what leads to much must be followed once. */
  readonly #seen = new Set<number>();
  #leftBytes: number;
  #isFull = false;

  constructor(chunks: ChunkCatalog, maxDepth: number, maxBytes: number) {
    this.#chunks = chunks;
    this.#maxDepth = maxDepth;
    this.#leftBytes = maxBytes;
  }

  entries(): number[] {
    return [...this.#chosen];
  }

  /** True when no more is taken. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** @param leaningShare of the block that leads here: what is stored of its plain bytes; 0 for a chunk that is wanted itself */
  add(entry: number, leaningShare = 0): void {
    if (this.#isFull || entry < 0 || this.#seen.has(entry)) return;
    this.#seen.add(entry);
    const { table, packs } = this.#chunks;
    const { packIndex, blockIndex, offsetBytes, sizeBytes } = table.location(entry);
    if (packIndex === PENDING_PACK) return;
    if (sizeBytes > this.#leftBytes || this.#chosen.size >= LIMITS.deltaBases) {
      this.#isFull = true;
      return;
    }
    const { footer } = packs[packIndex]!;
    const block = footer.blocks[blockIndex]!;
    const share = block.storedBytes / block.plainBytes;
    // What leans on one chunk again and again comes to differ from it more and more. Once by nearly as much as that differs from its
    // own bases, these do as well, and what leans on them lies less deep: later versions have something near to lean on again.
    const isOutworn = block.depth > 0 && leaningShare >= share * OUTWORN_SHARE;
    const maxDepth = mayTakeApart(block) ? this.#maxDepth : Math.min(this.#maxDepth, MOST_WHOLE_DEPTH);
    if (block.depth < maxDepth && !isOutworn) {
      this.#chosen.add(entry);
      this.#leftBytes -= sizeBytes;
      return;
    }
    // Too deep: its own bases are much the same, and less deep.
    const first = Math.floor((offsetBytes / block.plainBytes) * block.baseCount) - AROUND;
    const last = Math.ceil(((offsetBytes + sizeBytes) / block.plainBytes) * block.baseCount) + AROUND;
    for (let base = Math.max(0, first); base < Math.min(block.baseCount, last) && !this.#isFull; base++) {
      this.add(table.find(footer.baseIds, (block.firstBase + base) * 32), share);
    }
  }
}
