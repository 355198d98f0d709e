import { idHash } from '../hash/id-hash.js';

const ID_WORDS = 8;
const FREE = 0;

/**
 * Looks for a base that is listed twice, or that is one of the block's own chunks. Ids are 32 bytes each, one after
 * the other, at a multiple of 4 in memory.
 * @returns its number, or -1
 */
export function repeatedBase(baseIds: Uint8Array, chunkIds: Uint8Array): number {
  const bases = wordsOf(baseIds);
  const chunks = wordsOf(chunkIds);
  const baseCount = bases.length / ID_WORDS;
  const slots = new Int32Array(2 ** Math.ceil(Math.log2(baseCount * 2 + 1)));
  for (let base = 0; base < baseCount; base++) {
    const slot = findSlot(slots, bases, bases, base);
    if (slots[slot] !== FREE) return base;
    slots[slot] = base + 1;
  }
  for (let chunk = 0; chunk < chunks.length / ID_WORDS; chunk++) {
    const found = slots[findSlot(slots, bases, chunks, chunk)]!;
    if (found !== FREE) return found - 1;
  }
  return -1;
}

/** The slot of the base equal to id `at` of `ids`, or the free one where it would be. */
function findSlot(slots: Int32Array, bases: Uint32Array, ids: Uint32Array, at: number): number {
  const mask = slots.length - 1;
  for (let slot = idHash(ids, at * ID_WORDS) & mask; ; slot = (slot + 1) & mask) {
    const entry = slots[slot]!;
    if (entry === FREE || equalIds(bases, entry - 1, ids, at)) return slot;
  }
}

function equalIds(left: Uint32Array, leftAt: number, right: Uint32Array, rightAt: number): boolean {
  for (let i = 0; i < ID_WORDS; i++) {
    if (left[leftAt * ID_WORDS + i] !== right[rightAt * ID_WORDS + i]) return false;
  }
  return true;
}

function wordsOf(ids: Uint8Array): Uint32Array {
  return new Uint32Array(ids.buffer, ids.byteOffset, ids.length / 4);
}
