import { ChunkTable } from '../catalog/chunk-table.js';
import { throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import type { StreamRef } from '../format/recipe.js';
import type { Snapshot } from '../format/snapshot.js';
import { decodeListNode, type ListNode } from '../format/stream-list.js';
import { checkRecipeDepth, readRecipe } from '../pool/blob-source.js';
import type { BlockCache } from '../pool/block-cache.js';
import { type ChunkCatalog, locateChunk } from '../pool/chunk-catalog.js';
import { streamsOf } from '../pool/reachability.js';

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
 * Follows recipes to the faults they lead to. Each recipe and list node is read once, however many images share
 * it; chunks that are missing and recipes that cannot be read are found on the way.
 */
export class FaultTrace {
  readonly #cache: BlockCache;
  readonly #chunks: ChunkCatalog;
  readonly #signal: AbortSignal;
  readonly #marks: Uint8Array;
  /** By entry of the chunk table. */
  readonly #faulty = new Map<number, Fault>();
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
  }

  /** Says that an entry of the chunk table is hit. */
  addFault(entry: number, fault: Fault): void {
    this.#faulty.set(entry, fault);
  }

  /** True for an entry that a traced snapshot needs. */
  needs(entry: number): boolean {
    return (this.#marks[entry]! & NEEDED) !== 0;
  }

  /** The faults that keep a snapshot from being loaded. @throws DbupError INTERRUPTED, POOL_FORMAT_UNSUPPORTED */
  async faultsOf({ archive, blobs }: Snapshot): Promise<FaultSet> {
    let faults = NONE;
    if (archive) faults = await this.#recipe(archive.recipeId, archive.sizeBytes, 1);
    for (const { recipeId, sizeBytes } of blobs)
      faults = union(faults, await this.#recipe(recipeId, sizeBytes, 1));
    return faults;
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
    if (recipe.value.kind === 'tar') {
      for (const segment of recipe.value.segments) {
        if (segment.type !== 'blob') continue;
        faults = union(faults, await this.#recipe(segment.blob.recipeId, segment.blob.sizeBytes, depth + 1));
      }
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
    const fault = this.#faulty.get(entry);
    if (fault) return new Set([fault]);
    if (this.#chunks.table.sizeBytes(entry) === sizeBytes) return NONE;
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
    const fault = this.#faulty.get(entry);
    if (entry < 0 || fault) this.complete = false;
    if (entry < 0) return ALL_MISSING;
    if (fault) return new Set([fault]);
    return this.#known.get(entry) ?? null;
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

  /** A block that cannot be decoded takes all its chunks with it: one fault, not one for each recipe in it. */
  #blockFault(entry: number, error: DbupError): Fault {
    const { packIndex, blockIndex } = this.#chunks.table.location(entry);
    const { name, footer } = this.#chunks.packs[packIndex]!;
    const { firstChunk, chunkCount } = footer.blocks[blockIndex]!;
    const fault: Fault = { kind: 'block-damaged', message: error.message, pack: name, chunks: [] };
    for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
      const id = footer.chunkIds.subarray(chunk * 32, chunk * 32 + 32);
      fault.chunks.push(Buffer.from(id).toString('hex'));
      const place = locateChunk(this.#chunks, id);
      if (place?.packIndex === packIndex && place.blockIndex === blockIndex)
        this.#faulty.set(this.#chunks.table.find(id), fault);
    }
    this.found.push(fault);
    return fault;
  }
}

function union(a: FaultSet, b: FaultSet): FaultSet {
  if (a.size === 0 || a === b) return b;
  if (b.size === 0) return a;
  let larger = true;
  for (const fault of b) larger &&= a.has(fault);
  return larger ? a : new Set([...a, ...b]);
}
