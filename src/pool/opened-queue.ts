import { open } from 'node:fs/promises';
import type { EncoderSpec } from '../format/encoder-spec.js';
import type { Segment } from '../format/recipe.js';
import type { ChunkIngest } from './chunk-ingest.js';
import {
  BATCH_BYTES,
  type Batch,
  type BatchItem,
  type BatchMemory,
  newBatch,
  newBatchMemory,
} from './opened-batch.js';
import { inflateFrom, OpenedStore } from './opened-store.js';
import type { Opening } from './opening.js';
import { addRecent, type DeflateRegion, type ProvenStream, type ProvePartsJob } from './parts-jobs.js';

/** Batches tried ahead of the one being stored. The same on every machine, as it decides which encoders are tried first. */
const BATCHES_AHEAD = 3;
/** After so many searches in vain, only encoders that were found are tried. */
const MAX_FAILED_SEARCHES = 48;

/** A deflate stream whose bytes are coming. */
interface ComingStream {
  name: string;
  header: Uint8Array | null;
  offsetBytes: number;
}

/**
 * The contents of a layer on their way to its streams, in order. Deflate streams are gathered in batches and tried in other
 * threads, some batches ahead of what is stored. When a batch is waited for depends on bytes alone, never on time, so that
 * the same input makes the same packs.
 */
export class OpenedQueue {
  readonly #opening: Opening;
  readonly #store: OpenedStore;
  readonly #waiting: Batch[] = [];
  readonly #freeMemory: BatchMemory[] = [];
  #filling: Batch | null = null;
  #coming: ComingStream | null = null;
  /** Encoders found so far, the last first. */
  readonly #likely: EncoderSpec[] = [];

  constructor(ingest: ChunkIngest, opening: Opening) {
    this.#opening = opening;
    this.#store = new OpenedStore(ingest);
  }

  /** True when nothing waits: plain files may then go to the store past this queue. */
  get isIdle(): boolean {
    return this.#filling === null && this.#waiting.length === 0;
  }

  get store(): OpenedStore {
    return this.#store;
  }

  note(item: Exclude<BatchItem, { kind: 'frame' | 'contents' | 'deflate' }>): void {
    this.#batch().items.push(item);
  }

  /** Takes bytes that stay as they are. */
  async add(kind: 'frame' | 'contents', bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0; ) {
      const batch = this.#batch();
      const piece = rest.subarray(0, BATCH_BYTES - batch.fillBytes);
      if (piece.length === 0) {
        await this.#seal();
        continue;
      }
      batch.memory.raw.set(piece, batch.fillBytes);
      batch.items.push({ kind, offsetBytes: batch.fillBytes, sizeBytes: piece.length });
      batch.fillBytes += piece.length;
      rest = rest.subarray(piece.length);
    }
  }

  /** A deflate stream begins. @param sizeBytes null when it is not known */
  async beginStream(name: string, sizeBytes: number | null, header: Uint8Array | null): Promise<void> {
    const room = BATCH_BYTES - this.#batch().fillBytes;
    if (sizeBytes !== null && sizeBytes > room) {
      await this.#seal();
      if (sizeBytes > BATCH_BYTES) this.#batch().spool = await this.#opening.newSpool();
    }
    const offsetBytes = this.#batch().fillBytes;
    this.#coming = { name, header: header && new Uint8Array(header), offsetBytes };
  }

  async addToStream(bytes: Uint8Array): Promise<void> {
    const { spool, fillBytes, memory } = this.#batch();
    if (spool) return spool.write(bytes);
    if (bytes.length > BATCH_BYTES - fillBytes) {
      await this.#moveStream();
      return this.addToStream(bytes);
    }
    memory.raw.set(bytes, fillBytes);
    this.#batch().fillBytes += bytes.length;
  }

  async endStream(): Promise<void> {
    const batch = this.#batch();
    const { name, header, offsetBytes } = this.#coming!;
    this.#coming = null;
    const sizeBytes = batch.spool ? batch.spool.sizeBytes : batch.fillBytes - offsetBytes;
    batch.items.push({ kind: 'deflate', name, header, offsetBytes, sizeBytes });
    if (batch.spool) await this.#seal();
  }

  /** Stores all that waits. */
  async settle(): Promise<void> {
    await this.#seal();
    while (this.#waiting.length > 0) await this.#storeFirst();
  }

  async finish(): Promise<Segment[]> {
    await this.settle();
    if (this.#store.hasOpened) this.#opening.hasOpened = true;
    return this.#store.finish();
  }

  #batch(): Batch {
    this.#filling ??= newBatch(this.#freeMemory.pop() ?? newBatchMemory());
    return this.#filling;
  }

  /** A stream turned out longer than the batch has room: it gets the next one, or a file. */
  async #moveStream(): Promise<void> {
    const { memory, fillBytes } = this.#batch();
    const coming = this.#coming!;
    const begun = memory.raw.slice(coming.offsetBytes, fillBytes);
    this.#batch().fillBytes = coming.offsetBytes;
    const isAlone = coming.offsetBytes === 0;
    if (!isAlone) await this.#seal();
    if (isAlone) this.#batch().spool = await this.#opening.newSpool();
    coming.offsetBytes = 0;
    await this.addToStream(begun);
  }

  async #seal(): Promise<void> {
    const batch = this.#filling;
    this.#filling = null;
    if (!batch) return;
    const streams = batch.items.filter((item) => item.kind === 'deflate');
    if (streams.length > 0) batch.answer = this.#prove(batch, streams);
    this.#waiting.push(batch);
    while (this.#waiting.length > BATCHES_AHEAD) await this.#storeFirst();
  }

  #prove(batch: Batch, streams: readonly DeflateRegion[]): NonNullable<Batch['answer']> {
    const job: ProvePartsJob = {
      type: 'prove-parts',
      source: batch.spool ? { path: batch.spool.path } : batch.memory.raw,
      streams: streams.map(({ offsetBytes, sizeBytes, header }) => ({ offsetBytes, sizeBytes, header })),
      plain: batch.memory.plain,
      likely: [...this.#likely],
      maySearch: this.#opening.failedSearches < MAX_FAILED_SEARCHES,
    };
    const answer = this.#opening.workers.proveParts(job);
    answer.catch(() => {});
    return answer;
  }

  async #storeFirst(): Promise<void> {
    const batch = this.#waiting[0]!;
    const found = await batch.answer;
    if (found?.hasSearchedInVain) this.#opening.failedSearches++;
    const proven = [...(found?.streams ?? [])].reverse();
    for (const item of batch.items) {
      if (item.kind !== 'deflate') await this.#storeItem(item, batch);
      else await this.#storeStream(item, proven.pop() ?? null, batch);
    }
    if (batch.spool) await this.#opening.remove(batch.spool);
    this.#waiting.shift();
    this.#freeMemory.push(batch.memory);
  }

  async #storeItem(item: Exclude<BatchItem, { kind: 'deflate' }>, { memory }: Batch): Promise<void> {
    const store = this.#store;
    switch (item.kind) {
      case 'begin-plain':
        return store.beginPlain(item.name, item.sizeBytes);
      case 'end-plain':
        return store.endPlain(item.sizeBytes);
      case 'begin-file':
        return store.beginFile(item.name, item.sizeBytes);
      case 'end-file':
        return store.endFile();
      case 'begin-stored':
        return store.beginEntry(item.name, item.sizeBytes);
      default: {
        const bytes = memory.raw.subarray(item.offsetBytes, item.offsetBytes + item.sizeBytes);
        return item.kind === 'frame' ? store.frame(bytes) : store.contents(bytes);
      }
    }
  }

  async #storeStream(
    { name, offsetBytes, sizeBytes }: BatchItem & { kind: 'deflate' },
    proven: ProvenStream | null,
    { memory, spool }: Batch,
  ): Promise<void> {
    const source = spool ?? memory.raw.subarray(offsetBytes, offsetBytes + sizeBytes);
    if (!proven) {
      await this.#store.beginClosed(name, sizeBytes);
      if (source instanceof Uint8Array) await this.#store.contents(source);
      else for await (const bytes of readSpool(source.path)) await this.#store.contents(bytes);
      return;
    }
    const { encoder, plainBytes, plainAt } = proven;
    addRecent(this.#likely, encoder);
    const pieces = plainAt < 0 ? inflateFrom(source) : [memory.plain.subarray(plainAt, plainAt + plainBytes)];
    await this.#store.open({ name, encoder, plainBytes, deflatedBytes: sizeBytes }, pieces);
  }
}

async function* readSpool(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  const buffer = new Uint8Array(BATCH_BYTES);
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
