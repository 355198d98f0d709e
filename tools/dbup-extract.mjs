#!/usr/bin/env node
/**
 * Gets images out of a dbup pool. Written from docs/format.md alone: it shares no code with dbup, and needs
 * nothing but dbup-corrections.mjs beside it, Node.js and the `zstd` program (or a Node whose zlib knows zstd). It takes no lock.
 *
 *   node dbup-extract.mjs POOL                              lists the snapshots
 *   node dbup-extract.mjs POOL REFERENCE [--archive] OUT    writes the saved archive, byte for byte, to OUT
 *
 * REFERENCE is app:1.0, app:1.0~1 (the version before) or app:1.0@<start of a snapshot id>. `--archive` is
 * asked for where the archive holds other images too. An image that was saved from an OCI layout directory
 * is written as one: OUT is then a directory.
 *
 *   node dbup-extract.mjs POOL REFERENCE --plain DIR        writes what the image consists of to DIR
 *
 * It has no encoders of its own: `--encoders FILE` names a module that has dbup's `createEncoder`, such as
 * dist/compress/exact/encoder-registry.js. Without them it cannot make gzip layers again that the pool holds open, nor archives of
 * them, but for those held with corrections. `--plain` gives their plain tars instead, as <diffId>.tar, and everything else by its digest. Layers with compressed
 * files that are held open need encoders in any case.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as zlib from 'node:zlib';
import { CorrectedStreams } from './dbup-corrections.mjs';

const LIMITS = {
  descriptor: 65_536,
  features: 64,
  jsonDepth: 64,
  snapshot: 16_777_216,
  pack: 1_073_741_824,
  footer: 67_108_864,
  plain: 16_777_216,
  stored: 17_825_792,
  deltaDepth: 8,
  bases: 65_536,
  baseBytes: 33_554_432,
  depth: 8,
  segments: 20_000,
  nesting: 8,
  tarExtension: 1_048_576,
  gzipHeader: 4096,
  gzipMembers: 200_000,
  gzipTrailing: 65_536,
};
/** No deflate stream makes more of a byte. */
const MOST_EXPANSION = 1032;
const SNAPSHOT_FEATURES = [
  'gzip-recipe',
  'gzip-checkpoints',
  'gzip-corrections',
  'nested-deflate',
  'companions',
];
const CACHED_BLOCKS = 128;
const EXIT = { failure: 1, usage: 2, damaged: 4, unsupported: 5, notFound: 12, incomplete: 13 };

class Refusal extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}
const damaged = (message) => new Refusal('damaged', message);
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

// Files --------------------------------------------------------------------------------------------------

function openPoolFile(path) {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  const stats = fstatSync(fd);
  if (stats.isFile()) return { fd, size: stats.size };
  closeSync(fd);
  throw damaged(`${path} is not a regular file`);
}

function readAt(fd, position, length, what) {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, bytes, done, length - done, position + done);
    if (count === 0) throw damaged(`${what} ends too early`);
    done += count;
  }
  return bytes;
}

function readWhole(path, limit) {
  const { fd, size } = openPoolFile(path);
  try {
    if (size > limit) throw damaged(`${path} has ${size} bytes`);
    return readAt(fd, 0, size, path);
  } finally {
    closeSync(fd);
  }
}

/** Names of pool files; anything else in the directory is foreign. */
function poolNames(directory) {
  try {
    return readdirSync(directory)
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .sort();
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

/** How deep objects and arrays lie inside one another, level by level: recursion would run out of stack. */
function depthOf(value) {
  const nested = (found) => typeof found === 'object' && found !== null;
  let depth = 0;
  for (let level = [value].filter(nested); level.length > 0; depth++)
    level = level.flatMap((found) => Object.values(found).filter(nested));
  return depth;
}

function parseDocument(bytes, kind, what) {
  let value;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw damaged(`${what} is not JSON`);
  }
  if (depthOf(value) > LIMITS.jsonDepth) throw damaged(`${what} is nested too deep`);
  if (typeof value !== 'object' || value === null || value.kind !== kind)
    throw damaged(`${what} is no ${kind}`);
  if (!Number.isSafeInteger(value.format)) throw damaged(`${what} has no format`);
  if (value.format !== 1) throw new Refusal('unsupported', `${what} has format ${value.format}`);
  if (!Array.isArray(value.features) || value.features.length > LIMITS.features)
    throw damaged(`${what} has no features`);
  if (value.features.some((feature) => kind !== 'dbup-snapshot' || !SNAPSHOT_FEATURES.includes(feature)))
    throw new Refusal('unsupported', `${what} has the features ${value.features}`);
  return value;
}

// XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md), seed 0 ----------------------------

const [P1, P2, P3, P4, P5] = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
];
const u64 = (value) => BigInt.asUintN(64, value);
const rotate = (value, count) => u64((value << count) | (value >> (64n - count)));
const round = (sum, lane) => u64(rotate(u64(sum + lane * P2), 31n) * P1);

function xxh64(bytes) {
  let at = 0;
  let hash = P5;
  if (bytes.length >= 32) {
    const sums = [u64(P1 + P2), P2, 0n, u64(-P1)];
    for (; at + 32 <= bytes.length; at += 32) {
      for (let i = 0; i < 4; i++) sums[i] = round(sums[i], bytes.readBigUInt64LE(at + 8 * i));
    }
    const turns = [1n, 7n, 12n, 18n];
    hash = u64(sums.reduce((total, sum, i) => total + rotate(sum, turns[i]), 0n));
    for (const sum of sums) hash = u64((hash ^ round(0n, sum)) * P1 + P4);
  }
  hash = u64(hash + BigInt(bytes.length));
  for (; at + 8 <= bytes.length; at += 8) {
    hash = u64(rotate(hash ^ round(0n, bytes.readBigUInt64LE(at)), 27n) * P1 + P4);
  }
  if (at + 4 <= bytes.length) {
    hash = u64(rotate(hash ^ u64(BigInt(bytes.readUInt32LE(at)) * P1), 23n) * P2 + P3);
    at += 4;
  }
  for (; at < bytes.length; at++) hash = u64(rotate(hash ^ u64(BigInt(bytes[at]) * P5), 11n) * P1);
  hash = u64((hash ^ (hash >> 33n)) * P2);
  hash = u64((hash ^ (hash >> 29n)) * P3);
  return hash ^ (hash >> 32n);
}

// Packs --------------------------------------------------------------------------------------------------

/** The blocks of a pack, each with its chunks' ids and lengths. */
function readFooter(path, name) {
  const what = `pack ${name.slice(0, 12)}`;
  const { fd, size } = openPoolFile(path);
  try {
    if (size < 64 || size > LIMITS.pack) throw damaged(`${what} has ${size} bytes`);
    if (readAt(fd, 0, 16, what).toString('latin1', 0, 8) !== 'DBUPPACK') throw damaged(`${what}: no magic`);
    const trailer = readAt(fd, size - 32, 32, what);
    if (trailer.toString('latin1', 24) !== 'DBUPTAIL') throw damaged(`${what} is cut off`);
    const footerBytes = trailer.readUInt32LE(0);
    if (trailer.readBigUInt64LE(16) !== BigInt(size) || trailer.readUInt32LE(4) !== 0)
      throw damaged(`${what} has another length than it says`);
    if (footerBytes < 16 || footerBytes > LIMITS.footer || footerBytes > size - 48)
      throw damaged(`${what}: footer of ${footerBytes} bytes`);
    const end = size - 32 - footerBytes;
    const footer = readAt(fd, end, footerBytes, what);
    if (xxh64(footer) !== trailer.readBigUInt64LE(8)) throw damaged(`${what}: footer checksum`);
    const features = footer.readUInt32LE(12);
    if (footer.readUInt16LE(8) !== 1 || features > 7)
      throw new Refusal('unsupported', `${what} has version ${footer.readUInt16LE(8)} or unknown features`);
    if (footer.readUInt16LE(10) !== 0) throw damaged(`${what}: reserved bytes`);
    return parseBlocks(footer, end, features, what);
  } finally {
    closeSync(fd);
  }
}

function parseBlocks(footer, end, features, what) {
  const blockCount = footer.readUInt32LE(0);
  const chunkCount = footer.readUInt32LE(4);
  const idsAt = 16 + 32 * blockCount;
  const lengthsAt = idsAt + 32 * chunkCount;
  const basesAt = lengthsAt + 4 * chunkCount;
  const sketches = features & 2 ? 24 * chunkCount : 0;
  if (basesAt + sketches > footer.length) throw damaged(`${what}: counts`);
  const idAt = (at) => footer.toString('hex', at, at + 32);
  const blocks = [];
  let offset = 16;
  let chunk = 0;
  let base = 0;
  for (let i = 0; i < blockCount; i++) {
    const at = 16 + 32 * i;
    const block = {
      offset: footer.readUInt32LE(at),
      stored: footer.readUInt32LE(at + 4),
      plain: footer.readUInt32LE(at + 8),
      codec: footer.readUInt8(at + 24),
      depth: footer.readUInt8(at + 26),
      chunks: [],
      bases: [],
    };
    const lastChunk = chunk + footer.readUInt32LE(at + 12);
    if (block.offset !== offset || block.stored > LIMITS.stored || offset + block.stored > end)
      throw damaged(`${what}: block ${i} lies wrong`);
    if (block.plain === 0 || block.plain > LIMITS.plain) throw damaged(`${what}: block ${i} plain bytes`);
    const known =
      block.codec < 2 || (block.codec === 2 && features & 1) || (block.codec === 3 && features & 4);
    if (!known || (block.codec === 0 && block.stored !== block.plain))
      throw damaged(`${what}: block ${i} codec`);
    const baseCount = footer.readUInt32LE(at + 28);
    const leans =
      block.codec === 2
        ? block.depth >= 1 && block.depth <= LIMITS.deltaDepth && baseCount >= 1 && baseCount <= LIMITS.bases
        : block.depth === 0 && baseCount === 0;
    if (!leans || footer.readUInt8(at + 27) !== 0 || lastChunk > chunkCount)
      throw damaged(`${what}: block ${i} entry`);
    let plain = 0;
    for (; chunk < lastChunk; chunk++) {
      const length = footer.readUInt32LE(lengthsAt + 4 * chunk);
      if (length === 0) throw damaged(`${what}: empty chunk`);
      block.chunks.push({ id: idAt(idsAt + 32 * chunk), offset: plain, length });
      plain += length;
    }
    if (plain !== block.plain) throw damaged(`${what}: block ${i} sums`);
    if (basesAt + 32 * (base + baseCount) + sketches > footer.length) throw damaged(`${what}: bases`);
    for (const last = base + baseCount; base < last; base++) block.bases.push(idAt(basesAt + 32 * base));
    const ids = new Set(block.bases);
    if (ids.size < baseCount || block.chunks.some(({ id }) => ids.has(id)))
      throw damaged(`${what}: block ${i} has a base twice, or of its own`);
    offset += block.stored;
    blocks.push(block);
  }
  if (basesAt + 32 * base + sketches !== footer.length) throw damaged(`${what}: counts`);
  if (offset !== end || chunk !== chunkCount) throw damaged(`${what}: blocks and footer do not meet`);
  return blocks;
}

/** @param dictionary what a frame may copy from besides itself */
function unzstd(frame, plainBytes, dictionary) {
  const maxOutputLength = plainBytes + 1;
  if (zlib.zstdDecompressSync && !dictionary) {
    try {
      return zlib.zstdDecompressSync(frame, { maxOutputLength });
    } catch (error) {
      throw damaged(`a zstd frame: ${error.message}`);
    }
  }
  const directory = dictionary && mkdtempSync(join(tmpdir(), 'dbup-extract-'));
  try {
    const words = ['-dc', '--long=27'];
    if (directory) {
      writeFileSync(join(directory, 'base'), dictionary);
      words.push('-D', join(directory, 'base'));
    }
    const run = spawnSync('zstd', words, { input: frame, maxBuffer: maxOutputLength });
    if (run.error?.code === 'ENOENT') throw new Refusal('failure', 'the program zstd is not installed');
    if (run.error || run.status !== 0) throw damaged(`a zstd frame: ${run.error?.message ?? run.stderr}`);
    return run.stdout;
  } finally {
    if (directory) rmSync(directory, { recursive: true });
  }
}

/** The x86 filter taken back, in place. */
function unfilter(bytes) {
  for (let i = 0; i + 18 <= bytes.length; ) {
    const [a, b, c] = [bytes[i], bytes[i + 1], bytes[i + 2]];
    let skip = 0;
    if (a === 0xe8 || a === 0xe9) skip = 1;
    else if (a === 0x0f && b >= 0x80 && b <= 0x8f) skip = 2;
    else if (a >= 0x48 && a <= 0x4f && (b === 0x89 || b === 0x8b || b === 0x8d) && (c & 0xc7) === 5) skip = 3;
    if (skip === 0) {
      i++;
      continue;
    }
    const value = bytes.readInt32LE(i + skip);
    i += skip + 4;
    if (value >= -0x1000000 && value < 0x1000000) bytes.writeInt32LE(((value - i) << 7) >> 7, i - 4);
  }
  return bytes;
}

// Delta blocks -------------------------------------------------------------------------------------------

/** Numbers of seven bits a byte, the lowest first, read one after the other. */
function numberReader(bytes, start = 0) {
  const reader = {
    at: start,
    next() {
      let value = 0;
      for (let i = 0; i < 5; i++) {
        if (reader.at >= bytes.length) break;
        const byte = bytes[reader.at++];
        value += (byte & 127) * 128 ** i;
        if (byte < 128 && value < 2 ** 32) return value;
      }
      throw damaged('a number in a delta');
    },
    get ended() {
      return reader.at === bytes.length;
    },
  };
  return reader;
}

function undelta(payload, base, plainBytes) {
  if (payload[0] === 2) {
    if (base.toString('hex', 0, 4) === '37a430ec') throw damaged('a base that is a formatted dictionary');
    return unzstd(payload.subarray(1), plainBytes, base);
  }
  if (payload[0] !== 1) throw damaged('a delta of no known form');
  const streams = deltaStreams(payload, plainBytes);
  const [literalLengths, copyLengths, shifts, gaps] = streams.slice(0, 4).map((bytes) => numberReader(bytes));
  const [differences, literals] = streams.slice(4);
  const plain = Buffer.alloc(plainBytes);
  let [at, literalAt, sourceEnd, differenceAt] = [0, 0, 0, 0];
  let gap = gaps.ended ? null : gaps.next();
  while (!literalLengths.ended) {
    const [literal, copy, shift] = [literalLengths.next(), copyLengths.next(), shifts.next()];
    const source = (sourceEnd + literal + (shift % 2 === 0 ? shift / 2 : -(shift + 1) / 2)) >>> 0;
    if (literal > literals.length - literalAt || literal + copy > plainBytes - at || copy === 0)
      throw damaged('a delta leaves its block');
    if (source + copy > base.length) throw damaged('a delta leaves its base');
    literals.copy(plain, at, literalAt, literalAt + literal);
    literalAt += literal;
    at += literal;
    base.copy(plain, at, source, source + copy);
    let done = 0;
    while (gap !== null && gap < copy - done) {
      done += gap;
      if (differenceAt + 4 > differences.length) throw damaged('the differences of a delta');
      addDifference(plain, at + done, Math.min(4, copy - done), differences, differenceAt);
      done += Math.min(4, copy - done);
      differenceAt += 4;
      gap = gaps.ended ? null : gaps.next();
    }
    if (gap !== null) gap -= copy - done;
    sourceEnd = source + copy;
    at += copy;
  }
  if (literals.length - literalAt !== plainBytes - at) throw damaged('the literals of a delta');
  literals.copy(plain, at, literalAt);
  if (gap !== null || !copyLengths.ended || !shifts.ended || differenceAt !== differences.length)
    throw damaged('a delta with something left over');
  return plain;
}

/** The six streams of a delta: each of them stored as it is, or as a zstd frame where that is shorter. */
function deltaStreams(payload, plainBytes) {
  const header = numberReader(payload, 1);
  const lengths = Array.from({ length: 6 }, () => [header.next(), header.next()]);
  if (lengths.reduce((sum, [length]) => sum + length, 0) > plainBytes)
    throw damaged('the streams of a delta');
  let { at } = header;
  const streams = lengths.map(([length, stored]) => {
    const bytes = payload.subarray(at, at + stored);
    at += stored;
    if (stored > length || at > payload.length) throw damaged('the streams of a delta');
    const stream = stored === length ? bytes : unzstd(bytes, length);
    if (stream.length !== length) throw damaged('a stream of a delta');
    return stream;
  });
  if (at !== payload.length) throw damaged('the streams of a delta');
  return streams;
}

/** Four bytes are one number; fewer, at the end of a copy, each their own. */
function addDifference(plain, at, count, differences, from) {
  if (count === 4) {
    const sum = plain.readUInt32LE(at) + differences.readUInt32LE(from);
    plain.writeUInt32LE(sum % 2 ** 32, at);
  } else for (let i = 0; i < count; i++) plain[at + i] += differences[from + i];
}

/** Every chunk of the pool by id, decoded and checked when asked for. */
class Chunks {
  #directory;
  #places = new Map();
  #decoded = new Map();
  unusable = [];

  constructor(directory) {
    this.#directory = directory;
    const byDepth = Array.from({ length: LIMITS.deltaDepth + 1 }, () => []);
    for (const pack of poolNames(directory)) {
      try {
        for (const block of readFooter(join(directory, pack), pack))
          byDepth[block.depth].push({ pack, block });
      } catch (error) {
        if (error.kind !== 'damaged') throw error;
        this.unusable.push(error.message);
      }
    }
    // What leans on nothing first; what lacks a base last, to say which.
    const lacking = byDepth.flat().filter((held) => !this.#add(held, false));
    for (const held of lacking) this.#add(held, true);
  }

  read(id) {
    const place = this.#place(id);
    const { offset, length } = place.chunk;
    const bytes = this.#block(place.pack, place.block).subarray(offset, offset + length);
    if (sha256(bytes) !== id)
      throw damaged(`chunk ${id.slice(0, 12)} in pack ${place.pack.slice(0, 12)} is not what its id says`);
    return bytes;
  }

  /** Adds a block whose bases are all there, or any. @returns whether it was added */
  #add({ pack, block }, any) {
    const isThere = (id) => this.#places.get(id)?.block.depth < block.depth;
    if (!any && !block.bases.every(isThere)) return false;
    for (const chunk of block.chunks) {
      if (!this.#places.has(chunk.id)) this.#places.set(chunk.id, { pack, block, chunk });
    }
    return true;
  }

  #place(id, depth = Infinity) {
    const place = this.#places.get(id);
    if (place && place.block.depth < depth) return place;
    const why = this.unusable.length > 0 ? ` (${this.unusable.join('; ')})` : '';
    throw new Refusal(
      'incomplete',
      `the pool lacks chunk ${id.slice(0, 12)}${why}: sync it again from where it is whole`,
    );
  }

  #base({ bases, depth }) {
    const bytes = bases.reduce((sum, id) => sum + this.#place(id, depth).chunk.length, 0);
    if (bytes > LIMITS.baseBytes) throw damaged(`bases of ${bytes} bytes`);
    return Buffer.concat(bases.map((id) => this.read(id)));
  }

  #plain(block, stored) {
    if (block.codec === 0) return stored;
    if (block.codec === 2) return undelta(stored, this.#base(block), block.plain);
    const bytes = unzstd(stored, block.plain);
    return block.codec === 3 ? unfilter(bytes) : bytes;
  }

  #block(pack, block) {
    const key = `${pack}:${block.offset}`;
    const held = this.#decoded.get(key);
    if (held) {
      this.#decoded.delete(key);
      this.#decoded.set(key, held);
      return held;
    }
    const { fd } = openPoolFile(join(this.#directory, pack));
    let stored;
    try {
      stored = readAt(fd, block.offset, block.stored, `pack ${pack.slice(0, 12)}`);
    } finally {
      closeSync(fd);
    }
    const plain = this.#plain(block, stored);
    if (plain.length !== block.plain)
      throw damaged(`a block of pack ${pack.slice(0, 12)} has another length`);
    if (this.#decoded.size >= CACHED_BLOCKS) this.#decoded.delete(this.#decoded.keys().next().value);
    this.#decoded.set(key, plain);
    return plain;
  }
}

// Streams and recipes --------------------------------------------------------------------------------------

function size(bytes, at) {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(`a size of ${value} bytes`);
  return Number(value);
}

function reserved(bytes, start, end) {
  if (bytes.subarray(start, end).some((byte) => byte !== 0)) throw damaged('reserved bytes are set');
}

function streamReference(bytes, at) {
  const stream = {
    depth: bytes[at],
    length: size(bytes, at + 8),
    id: bytes.toString('hex', at + 16, at + 48),
  };
  reserved(bytes, at + 1, at + 8);
  if (stream.depth > LIMITS.depth) throw damaged(`a stream of depth ${stream.depth}`);
  if (stream.length === 0 && (stream.depth !== 0 || !/^0+$/.test(stream.id)))
    throw damaged('an empty stream names a chunk');
  return stream;
}

/** The chunks of a stream in order. */
function* streamBytes(chunks, { depth, length, id }) {
  if (length === 0) return;
  const bytes = chunks.read(id);
  if (depth === 0) {
    if (bytes.length !== length)
      throw damaged(`chunk ${id.slice(0, 12)} has ${bytes.length} bytes, not ${length}`);
    yield bytes;
    return;
  }
  if (bytes.length % 40 !== 0) throw damaged('a list node with a part of an entry');
  let total = 0;
  for (let at = 0; at < bytes.length; at += 40) {
    if (size(bytes, at + 32) === 0) throw damaged('a list entry of nothing');
    total += size(bytes, at + 32);
  }
  if (total !== length) throw damaged(`a list node of ${total} bytes, not ${length}`);
  for (let at = 0; at < bytes.length; at += 40) {
    const id = bytes.toString('hex', at, at + 32);
    yield* streamBytes(chunks, { depth: depth - 1, length: size(bytes, at + 32), id });
  }
}

function readRecipe(chunks, id, length) {
  const bytes = chunks.read(id);
  if (bytes.length < 64 || bytes.toString('latin1', 0, 4) !== 'DBR1') throw damaged('a recipe without magic');
  if (bytes[4] < 1 || bytes[4] > 5) throw new Refusal('unsupported', `a recipe of kind ${bytes[4]}`);
  reserved(bytes, 5, 8);
  if (size(bytes, 8) !== length) throw damaged(`a recipe of ${size(bytes, 8)} bytes, not ${length}`);
  if (bytes[4] === 3) return gzipRecipe(bytes, length);
  // The checkpoints that follow are of use to who compresses it again in parts.
  if (bytes[4] === 4) return { same: bytes.toString('hex', 16, 48) };
  if (bytes[4] === 5) {
    if (bytes.length !== 96) throw damaged('a corrections recipe of another length');
    return { same: bytes.toString('hex', 16, 48), corrections: streamReference(bytes, 48) };
  }
  const stream = streamReference(bytes, 16);
  if (bytes[4] === 1) {
    if (bytes.length !== 64 || stream.length !== length) throw damaged('the sizes of a recipe do not agree');
    return { stream, segments: null };
  }
  const segments = [];
  let total = stream.length;
  if (bytes.length < 72 || bytes.readUInt32LE(64) > LIMITS.segments)
    throw damaged('the segments of a recipe');
  reserved(bytes, 68, 72);
  let at = 72;
  for (let left = bytes.readUInt32LE(64); left > 0; left--) {
    const type = bytes[at];
    const segmentBytes = [56, 88, 160][type];
    if (!segmentBytes || at + segmentBytes > bytes.length) throw damaged('a segment of a recipe');
    reserved(bytes, at + 1, at + 8);
    if (type === 0) segments.push({ stream: streamReference(bytes, at + 8) });
    else if (type === 2) {
      const [contents, frames, parts] = [16, 64, 112].map((offset) => streamReference(bytes, at + offset));
      const length = size(bytes, at + 8);
      if (contents.length > length * MOST_EXPANSION) throw damaged('an opened segment of a recipe');
      segments.push({ opened: { length, contents, frames, parts } });
    } else {
      reserved(bytes, at + 48, at + 56);
      const blob = { digest: bytes.toString('hex', at + 8, at + 40), length: size(bytes, at + 40) };
      segments.push({ blob: { ...blob, recipe: bytes.toString('hex', at + 56, at + 88) } });
    }
    const bytesOf = Object.values(segments.at(-1))[0].length;
    if (bytesOf === 0) throw damaged('an empty segment of a recipe');
    total += bytesOf;
    at += segmentBytes;
  }
  if (at !== bytes.length || total !== length) throw damaged('the sizes of a recipe do not agree');
  return { stream, segments };
}

function* recipeBytes(chunks, id, length, nesting = 1) {
  if (nesting > LIMITS.nesting) throw damaged('recipes are nested too deep');
  const recipe = readRecipe(chunks, id, length);
  const { stream, segments, inner, same } = recipe;
  if (inner) yield* gzipBytes(chunks, recipe, nesting);
  else if (same) yield* recipeBytes(chunks, same, length, nesting + 1);
  else if (!segments) yield* streamBytes(chunks, stream);
  else yield* weave(streamBytes(chunks, stream), contentBytes(chunks, segments, nesting));
}

function* contentBytes(chunks, segments, nesting) {
  for (const { stream, blob, opened } of segments) {
    if (stream) yield* streamBytes(chunks, stream);
    else if (opened) yield* openedBytes(chunks, opened);
    else yield* blobBytes(chunks, blob, nesting + 1);
  }
}

// Gzip files and opened segments ---------------------------------------------------------------------------

/** Makes an encoder; set by --encoders. */
let createEncoder = null;
/** Encoders by their specs; those used last are kept. */
const encoders = new Map();
const KEPT_ENCODERS = 4;

const KLAUSPOST_VARIANTS =
  '1.14.0 1.14.2 1.14.3 1.15.0 1.15.10 1.15.11 1.15.15 1.18.0 1.18.1 1.18.2 1.20.3 go1.27'.split(' ');
const CHROMIUM_HASHES = ['crc', 'product', 'crc16'];
/** Bytes that name an encoder, by its family. */
const ENCODER_BYTES = [0, 2, 3, 7, 3, 2, 7, 4, 2];

/** What `createEncoder` takes, of the bytes at the beginning that name an encoder, and how many these are. */
function encoderSpec(bytes) {
  const [family, level] = bytes;
  if (bytes.length === 0) throw damaged('the name of an encoder');
  const count = ENCODER_BYTES[family];
  if (!count) throw new Refusal('unsupported', `the encoder family ${family}`);
  if (bytes.length < count) throw damaged('the name of an encoder');
  return { count, spec: specOf(family, level, bytes.subarray(0, count)) };
}

function specOf(family, level, bytes) {
  const named = (list) => {
    if (list[bytes[2] - 1] !== undefined) return list[bytes[2] - 1];
    throw new Refusal('unsupported', `the encoder variant ${bytes[2]}`);
  };
  const blockBytes = bytes.length === 7 ? bytes.readUInt32LE(3) : undefined;
  if (family === 1) return { family: 'go', level };
  if (family === 2) return { family: 'klauspost', level, variant: named(KLAUSPOST_VARIANTS) };
  if (family === 3) return { family: 'pgzip', level, variant: named(KLAUSPOST_VARIANTS), blockBytes };
  if (family === 4) return { family: 'zlib', level, memLevel: bytes[2] };
  if (family === 5) return { family: 'gnu', level };
  if (family === 6) return { family: 'pigz', level, flags: bytes[2], blockBytes };
  if (family === 7) return { family: 'chromium', level, hash: named(CHROMIUM_HASHES), memLevel: bytes[3] };
  return { family: 'corrected', level };
}

/** Reads numbers of at most 53 bits, which are never longer than they need be. */
function longNumberReader(bytes, start) {
  const reader = {
    at: start,
    next() {
      let value = 0;
      for (let scale = 1, count = 1; ; scale *= 128, count++) {
        const byte = bytes[reader.at++];
        value += (byte & 127) * scale;
        if (byte === undefined || count > 8 || !Number.isSafeInteger(value) || (byte === 0 && scale > 1))
          throw damaged('a number in a recipe or a list of parts');
        if (byte < 128) return value;
      }
    },
    take(count, limit, what) {
      if (count > limit || reader.at + count > bytes.length) throw damaged(what);
      reader.at += count;
      return bytes.subarray(reader.at - count, reader.at);
    },
  };
  return reader;
}

function gzipRecipe(bytes, length) {
  const inner = { length: size(bytes, 16), recipe: bytes.toString('hex', 24, 56) };
  const reader = longNumberReader(bytes, 56);
  const setups = [];
  const setupCount = reader.next();
  if (setupCount < 1 || setupCount > LIMITS.gzipMembers) throw damaged('the setups of a gzip recipe');
  while (setups.length < setupCount) {
    const header = reader.take(reader.next(), LIMITS.gzipHeader, 'the header of a gzip member');
    const { spec, count } = encoderSpec(bytes.subarray(reader.at));
    reader.at += count;
    setups.push({ header, spec });
  }
  const memberCount = reader.next();
  if (memberCount < setupCount || memberCount > LIMITS.gzipMembers)
    throw damaged('the members of a gzip recipe');
  const members = [];
  let total = 0;
  while (members.length < memberCount) {
    const setup = setups[reader.next()];
    if (!setup) throw damaged('a member of a gzip recipe');
    members.push({ ...setup, plain: reader.next() });
    total += members.at(-1).plain;
  }
  const trailing = reader.take(reader.next(), LIMITS.gzipTrailing, 'what follows a gzip file');
  if (reader.at !== bytes.length || total !== inner.length || inner.length > length * MOST_EXPANSION)
    throw damaged('the sizes of a gzip recipe do not agree');
  return { inner, members, trailing };
}

function* gzipBytes(chunks, { inner, members, trailing }, nesting) {
  const isCorrected = members.some(({ spec }) => spec.family === 'corrected');
  if (!isCorrected && !createEncoder)
    throw new Refusal(
      'unsupported',
      'it holds a gzip file open: use --plain, or name encoders with --encoders',
    );
  const streams = isCorrected ? correctedStreams(chunks, inner, members) : null;
  const plain = new Source(recipeBytes(chunks, inner.recipe, inner.length, nesting + 1));
  for (const { header, spec, plain: plainBytes } of members) {
    yield header;
    let crc = 0;
    const counted = function* () {
      for (const bytes of taken(plain, plainBytes)) {
        crc = crc32(bytes, crc);
        yield bytes;
      }
    };
    if (streams) yield corrected(streams, Buffer.concat([...counted()]));
    else yield* deflated(spec, counted());
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(crc, 0);
    trailer.writeUInt32LE(plainBytes % 2 ** 32, 4);
    yield trailer;
  }
  if (plain.take(1) !== null) throw damaged('a gzip file with plain bytes left over');
  yield trailing;
}

/** Of a file whose members all have the same model. */
function correctedStreams(chunks, inner, members) {
  const model = members[0].spec.level;
  const { corrections } = readRecipe(chunks, inner.recipe, inner.length);
  if (!corrections || members.some(({ spec }) => spec.family !== 'corrected' || spec.level !== model))
    throw damaged('a gzip file with models and no corrections, or with several');
  try {
    return new CorrectedStreams(model, Buffer.concat([...streamBytes(chunks, corrections)]));
  } catch (error) {
    throw error instanceof RangeError ? damaged(error.message) : error;
  }
}

/** A member, which is held whole. */
function corrected(streams, plain) {
  try {
    return streams.member(plain);
  } catch (error) {
    throw error instanceof RangeError ? damaged(error.message) : error;
  }
}

const CRC_TABLE = Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** That of gzip (RFC 1952), of bytes that follow those with the checksum `before`. */
function crc32(bytes, before) {
  let crc = ~before;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

function* openedBytes(chunks, { length, contents, frames, parts }) {
  const list = Buffer.concat([...streamBytes(chunks, parts)]);
  const sources = [contents, frames].map((stream) => new Source(streamBytes(chunks, stream)));
  const reader = longNumberReader(list, 0);
  let encoder = null;
  let total = 0;
  while (reader.at < list.length) {
    const value = reader.next();
    const count = Math.floor(value / 4);
    const tag = value % 4;
    if (count === 0) throw damaged('an empty part');
    if (tag === 3) {
      const { spec, count: used } = encoderSpec(reader.take(count, list.length, 'a list of parts'));
      if (used !== count) throw damaged('the name of an encoder');
      encoder = spec;
      continue;
    }
    if (tag === 2 && !encoder) throw damaged('a part without an encoder');
    const made = tag === 2 ? reader.next() : count;
    total += made;
    if (total > length) break;
    if (tag < 2) yield* taken(sources[tag], count);
    else yield* deflated(encoder, taken(sources[0], count));
  }
  if (total !== length) throw damaged('parts of another length than their segment');
  if (sources.some((source) => source.take(1) !== null)) throw damaged('a segment with bytes left over');
}

function* taken(source, count) {
  for (let left = count; left > 0; ) {
    const bytes = source.take(left);
    if (bytes === null) throw damaged('a segment with too few bytes');
    left -= bytes.length;
    yield bytes;
  }
}

function* deflated(spec, pieces) {
  if (!createEncoder)
    throw new Refusal('unsupported', 'it holds compressed files open: name encoders with --encoders');
  if (spec.family === 'corrected') throw damaged('a stream with a model and no corrections');
  const encoder = encoderOf(spec);
  let made = [];
  const keep = (bytes) => made.push(Buffer.from(bytes));
  for (const bytes of pieces) {
    encoder.write(bytes, keep);
    yield* made;
    made = [];
  }
  encoder.finish(keep);
  yield* made;
}

function encoderOf(spec) {
  const key = JSON.stringify(spec);
  try {
    const encoder = encoders.get(key) ?? createEncoder(spec);
    encoders.delete(key);
    encoders.set(key, encoder);
    if (encoders.size > KEPT_ENCODERS) encoders.delete(encoders.keys().next().value);
    encoder.reset();
    return encoder;
  } catch (error) {
    throw error instanceof RangeError ? damaged(`an encoder: ${error.message}`) : error;
  }
}

/** A blob's bytes; throws at their end when they are not what its digest says. */
function* blobBytes(chunks, { digest, length, recipe }, nesting = 1) {
  const hash = createHash('sha256');
  let total = 0;
  for (const bytes of recipeBytes(chunks, recipe, length, nesting)) {
    hash.update(bytes);
    total += bytes.length;
    yield bytes;
  }
  if (total !== length || hash.digest('hex') !== digest) throw damaged(`blob ${digest} was rebuilt wrong`);
}

// The tar walk -------------------------------------------------------------------------------------------

/** Takes up to `count` bytes at a time from a source of pieces. */
class Source {
  #pieces;
  #piece = Buffer.alloc(0);

  constructor(pieces) {
    this.#pieces = pieces;
  }

  take(count) {
    while (this.#piece.length === 0) {
      const next = this.#pieces.next();
      if (next.done) return null;
      this.#piece = next.value;
    }
    const taken = this.#piece.subarray(0, count);
    this.#piece = this.#piece.subarray(taken.length);
    return taken;
  }
}

const WANT_ALL = 512;

/**
 * The walk as a dialogue: it yields what it wants next (`skeleton` or `content`, and how many bytes) and is
 * given the skeleton bytes of each want, complete.
 */
function* walk() {
  let paxSize = null;
  for (;;) {
    const block = yield { kind: 'skeleton', count: WANT_ALL, keep: true };
    const headerSize = isHeader(block) ? sizeOf(block) : null;
    if (headerSize === null) {
      paxSize = null;
      continue;
    }
    const type = String.fromCharCode(block[156]);
    let length = headerSize;
    if (type === 'x' || type === 'X') {
      const isRead = length >= 1 && length <= LIMITS.tarExtension;
      const body = yield { kind: 'skeleton', count: length, keep: isRead };
      paxSize = isRead ? sizeRecord(body) : null;
    } else if (type === 'L' || type === 'K' || type === 'g') {
      yield { kind: 'skeleton', count: length, keep: false };
    } else {
      if (type >= '1' && type <= '6') length = 0;
      else if (paxSize !== null) length = paxSize;
      paxSize = null;
      if (type === 'S' && block[482] !== 0) {
        while ((yield { kind: 'skeleton', count: 512, keep: true })[504] !== 0);
      }
      yield { kind: 'content', count: length };
    }
    yield { kind: 'skeleton', count: (512 - (length % 512)) % 512, keep: false };
  }
}

/** Puts content where the walk over the skeleton asks for it. */
function* weave(skeletonPieces, contentPieces) {
  const sources = { skeleton: new Source(skeletonPieces), content: new Source(contentPieces) };
  const steps = walk();
  let want = steps.next().value;
  for (;;) {
    const kept = [];
    for (let left = want.count; left > 0; ) {
      const bytes = sources[want.kind].take(left);
      if (bytes === null) {
        const other = want.kind === 'skeleton' ? 'content' : 'skeleton';
        if (sources[other].take(1) !== null) throw damaged(`a tar recipe has ${other} left over`);
        return;
      }
      left -= bytes.length;
      if (want.keep) kept.push(bytes);
      yield bytes;
    }
    want = steps.next(Buffer.concat(kept)).value;
  }
}

/** `undefined`: blank; `null`: not understood. */
function octal(bytes, start, end) {
  let at = start;
  while (at < end && (bytes[at] === 0x20 || bytes[at] === 0)) at++;
  if (at === end) return undefined;
  let value = 0;
  for (; at < end && bytes[at] !== 0x20 && bytes[at] !== 0; at++) {
    if (bytes[at] < 0x30 || bytes[at] > 0x37) return null;
    value = value * 8 + (bytes[at] - 0x30);
  }
  return value;
}

function isHeader(block) {
  const expected = octal(block, 148, 156);
  if (expected === undefined || expected === null) return false;
  let unsigned = 8 * 32;
  let signed = 8 * 32;
  for (let at = 0; at < 512; at++) {
    if (at >= 148 && at < 156) continue;
    unsigned += block[at];
    signed += block[at] < 128 ? block[at] : block[at] - 256;
  }
  return expected === unsigned || expected === signed;
}

/** null when it is not understood. */
function sizeOf(block) {
  const first = block[124];
  if (first < 0x80) {
    const value = octal(block, 124, 136);
    return value === undefined ? 0 : value;
  }
  if (first >= 0xc0) return null;
  let value = BigInt(first & 0x3f);
  for (let at = 125; at < 136; at++) value = value * 256n + BigInt(block[at]);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(value);
}

/** What the records of an `x` or `X` body say of the size; null: nothing. */
function sizeRecord(body) {
  let result = null;
  for (let at = 0; at < body.length; ) {
    const digits = /^[0-9]+(?= )/.exec(body.toString('latin1', at, at + 4096))?.[0] ?? longDigits(body, at);
    if (digits === null) return result;
    const end = at + Number(digits);
    const keyStart = at + digits.length + 1;
    if (end > body.length || end <= keyStart || body[end - 1] !== 0x0a) return result;
    const equals = body.subarray(keyStart, end - 1).indexOf(0x3d);
    if (equals < 0) return result;
    if (body.toString('latin1', keyStart, keyStart + equals) === 'size') {
      const value = body.toString('latin1', keyStart + equals + 1, end - 1);
      if (value === '') result = null;
      else if (/^[0-9]+$/.test(value) && BigInt(value) <= BigInt(Number.MAX_SAFE_INTEGER))
        result = Number(value);
    }
    at = end;
  }
  return result;
}

/** Leading zeros may make a length longer than any window. */
function longDigits(body, at) {
  let end = at;
  while (end < body.length && body[end] >= 0x30 && body[end] <= 0x39) end++;
  return end > at && body[end] === 0x20 ? body.toString('latin1', at, end) : null;
}

// The program --------------------------------------------------------------------------------------------

/** Snapshots by reference, the newest first, and what is wrong with the others. */
function readSnapshots(directory) {
  const versions = new Map();
  const problems = [];
  for (const id of poolNames(directory)) {
    try {
      const bytes = readWhole(join(directory, id), LIMITS.snapshot);
      if (sha256(bytes) !== id) throw damaged(`snapshot ${id.slice(0, 12)} is not what its name says`);
      const snapshot = parseDocument(bytes, 'dbup-snapshot', `snapshot ${id.slice(0, 12)}`);
      const list = versions.get(snapshot.reference) ?? [];
      versions.set(snapshot.reference, [...list, { id, ...snapshot }]);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      problems.push(error);
    }
  }
  const beyondMs = Date.now() + 3_162_240_000_000;
  const key = ({ createdAt, id }) => `${Date.parse(createdAt) > beyondMs ? 0 : 1} ${createdAt} ${id}`;
  for (const list of versions.values()) list.sort((a, b) => (key(a) < key(b) ? 1 : -1));
  return { versions, problems };
}

function choose({ versions, problems }, address) {
  const [, reference, back, prefix] = /^(.*?)(?:~([0-9]+)|@([0-9a-f]+))?$/.exec(address);
  const list = versions.get(reference.includes(':') ? reference : `${reference}:latest`) ?? [];
  const found = prefix ? list.filter(({ id }) => id.startsWith(prefix)) : list.slice(Number(back ?? 0));
  if (found.length === 0 || (prefix && found.length > 1)) {
    const note = problems.length > 0 ? `; ${problems.map(({ message }) => message).join('; ')}` : '';
    throw new Refusal(problems[0]?.kind ?? 'notFound', `the pool has no version ${address}${note}`);
  }
  return found[0];
}

/** The file appears complete or not at all. */
function writeFileOf(path, pieces) {
  const partial = `${path}.${process.pid}.partial`;
  const fd = openSync(partial, 'wx');
  try {
    for (const bytes of pieces) {
      for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
    }
    closeSync(fd);
    renameSync(partial, path);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
}

function writeLayout(chunks, snapshot, directory) {
  const { digest, mediaType, sizeBytes } = snapshot.root;
  mkdirSync(join(directory, 'blobs', 'sha256'), { recursive: true });
  for (const blob of snapshot.blobs) {
    const hex = blob.digest.slice('sha256:'.length);
    if (!/^[0-9a-f]{64}$/.test(hex)) throw damaged(`the digest ${blob.digest}`);
    const source = { digest: hex, length: blob.sizeBytes, recipe: blob.recipeId };
    writeFileOf(join(directory, 'blobs', 'sha256', hex), blobBytes(chunks, source));
  }
  const annotations = { 'org.opencontainers.image.ref.name': snapshot.reference };
  const companions = (snapshot.companions ?? []).map(({ entryJson }) => JSON.parse(entryJson));
  const manifests = [{ mediaType, digest, size: sizeBytes, annotations }, ...companions];
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

/** Every blob of the image, and of a gzip layer that is held open its plain tar. */
function writePlain(chunks, snapshot, directory) {
  mkdirSync(directory, { recursive: true });
  const layers = new Map(
    snapshot.images.flatMap((image) => image.layers).map((layer) => [layer.digest, layer]),
  );
  for (const { digest, sizeBytes, recipeId } of snapshot.blobs) {
    const { inner } = readRecipe(chunks, recipeId, sizeBytes);
    const layer = layers.get(digest);
    if (inner && !layer) continue;
    const hex = (inner ? layer.diffId : digest).slice('sha256:'.length);
    if (!/^[0-9a-f]{64}$/.test(hex)) throw damaged(`the digest ${hex}`);
    const source = { digest: hex, ...(inner ?? { length: sizeBytes, recipe: recipeId }) };
    writeFileOf(join(directory, inner ? `${hex}.tar` : hex), blobBytes(chunks, source, inner ? 2 : 1));
  }
}

/** Its checksum is over its own bytes with 64 zeros in place of the digits. Pools made before there was one have none. */
function checkDescriptor(bytes) {
  const text = Buffer.from(bytes).toString('latin1');
  const [digits] = /[0-9a-fA-F]{64}/.exec(text) ?? [];
  if (digits === undefined) return;
  const unsigned = Buffer.from(text.replace(digits, '0'.repeat(64)), 'latin1');
  if (!text.includes(`"checksum": "sha256:${digits}"`) || sha256(unsigned) !== digits)
    throw damaged('dbup-pool.json: its checksum is wrong');
}

async function main(all) {
  const words = [...all];
  const named = words.indexOf('--encoders');
  if (named >= 0) {
    const [, path = ''] = words.splice(named, 2);
    ({ createEncoder } = await import(pathToFileURL(resolve(path))));
  }
  const whole = words.includes('--archive');
  const plain = words.includes('--plain');
  const [pool, address, out, ...more] = words.filter((word) => word !== '--archive' && word !== '--plain');
  if (!pool || (address && !out) || more.length > 0) {
    throw new Refusal(
      'usage',
      'usage: dbup-extract.mjs POOL [REFERENCE [--archive | --plain] [--encoders FILE] OUT]',
    );
  }
  const descriptor = readWhole(join(pool, 'dbup-pool.json'), LIMITS.descriptor);
  checkDescriptor(descriptor);
  parseDocument(descriptor, 'dbup-pool', 'dbup-pool.json');
  const snapshots = readSnapshots(join(pool, 'snapshots'));
  if (!address) {
    for (const list of snapshots.versions.values()) {
      for (const { id, reference, createdAt, imageId } of list)
        console.log(`${id.slice(0, 12)}  ${createdAt}  ${imageId}  ${reference}`);
    }
    for (const { message } of snapshots.problems) console.error(message);
    return;
  }
  const snapshot = choose(snapshots, address);
  const chunks = new Chunks(join(pool, 'packs'));
  const { archive, root } = snapshot;
  if (plain) writePlain(chunks, snapshot, out);
  else if (archive && (whole || archive.imageCount === 1)) {
    writeFileOf(out, recipeBytes(chunks, archive.recipeId, archive.sizeBytes));
  } else if (archive) {
    throw new Refusal('usage', `its archive holds ${archive.imageCount} images: add --archive to get it`);
  } else if (root) writeLayout(chunks, snapshot, out);
  else throw damaged('the snapshot names neither an archive nor a root');
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Refusal) && !error.code) throw error;
  console.error(error.message);
  process.exitCode = EXIT[error.kind] ?? EXIT.failure;
}
