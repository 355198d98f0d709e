import { BLOCK_KIND, type BlockKind } from '../format/pack.js';
import type { StreamRef } from '../format/recipe.js';
import { encodeListNode } from '../format/stream-list.js';
import type { ChunkIngest, Slab } from './chunk-ingest.js';
import { type GuidedStream, StreamGuide } from './stream-guide.js';

/** A list node ends at an entry whose id says so, so that equal runs of chunks make equal nodes; or at the most. */
const NODE_MIN_ENTRIES = 16;
const NODE_MAX_ENTRIES = 1024;
const NODE_END_MASK = 63;

/** Cuts one stream of bytes into chunks and keeps the list of them. */
export class StreamWriter {
  readonly #ingest: ChunkIngest;
  readonly #kind: BlockKind;
  readonly #list: ChunkList;
  /** Null where the pool has no bases that it could lead to. */
  readonly #guide: StreamGuide | null;
  #slab: Slab | null = null;
  #fillBytes = 0;
  /** Of the stream, what was handed over. */
  #submittedBytes = 0;
  /** Where the chunk in the making begins, and how much of it was searched for a cut point. */
  #chunkStart = 0;
  #scannedBytes = 0;
  #ends: number[] = [];

  constructor(ingest: ChunkIngest, kind: BlockKind, stream: GuidedStream = 'content') {
    this.#ingest = ingest;
    this.#kind = kind;
    this.#list = new ChunkList(ingest);
    this.#guide = ingest.findsBases ? new StreamGuide(stream) : null;
  }

  /** Says that a file begins here, so that its earlier form can be looked for. */
  beginFile(name: string, sizeBytes: number): void {
    this.#guide?.beginFile(this.#submittedBytes + this.#fillBytes, name, sizeBytes);
  }

  /** Takes all of `bytes`, which are the caller's again when it returns or resolves. Returns nothing when it need not wait. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    const taken = this.#fill(bytes);
    return taken < bytes.length ? this.#writeRest(bytes.subarray(taken)) : undefined;
  }

  /** Forces a cut point here. */
  cut(): void {
    if (this.#fillBytes === this.#chunkStart) return;
    this.#endChunk(this.#fillBytes - this.#chunkStart);
  }

  /** Ends the stream. No other method may be called after it. */
  async finish(): Promise<StreamRef> {
    this.cut();
    this.#submit();
    await this.#ingest.settled();
    return this.#list.finish();
  }

  async #writeRest(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      await this.#nextSlab();
      rest = rest.subarray(this.#fill(rest));
    }
  }

  /** Copies what fits into the slab and cuts it. @returns the bytes taken */
  #fill(bytes: Uint8Array): number {
    const slab = this.#slab;
    if (!slab) return 0;
    const taken = Math.min(bytes.length, slab.bytes.length - this.#fillBytes);
    if (taken === 0) return 0;
    this.#ingest.copyIntoSlab(
      slab,
      this.#fillBytes,
      taken === bytes.length ? bytes : bytes.subarray(0, taken),
    );
    this.#fillBytes += taken;
    for (;;) {
      const length = this.#fillBytes - this.#chunkStart;
      const cut = this.#ingest.chunker.findCut(
        slab.offsetBytes + this.#chunkStart,
        this.#scannedBytes,
        length,
      );
      if (cut === 0) {
        this.#scannedBytes = length;
        return taken;
      }
      this.#endChunk(cut);
    }
  }

  #endChunk(sizeBytes: number): void {
    this.#chunkStart += sizeBytes;
    this.#scannedBytes = 0;
    this.#ends.push(this.#chunkStart);
  }

  /** Moves the unfinished chunk to a fresh slab. */
  async #nextSlab(): Promise<void> {
    const old = this.#slab;
    const next = await this.#ingest.takeSlab();
    const restBytes = this.#fillBytes - this.#chunkStart;
    if (old) this.#ingest.copyIntoSlab(next, 0, old.bytes.subarray(this.#chunkStart, this.#fillBytes));
    this.#submit();
    this.#slab = next;
    this.#fillBytes = restBytes;
    this.#chunkStart = 0;
  }

  #submit(): void {
    const slab = this.#slab;
    this.#slab = null;
    if (!slab) return;
    const ends = Uint32Array.from(this.#ends);
    this.#ends = [];
    if (ends.length === 0) {
      this.#ingest.returnSlab(slab);
      return;
    }
    const atBytes = this.#submittedBytes;
    this.#submittedBytes += ends.at(-1)!;
    const tell = (id: Uint8Array, sizeBytes: number): void => this.#list.push(0, id, sizeBytes);
    this.#ingest.submit(slab, ends, { kind: this.#kind, guide: this.#guide, atBytes, tell });
  }
}

/** The tree of list nodes over a stream's chunks (docs/format.md, "Stream"). */
class ChunkList {
  readonly #ingest: ChunkIngest;
  readonly #levels: { ids: Uint8Array[]; sizes: number[] }[] = [];
  #sizeBytes = 0;

  constructor(ingest: ChunkIngest) {
    this.#ingest = ingest;
  }

  push(level: number, id: Uint8Array, sizeBytes: number): void {
    let node = this.#levels[level];
    if (!node) this.#levels[level] = node = { ids: [], sizes: [] };
    node.ids.push(id);
    node.sizes.push(sizeBytes);
    if (level === 0) this.#sizeBytes += sizeBytes;
    const count = node.ids.length;
    const atEnd = count >= NODE_MIN_ENTRIES && (id[31]! & NODE_END_MASK) === 0;
    if (atEnd || count >= NODE_MAX_ENTRIES) this.#endNode(level);
  }

  finish(): StreamRef {
    if (this.#sizeBytes === 0) return { depth: 0, sizeBytes: 0, id: '' };
    for (let level = 0; ; level++) {
      const node = this.#levels[level]!;
      const above = this.#levels.length > level + 1;
      if (!above && node.ids.length === 1) {
        return { depth: level, sizeBytes: this.#sizeBytes, id: Buffer.from(node.ids[0]!).toString('hex') };
      }
      if (node.ids.length > 0) this.#endNode(level);
    }
  }

  #endNode(level: number): void {
    const { ids, sizes } = this.#levels[level]!;
    this.#levels[level] = { ids: [], sizes: [] };
    const id = this.#ingest.addChunk(encodeListNode(ids, sizes), BLOCK_KIND.recipe);
    this.push(
      level + 1,
      id,
      sizes.reduce((sum, size) => sum + size, 0),
    );
  }
}
