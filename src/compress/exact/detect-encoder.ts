import { constants, inflateRawSync } from 'node:zlib';
import { type EncoderSpec, encoderName, PIGZ_FLAGS } from '../../format/encoder-spec.js';
import { type KlauspostLevel, klauspostVariants } from './klauspost/klauspost-encoder.js';
import { PGZIP_DEFAULT_BLOCK_BYTES, PGZIP_DICTIONARY_BYTES } from './pgzip/pgzip-encoder.js';
import { PIGZ_DEFAULT_BLOCK_BYTES } from './pigz/pigz-encoder.js';

type Family = EncoderSpec['family'];

const KiB = 1024;
/** umoci's, and what else was seen; others show by their sync markers. */
const PGZIP_BLOCK_BYTES = [PGZIP_DEFAULT_BLOCK_BYTES, 256 * KiB];
const PIGZ_BLOCK_BYTES = [PIGZ_DEFAULT_BLOCK_BYTES, 256 * KiB, 512 * KiB, 1024 * KiB];
const PIGZ_VARIANTS = [0, PIGZ_FLAGS.syncMarkers, PIGZ_FLAGS.single, PIGZ_FLAGS.independent];
const SYNC_MARKER = Uint8Array.of(0, 0, 0xff, 0xff);
/** Markers looked at: four zero and one bytes may also stand inside a block. */
const MARKERS = 3;
/** What Go's zero time is in a header, and so the mark of klauspost's gzip and pgzip. */
const ZERO_TIME = 0x886e0900;
const OS = { fat: 0, unix: 3, chromium: 19, unknown: 255 } as const;
const LEVELS = [6, 5, 4, 3, 7, 8, 2, 1, 9];
const GO_STORED_AND_HUFFMAN = [0, 10];

/**
 * The encoders that may have made a gzip member, the likeliest first: what the header says orders them and leaves
 * none out.
 * @param readHead the beginning of the deflate stream, for block sizes; asked for at most once
 */
export function* encoderCandidates(header: Uint8Array, readHead: () => Uint8Array): Generator<EncoderSpec> {
  const xfl = header[8]!;
  const fitting = LEVELS.filter((level) => xflOf(level) === xfl);
  const others = LEVELS.filter((level) => !fitting.includes(level));
  const families = familyOrder(header);
  let blockBytes: number[] | undefined;
  for (const levels of [fitting, [...others, ...GO_STORED_AND_HUFFMAN]]) {
    for (const family of families) {
      if (family === 'pgzip') blockBytes ??= pgzipBlockBytes(readHead());
      yield* specsOf(family, levels, blockBytes ?? []);
    }
  }
}

/**
 * The stream that an encoder makes up to where its first block ends, by a name that all have that make the same: framings of one
 * encoder differ only after that.
 */
export function firstBlockOf(spec: EncoderSpec): { stream: string; firstBlockBytes: number } {
  const { family, level } = spec;
  const firstBlockBytes = 'blockBytes' in spec ? spec.blockBytes : Number.POSITIVE_INFINITY;
  if (family === 'pgzip') {
    return { stream: encoderName({ family: 'klauspost', level, variant: spec.variant }), firstBlockBytes };
  }
  if (family === 'pigz')
    return { stream: encoderName({ family: 'zlib', level, memLevel: 8 }), firstBlockBytes };
  return { stream: encoderName(spec), firstBlockBytes };
}

/** What all of them write there: 2 says slowest, 4 says fastest. */
function xflOf(level: number): number {
  return level === 9 ? 2 : level === 1 ? 4 : 0;
}

function familyOrder(header: Uint8Array): readonly Family[] {
  const mtime = Buffer.from(header).readUInt32LE(4);
  const os = header[9]!;
  if (mtime === ZERO_TIME) return ['pgzip', 'klauspost', 'go', 'zlib', 'chromium', 'gnu', 'pigz'];
  if (os === OS.chromium) return ['chromium', 'zlib', 'go', 'gnu', 'pigz', 'klauspost', 'pgzip'];
  if (os === OS.unix) return ['gnu', 'pigz', 'zlib', 'chromium', 'go', 'klauspost', 'pgzip'];
  if (os === OS.unknown && mtime === 0) {
    // npm packs with Node's zlib and level 9.
    return ['go', 'chromium', 'klauspost', 'pgzip', 'zlib', 'gnu', 'pigz'];
  }
  return ['zlib', 'chromium', 'go', 'gnu', 'pigz', 'klauspost', 'pgzip'];
}

function* specsOf(
  family: Family,
  levels: readonly number[],
  pgzipBytes: readonly number[],
): Generator<EncoderSpec> {
  if (family === 'klauspost' || family === 'pgzip') {
    for (const level of klauspostLevels(levels)) {
      for (const variant of klauspostVariants(level)) {
        if (family === 'klauspost') yield { family, level, variant };
        else for (const blockBytes of pgzipBytes) yield { family, level, variant, blockBytes };
      }
    }
    return;
  }
  for (const level of levels) {
    if (family === 'go') yield { family, level };
    if (level === 0 || level === 10) continue;
    if (family === 'zlib') for (const memLevel of [8, 9]) yield { family, level, memLevel };
    if (family === 'gnu') yield { family, level };
    if (family === 'chromium') yield* chromiumSpecs(level);
    if (family !== 'pigz') continue;
    for (const blockBytes of PIGZ_BLOCK_BYTES) {
      for (const flags of PIGZ_VARIANTS) yield { family, level, flags, blockBytes };
    }
  }
}

/** The latest hash first. With memLevel 8, crc16 makes what crc does, but for the end of some files. */
function* chromiumSpecs(level: number): Generator<EncoderSpec> {
  const family = 'chromium';
  for (const hash of ['product', 'crc'] as const) yield { family, level, hash, memLevel: 8 };
  for (const hash of ['product', 'crc16', 'crc'] as const) yield { family, level, hash, memLevel: 9 };
  yield { family, level, hash: 'crc16', memLevel: 8 };
}

/** The default level is 5, or 6 in Go. */
function klauspostLevels(levels: readonly number[]): KlauspostLevel[] {
  const real = levels.filter((level) => level >= 1 && level <= 9) as KlauspostLevel[];
  return real.includes(5) ? [5, ...real.filter((level) => level !== 5)] : real;
}

/** The usual block sizes, after those that the first sync markers in the stream would mean. */
function pgzipBlockBytes(deflateHead: Uint8Array): number[] {
  const head = Buffer.from(deflateHead.buffer, deflateHead.byteOffset, deflateHead.byteLength);
  const found: number[] = [];
  for (let at = 0; found.length < MARKERS; ) {
    const marker = head.indexOf(SYNC_MARKER, at);
    if (marker < 0) break;
    at = marker + SYNC_MARKER.length;
    const sizeBytes = plainBytesOf(head.subarray(0, at));
    if (sizeBytes > PGZIP_DICTIONARY_BYTES) found.push(sizeBytes);
  }
  return [...new Set([...found, ...PGZIP_BLOCK_BYTES])];
}

/** How much a deflate stream makes that was cut off; 0 where it is none. */
function plainBytesOf(deflate: Uint8Array): number {
  try {
    const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: 64 * KiB * KiB };
    return inflateRawSync(deflate, options).length;
  } catch {
    return 0;
  }
}
