import { idHash } from '../hash/id-hash.js';

const EMPTY = -1;
const ID_WORDS = 8;
const FIRST_CAPACITY = 1024;

/** Where the pack of a chunk stands when the chunk is stored by this process but its pack is not finished. */
export const PENDING_PACK = 0xffffffff;

/** Where a chunk lies. */
export interface ChunkLocation {
  packIndex: number;
  blockIndex: number;
  /** Of the chunk in the block's plain bytes. */
  offsetBytes: number;
  sizeBytes: number;
}

/**
 * All chunks of a pool in typed arrays: an open-addressing table (linear probing, at most half full) over
 * the full 32-byte ids. 48 bytes a chunk and 8 a slot; millions of look-ups a second on one thread.
 */
export class ChunkTable {
  #count = 0;
  #ids: Uint32Array;
  #places: Uint32Array;
  #slots: Int32Array;
  readonly #probe = new Uint32Array(ID_WORDS);
  readonly #probeBytes = new Uint8Array(this.#probe.buffer);

  constructor(expectedChunks = 0) {
    const capacity = Math.max(FIRST_CAPACITY, expectedChunks);
    this.#ids = new Uint32Array(capacity * ID_WORDS);
    this.#places = new Uint32Array(capacity * 4);
    this.#slots = new Int32Array(slotsFor(capacity)).fill(EMPTY);
  }

  get count(): number {
    return this.#count;
  }

  /** The entry of the id at `ids[offset..offset+32)`, or -1. */
  find(ids: Uint8Array, offset = 0): number {
    for (let i = 0; i < 32; i++) this.#probeBytes[i] = ids[offset + i]!;
    return this.#slots[this.#slotOf(this.#probe, 0)]!;
  }

  /** Adds a chunk; the first place a chunk was given wins. @returns true if it was not there */
  add(ids: Uint8Array, offset: number, place: ChunkLocation): boolean {
    for (let i = 0; i < 32; i++) this.#probeBytes[i] = ids[offset + i]!;
    return this.#insert(
      this.#probe,
      0,
      place.packIndex,
      place.blockIndex,
      place.offsetBytes,
      place.sizeBytes,
    );
  }

  /**
   * Adds every chunk of a pack's blocks of one depth. `idWords` is the footer's id section as 32-bit words. Of several
   * copies of a chunk the first one added counts: packs are to be added depth by depth.
   * @param isWanted tells by its number whether a block of that depth is added
   */
  addPack(
    packIndex: number,
    idWords: Uint32Array,
    chunkBytes: Uint32Array,
    blocks: readonly { firstChunk: number; chunkCount: number; depth: number }[],
    depth: number,
    isWanted: (blockIndex: number) => boolean = () => true,
  ): void {
    for (let blockIndex = 0; blockIndex < blocks.length; blockIndex++) {
      const block = blocks[blockIndex]!;
      if (block.depth !== depth || !isWanted(blockIndex)) continue;
      const { firstChunk, chunkCount } = block;
      let offsetBytes = 0;
      for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
        const sizeBytes = chunkBytes[chunk]!;
        this.#insert(idWords, chunk * ID_WORDS, packIndex, blockIndex, offsetBytes, sizeBytes);
        offsetBytes += sizeBytes;
      }
    }
  }

  location(entry: number): ChunkLocation {
    const at = entry * 4;
    return {
      packIndex: this.#places[at]!,
      blockIndex: this.#places[at + 1]!,
      offsetBytes: this.#places[at + 2]!,
      sizeBytes: this.#places[at + 3]!,
    };
  }

  packIndex(entry: number): number {
    return this.#places[entry * 4]!;
  }

  sizeBytes(entry: number): number {
    return this.#places[entry * 4 + 3]!;
  }

  /** The 32 bytes of an entry's id, a view valid until the next `add`. */
  id(entry: number): Uint8Array {
    return new Uint8Array(this.#ids.buffer, entry * 32, 32);
  }

  #insert(
    words: Uint32Array,
    at: number,
    packIndex: number,
    blockIndex: number,
    offsetBytes: number,
    sizeBytes: number,
  ): boolean {
    let slot = this.#slotOf(words, at);
    if (this.#slots[slot] !== EMPTY) return false;
    if (this.#reserve(this.#count + 1)) slot = this.#slotOf(words, at);
    const entry = this.#count++;
    for (let i = 0; i < ID_WORDS; i++) this.#ids[entry * ID_WORDS + i] = words[at + i]!;
    const place = entry * 4;
    this.#places[place] = packIndex;
    this.#places[place + 1] = blockIndex;
    this.#places[place + 2] = offsetBytes;
    this.#places[place + 3] = sizeBytes;
    this.#slots[slot] = entry;
    return true;
  }

  /** The slot that holds the id, or the empty one where it belongs. */
  #slotOf(words: Uint32Array, at: number): number {
    const slots = this.#slots;
    const ids = this.#ids;
    const mask = slots.length - 1;
    let slot = idHash(words, at) & mask;
    for (;;) {
      const entry = slots[slot]!;
      if (entry === EMPTY) return slot;
      let i = 0;
      while (i < ID_WORDS && ids[entry * ID_WORDS + i] === words[at + i]) i++;
      if (i === ID_WORDS) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** @returns true when the table has grown, and slots are others than before */
  #reserve(count: number): boolean {
    if (count * ID_WORDS <= this.#ids.length) return false;
    const capacity = Math.max(count, Math.ceil((this.#ids.length / ID_WORDS) * 1.5));
    const ids = new Uint32Array(capacity * ID_WORDS);
    ids.set(this.#ids);
    this.#ids = ids;
    const places = new Uint32Array(capacity * 4);
    places.set(this.#places);
    this.#places = places;
    if (slotsFor(capacity) === this.#slots.length) return true;
    this.#slots = new Int32Array(slotsFor(capacity)).fill(EMPTY);
    for (let entry = 0; entry < this.#count; entry++) {
      this.#slots[this.#slotOf(this.#ids, entry * ID_WORDS)] = entry;
    }
    return true;
  }
}

/** A power of two at least twice the capacity. */
function slotsFor(capacity: number): number {
  return 2 ** Math.ceil(Math.log2(capacity * 2));
}
