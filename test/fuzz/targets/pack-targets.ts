import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChunkTable } from '../../../src/catalog/chunk-table.js';
import { SketchIndex } from '../../../src/catalog/sketch-index.js';
import { X86Filter } from '../../../src/compress/x86/x86-filter.js';
import { ZstdCompressor } from '../../../src/compress/zstd.js';
import { LIMITS } from '../../../src/core/limits.js';
import { BLOCK_CODEC, type BlockEntry } from '../../../src/format/block-entry.js';
import {
  basesOfBlock,
  checkPackHeader,
  decodePackFooter,
  type PackFooter,
  sketchesOfBlock,
} from '../../../src/format/pack.js';
import {
  decodePackTrailer,
  PACK_HEADER_BYTES,
  PACK_TRAILER_BYTES,
} from '../../../src/format/pack-trailer.js';
import { xxh64 } from '../../../src/hash/xxh64.js';
import { BlockJobs } from '../../../src/pool/block-jobs.js';
import { type HandMadeBlock, packFile } from '../../format/hand-made-pool.js';
import { TINY_BLOCKS } from '../../format/tiny-image.js';
import { encodeDelta } from '../../pool/delta-payload.js';
import { noise } from '../../support/tar-builder.js';
import { accepts, type FuzzTarget } from '../fuzz-target.js';
import { edge, maybeMutated } from '../mutate.js';
import type { Random } from '../random.js';

/** Blocks and chunks that a reader of one small input need not decode: more would only cost time. */
const MOST_PLAIN_BYTES = 256 * 1024;

const BASE = noise(51, 6000);
const CHANGED = BASE.map((byte, at) => (at % 700 === 9 ? byte ^ 0x55 : byte));
const TEXT = new Uint8Array(
  Buffer.from('a line that comes again and again, with a number in it: 1234\n'.repeat(60)),
);
const CODE = Uint8Array.from({ length: 8000 }, (_, at) =>
  at % 20 === 0 ? 0xe8 : at % 20 < 5 ? at >> 8 : at * 7,
);

/** One sound pack of every kind of block; its stored bytes where `packFile` does not make them itself. */
export const PACKS: readonly Uint8Array[] = makePacks();

function makePacks(): Uint8Array[] {
  const delta = encodeDelta(CHANGED, [BASE]);
  const dictionary = encodeDelta(TEXT, [TEXT.slice(7, 2000)]);
  const leaning: HandMadeBlock[] = [
    { codec: 2, kind: 1, chunks: [CHANGED], delta: { depth: 1, bases: delta.bases, stored: delta.stored } },
    {
      codec: 2,
      kind: 1,
      chunks: [TEXT],
      delta: { depth: 3, bases: dictionary.bases, stored: dictionary.stored },
    },
  ];
  const filter = new X86Filter();
  const filtered = filter.apply(CODE);
  const frame = new Uint8Array(new ZstdCompressor(3).compress(filtered ?? CODE));
  const code: HandMadeBlock = {
    codec: 3,
    kind: 1,
    chunks: [CODE],
    delta: { depth: 0, bases: [], stored: frame },
  };
  const sketched = TINY_BLOCKS.map((block) => ({ ...block, sketches: noise(9, block.chunks.length * 24) }));
  return [
    packFile(TINY_BLOCKS),
    packFile(sketched),
    packFile([...TINY_BLOCKS, ...leaning]),
    packFile([...sketched, ...leaning, code], 1, 7),
    packFile([code], 1, 4),
  ];
}

/** Writes the checksum and the lengths of a pack whose footer has `footerBytes` as they should be. */
export function seal(pack: Buffer, footerBytes: number): void {
  const trailerAt = pack.length - PACK_TRAILER_BYTES;
  const footerAt = trailerAt - footerBytes;
  if (footerAt < 0) return;
  pack.writeUInt32LE(footerBytes, trailerAt);
  pack.writeUInt32LE(0, trailerAt + 4);
  pack.writeBigUInt64LE(xxh64(pack.subarray(footerAt, trailerAt)), trailerAt + 8);
  pack.writeBigUInt64LE(BigInt(pack.length), trailerAt + 16);
  pack.write('DBUPTAIL', trailerAt + 24, 'latin1');
}

/** Blocks changed in their stored bytes, entries changed in one field each, lists changed anywhere; checksums right. */
function changedInside(random: Random, sound: Uint8Array): Buffer {
  const pack = Buffer.from(sound);
  const footerBytes = pack.readUInt32LE(pack.length - PACK_TRAILER_BYTES);
  const footerAt = pack.length - PACK_TRAILER_BYTES - footerBytes;
  const blockCount = pack.readUInt32LE(footerAt);
  for (let left = 1 + random.size(3); left > 0; left--) {
    const entryAt = footerAt + 16 + 32 * random.below(blockCount);
    if (random.percent(40)) {
      const at = entryAt + random.pick([0, 4, 8, 12, 24, 25, 26, 27, 28]);
      if (at - entryAt >= 24 && at - entryAt < 28) pack[at] = random.below(random.pick([4, 10, 256]));
      else pack.writeUInt32LE(Number(edge(random) & 0xffffffffn), at);
    } else if (random.percent(50)) {
      const start = pack.readUInt32LE(entryAt);
      const end = Math.min(start + pack.readUInt32LE(entryAt + 4), footerAt);
      if (end > start) pack[start + random.below(end - start)] = random.below(256);
    } else {
      pack[footerAt + random.below(footerBytes)] = random.below(256);
    }
  }
  for (let block = 0; block < blockCount; block++) {
    const entryAt = footerAt + 16 + 32 * block;
    const start = pack.readUInt32LE(entryAt);
    const end = start + pack.readUInt32LE(entryAt + 4);
    if (end <= footerAt && start <= end)
      pack.writeBigUInt64LE(xxh64(pack.subarray(start, end)), entryAt + 16);
  }
  seal(pack, footerBytes);
  return pack;
}

export function makePack(random: Random): Uint8Array {
  const sound = random.pick(PACKS);
  if (random.percent(75)) return new Uint8Array(changedInside(random, sound));
  const changed = Buffer.from(maybeMutated(random, sound));
  if (random.percent(50) && changed.length >= PACK_TRAILER_BYTES) {
    seal(changed, changed.readUInt32LE(changed.length - PACK_TRAILER_BYTES) % changed.length);
  }
  return new Uint8Array(changed);
}

/** Header, trailer and footer as a catalog reads them; what it builds of a sound one. */
export function readPack(pack: Uint8Array): PackFooter {
  checkPackHeader(pack.subarray(0, PACK_HEADER_BYTES), 'fuzz');
  const trailer = decodePackTrailer(pack.slice(-PACK_TRAILER_BYTES), pack.length, 'fuzz');
  const footerEnd = pack.length - PACK_TRAILER_BYTES;
  return decodePackFooter(pack.slice(footerEnd - trailer.footerBytes, footerEnd), trailer, 'fuzz');
}

function buildTables(footer: PackFooter): void {
  const { chunkIds, chunkBytes, blocks } = footer;
  const table = new ChunkTable(footer.chunkCount);
  const words = new Uint32Array(chunkIds.buffer, chunkIds.byteOffset, chunkIds.byteLength / 4);
  for (let depth = 0; depth <= LIMITS.deltaDepth; depth++)
    table.addPack(0, words, chunkBytes, blocks, depth, () => true);
  for (const block of blocks) {
    if (basesOfBlock(footer, block).length !== block.baseCount) throw new TypeError('bases are missing');
    const sketches = sketchesOfBlock(footer, block);
    if (sketches && sketches.length !== block.chunkCount * 24) throw new TypeError('sketches are missing');
  }
}

export const packTarget: FuzzTarget = {
  name: 'pack',
  runs: 'pack header, trailer, footer, base list, sketch list, chunk table',
  inputs: 150_000,
  shortInputs: 2000,
  make: makePack,
  run: (bytes) => accepts(() => buildTables(readPack(bytes))),
};

const room = { directory: '' };
let jobs: BlockJobs | null = null;
let memory: SharedArrayBuffer | null = null;

/** Decodes every block as a worker does, with any bytes as bases. */
function decodeBlocks(pack: Uint8Array, { blocks }: PackFooter): boolean {
  room.directory ||= mkdtempSync(join(tmpdir(), 'dbup-fuzz-'));
  jobs ??= new BlockJobs();
  memory ??= new SharedArrayBuffer(4 * MOST_PLAIN_BYTES);
  const path = join(room.directory, 'pack');
  writeFileSync(path, pack);
  const all = blocks.every((block) => decodesBlock(path, block));
  jobs.close();
  return all;
}

function decodesBlock(path: string, block: BlockEntry): boolean {
  if (block.plainBytes > MOST_PLAIN_BYTES) return true;
  const base = { buffers: [memory!], pieces: Uint32Array.of(0, 2 * MOST_PLAIN_BYTES, BASE.length) };
  new Uint8Array(memory!, 2 * MOST_PLAIN_BYTES, BASE.length).set(BASE);
  const chunks = { ids: new Uint8Array(32), sizes: Uint32Array.of(block.plainBytes) };
  try {
    jobs!.run({
      type: 'decode',
      path,
      ...block,
      buffer: memory!,
      bufferOffsetBytes: 0,
      ...(block.codec === BLOCK_CODEC.delta && { base }),
      chunks,
    });
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isPlain = (error as Error).constructor === Error;
    if (isPlain && (code === 'DAMAGED' || code === 'DELTA_DAMAGED')) return false;
    throw error;
  }
}

export const blockTarget: FuzzTarget = {
  name: 'block',
  runs: 'blocks of packs as a worker reads them: raw, zstd, delta, zstd with the x86 filter',
  inputs: 60_000,
  shortInputs: 500,
  make: makePack,
  run(bytes) {
    let footer: PackFooter | undefined;
    accepts(() => {
      footer = readPack(bytes);
    });
    return footer !== undefined && decodeBlocks(bytes, footer);
  },
  close() {
    if (room.directory !== '') rmSync(room.directory, { recursive: true, force: true });
    room.directory = '';
  },
};

export const sketchIndexTarget: FuzzTarget = {
  name: 'sketch-index',
  runs: 'the index over the sketches of packs, and what it finds',
  inputs: 20_000,
  shortInputs: 300,
  make: (random) =>
    random.percent(50) ? maybeMutated(random, noise(3, 24 * 40)) : random.bytes(24 * random.size(60)),
  run(bytes) {
    const whole = bytes.slice(0, bytes.length - (bytes.length % 24));
    const words = new Uint32Array(whole.buffer);
    const index = new SketchIndex(0, 16);
    for (let pack = 0; pack < 3; pack++) index.addPack(pack, words);
    for (let at = 0; at < words.length; at += 6) {
      for (const { packIndex, chunk, equal } of index.find(words.subarray(at, at + 6), 10)) {
        const isPlace = packIndex < 3 && chunk >= 0 && chunk < words.length / 6;
        if (!isPlace || equal < 1 || equal > 6) throw new TypeError('a place that does not exist was found');
      }
    }
    return true;
  },
};
