import { ChunkTable } from '../catalog/chunk-table.js';
import { throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { StreamRef } from '../format/recipe.js';
import type { Snapshot } from '../format/snapshot.js';
import { decodeListNode, type ListNode } from '../format/stream-list.js';
import type { BaseFault } from '../pool/base-plan.js';
import { checkRecipeDepth, readRecipe } from '../pool/blob-source.js';
import { BlockBases, NO_BASE } from '../pool/block-bases.js';
import type { BlockCache } from '../pool/block-cache.js';
import { blockChunkIds } from '../pool/block-scan.js';
import type { BlockAddress, ChunkCatalog } from '../pool/chunk-catalog.js';
import { recipesIn, streamsOf } from '../pool/reachability.js';

/** Something wrong with chunks; images are found to be hit by it when their recipes lead to one of them. */
export interface Fault {
  kind: 'block-damaged' | 'chunk-damaged' | 'recipe-damaged';
  message: string;
  /** The pack it is in. */
  pack: string;
  /** 64 hex digits each. */
  chunks: string[];
}

/** The fault that stands for every missing chunk. */
export const MISSING = 'missing';
export type FaultSet = ReadonlySet<Fault | typeof MISSING>;

const NONE: FaultSet = new Set();
const ALL_MISSING: FaultSet = new Set([MISSING] as const);
const NEEDED = 1;
/** A recipe or list node that leads to no fault. */
const SOUND = 2;
const NOWHERE = { packIndex: 0, blockIndex: 0, offsetBytes: 0, sizeBytes: 0 };

/**
 * Follows recipes to the faults they lead to, also through the bases of delta blocks. Each recipe and list node is
 * read once, however many images share it; chunks that are missing and recipes that cannot be read are found on the way.
 */
export class FaultTrace {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;
  readonly #signal: AbortSignal;
  readonly #marks: Uint8Array;
  /** By entry of the chunk table. */
  readonly #faulty = new Map<number, Fault>();
  readonly #bases: BlockBases;
  /** What delta blocks lean on. */
  readonly #leaning = new Map<number, FaultSet>();
  /** Blocks that cannot be decoded, as they were found. */
  readonly #blockFaults = new Map<number, Fault>();
  /** What recipes and list nodes lead to, where it is not nothing. */
  readonly #known = new Map<number, FaultSet>();
  /** Faults met that were not given. */
  readonly found: Fault[] = [];
  readonly missing = new ChunkTable();
  /** False when a recipe or a list node was missing or damaged: what it leads to is unknown. */
  complete = true;

  constructor(cache: BlockCache, chunks: ChunkCatalog, signal: AbortSignal) {
    this.#cache = cache;
    this.#chunks = chunks;
    this.#signal = signal;
    this.#marks = new Uint8Array(chunks.table.count);
    this.#bases = new BlockBases(chunks);
  }

  /** Says that an entry of the chunk table is hit. */
  addFault(entry: number, fault: Fault): void {
    this.#faulty.set(entry, fault);
  }

  /** True for an entry that a traced snapshot needs. */
  needs(entry: number): boolean {
    return (this.#marks[entry]! & NEEDED) !== 0;
  }

  /** True for an entry whose bytes cannot be read, for a fault of its own or of something it leans on. */
  isHit(entry: number): boolean {
    return this.#faultsAt(entry).size > 0;
  }

  /** The faults that keep a snapshot from being loaded. @throws DbupError INTERRUPTED, POOL_FORMAT_UNSUPPORTED */
  async faultsOf({ archive, blobs }: Snapshot): Promise<FaultSet> {
    let faults = NONE;
    if (archive) faults = await this.#recipe(archive.recipeId, archive.sizeBytes, 1);
    for (const { recipeId, sizeBytes } of blobs)
      faults = union(faults, await this.#recipe(recipeId, sizeBytes, 1));
    return faults;
  }

  /** Those that keep one blob from being rebuilt. */
  faultsOfBlob(recipeId: string, sizeBytes: number): Promise<FaultSet> {
    return this.#recipe(recipeId, sizeBytes, 1);
  }

  async #recipe(recipeId: string, sizeBytes: number, depth: number): Promise<FaultSet> {
    throwIfInterrupted(this.#signal);
    const id = Buffer.from(recipeId, 'hex');
    const entry = this.#enter(id);
    const known = this.#answerFor(entry);
    if (known) return known;
    const recipe = await this.#reading(entry, async () => {
      checkRecipeDepth(recipeId, depth);
      return readRecipe(this.#cache, recipeId, sizeBytes);
    });
    if (!recipe.ok) return this.#remember(entry, recipe.faults);
    let faults = NONE;
    for (const stream of streamsOf(recipe.value)) faults = union(faults, await this.#stream(stream));
    for (const inner of recipesIn(recipe.value)) {
      faults = union(faults, await this.#recipe(inner.recipeId, inner.sizeBytes, depth + 1));
    }
    return this.#remember(entry, faults);
  }

  async #stream(stream: StreamRef): Promise<FaultSet> {
    if (stream.sizeBytes === 0) return NONE;
    const id = Buffer.from(stream.id, 'hex');
    return stream.depth === 0
      ? this.#leaf(id, stream.sizeBytes)
      : this.#node(id, stream.depth, stream.sizeBytes);
  }

  async #node(id: Uint8Array, depth: number, sizeBytes: number): Promise<FaultSet> {
    const entry = this.#enter(id);
    const known = this.#answerFor(entry);
    if (known) return known;
    const node = await this.#reading(
      entry,
      async (): Promise<ListNode> =>
        decodeListNode(await this.#cache.readChunk(id), sizeBytes, Buffer.from(id).toString('hex', 0, 6)),
    );
    if (!node.ok) return this.#remember(entry, node.faults);
    let faults = NONE;
    for (let i = 0; i < node.value.ids.length; i++) {
      const child = node.value.ids[i]!;
      const childBytes = node.value.sizes[i]!;
      // Leaves are nearly all there is: no promise for each.
      faults = union(
        faults,
        depth === 1 ? this.#leaf(child, childBytes) : await this.#node(child, depth - 1, childBytes),
      );
    }
    return this.#remember(entry, faults);
  }

  #leaf(id: Uint8Array, sizeBytes: number): FaultSet {
    const entry = this.#enter(id);
    if (entry < 0) return ALL_MISSING;
    const faults = this.#faultsAt(entry);
    if (faults.size > 0 || this.#chunks.table.sizeBytes(entry) === sizeBytes) return faults;
    const wrong = this.#newFault(entry, 'recipe-damaged', 'has another length than a recipe says');
    return new Set([wrong]);
  }

  /** The entry of an id that is needed, or -1. */
  #enter(id: Uint8Array): number {
    const entry = this.#chunks.table.find(id);
    if (entry < 0) this.missing.add(id, 0, NOWHERE);
    else this.#marks[entry] = this.#marks[entry]! | NEEDED;
    return entry;
  }

  /** What is known of a recipe or list node without reading it. */
  #answerFor(entry: number): FaultSet | null {
    if (entry >= 0 && (this.#marks[entry]! & SOUND) !== 0) return NONE;
    const faults = entry < 0 ? ALL_MISSING : this.#faultsAt(entry);
    if (faults.size > 0) this.complete = false;
    return faults.size > 0 ? faults : (this.#known.get(entry) ?? null);
  }

  /** What keeps the bytes of an entry from being read: its own fault, and those of what its block leans on. */
  #faultsAt(entry: number): FaultSet {
    const [block] = this.#bases.leaningBlocksOf(entry);
    const below = block ? this.#faultsBelow(block) : NONE;
    const own = this.#faulty.get(entry);
    return own ? union(below, new Set([own])) : below;
  }

  #faultsBelow(block: BlockAddress): FaultSet {
    const key = this.#bases.keyOf(block);
    const known = this.#leaning.get(key);
    if (known) return known;
    let faults = NONE;
    this.#bases.forEach(block, (base, id) => {
      if (base === NO_BASE) this.missing.add(id, 0, NOWHERE);
      else this.#marks[base] = this.#marks[base]! | NEEDED;
      faults = union(faults, base === NO_BASE ? ALL_MISSING : this.#faultsAt(base));
    });
    this.#leaning.set(key, faults);
    return faults;
  }

  #remember(entry: number, faults: FaultSet): FaultSet {
    if (faults.size === 0) this.#marks[entry] = this.#marks[entry]! | SOUND;
    else this.#known.set(entry, faults);
    return faults;
  }

  async #reading<T>(
    entry: number,
    read: () => Promise<T>,
  ): Promise<{ ok: true; value: T } | { ok: false; faults: FaultSet }> {
    try {
      return { ok: true, value: await read() };
    } catch (error) {
      if (!(error instanceof DbupError) || !/^POOL_(DAMAGED|INCOMPLETE)$/.test(error.code)) throw error;
      this.complete = false;
      const fault =
        error.details.blockOffsetBytes === undefined
          ? this.#newFault(entry, 'recipe-damaged', `cannot be followed: ${error.message}`)
          : this.#blockFault(entry, error);
      return { ok: false, faults: new Set([fault]) };
    }
  }

  #newFault(entry: number, kind: Fault['kind'], what: string): Fault {
    const chunk = Buffer.from(this.#chunks.table.id(entry)).toString('hex');
    const { packIndex } = this.#chunks.table.location(entry);
    const pack = this.#chunks.packs[packIndex]!.name;
    const fault = { kind, message: `chunk ${chunk.slice(0, 12)} ${what}`, pack, chunks: [chunk] };
    this.found.push(fault);
    this.#faulty.set(entry, fault);
    return fault;
  }

  /**
   * A block that cannot be decoded takes all its chunks with it: one fault, not one for each recipe in it. Where what
   * it leans on is to blame, the fault is that block's.
   */
  #blockFault(entry: number, error: DbupError): Fault {
    const block = this.#blockAt(error) ?? this.#chunks.table.location(entry);
    const known = this.#blockFaults.get(this.#bases.keyOf(block));
    if (known) return known;
    const { packIndex, blockIndex } = block;
    let root = error;
    while (root.cause instanceof DbupError) root = root.cause;
    const fault: Fault = {
      kind: 'block-damaged',
      message: root.message,
      pack: this.#chunks.packs[packIndex]!.name,
      chunks: blockChunkIds(this.#chunks, block),
    };
    for (const id of fault.chunks) {
      const hit = this.#chunks.table.find(Buffer.from(id, 'hex'));
      const place = this.#chunks.table.location(hit);
      if (place.packIndex === packIndex && place.blockIndex === blockIndex) this.#faulty.set(hit, fault);
    }
    this.#blockFaults.set(this.#bases.keyOf(block), fault);
    this.found.push(fault);
    return fault;
  }

  /** The block that an error names as the culprit. */
  #blockAt({ details }: DbupError): BlockAddress | null {
    const { pack, blockOffsetBytes } = (details.base ?? details) as Partial<BaseFault>;
    const packIndex = this.#chunks.packs.findIndex(({ name }) => name === pack);
    if (packIndex < 0) return null;
    const { blocks } = this.#chunks.packs[packIndex]!.footer;
    const blockIndex = blocks.findIndex(({ offsetBytes }) => offsetBytes === blockOffsetBytes);
    return blockIndex < 0 ? null : { packIndex, blockIndex };
  }
}

function union(a: FaultSet, b: FaultSet): FaultSet {
  if (a.size === 0 || a === b) return b;
  if (b.size === 0) return a;
  let larger = true;
  for (const fault of b) larger &&= a.has(fault);
  return larger ? a : new Set([...a, ...b]);
}
