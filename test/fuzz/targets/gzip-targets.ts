import { deflateRawSync, gzipSync } from 'node:zlib';
import { findGzipHeader } from '../../../src/compress/exact/gzip-header.js';
import { GzipRebuilder } from '../../../src/compress/exact/gzip-rebuilder.js';
import { inflateGzip } from '../../../src/compress/exact/inflate-gzip.js';
import { proveGzip } from '../../../src/compress/exact/prove-gzip.js';
import { LIMITS } from '../../../src/core/limits.js';
import type { EncoderSpec } from '../../../src/format/encoder-spec.js';
import { compressedFile } from '../../support/compressed-file.js';
import { noise } from '../../support/tar-builder.js';
import type { FuzzTarget } from '../fuzz-target.js';
import { maybeMutated } from '../mutate.js';
import type { Random } from '../random.js';

const TEXT = new Uint8Array(Buffer.from('words of a layer, compressed by one or the other. '.repeat(50)));
const HEADER = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);

function gzipBy(encoder: EncoderSpec, plain: Uint8Array): Uint8Array {
  const pieces: Uint8Array[] = [];
  const rebuilder = new GzipRebuilder(
    [{ header: HEADER, encoder, plainBytes: plain.length }],
    new Uint8Array(0),
  );
  const take = (piece: Uint8Array): void => void pieces.push(new Uint8Array(piece));
  rebuilder.write(plain, take);
  rebuilder.finish(take);
  return new Uint8Array(Buffer.concat(pieces));
}

const FILES = [
  gzipBy({ family: 'go', level: 6 }, TEXT),
  gzipBy({ family: 'gnu', level: 6 }, noise(3, 500)),
  new Uint8Array(gzipSync(TEXT)),
  new Uint8Array(Buffer.concat([gzipBy({ family: 'go', level: 6 }, TEXT), gzipSync(''), noise(4, 30)])),
];

/** A header with any flags, and what they ask for, more or less. */
function grammarGzip(random: Random): Uint8Array {
  const flags = random.percent(80) ? random.below(32) : random.below(256);
  const head = Buffer.from([
    0x1f,
    0x8b,
    random.percent(95) ? 8 : random.below(256),
    flags,
    ...random.bytes(6),
  ]);
  const extra = random.bytes(random.size(300));
  const length = Buffer.alloc(2);
  length.writeUInt16LE(random.percent(90) ? extra.length : random.below(65_536));
  const text = (): Uint8Array =>
    Buffer.concat([
      random.bytes(random.size(40)).map((byte) => byte | 1),
      Buffer.alloc(random.percent(95) ? 1 : 0),
    ]);
  const parts = [head];
  if (flags & 4) parts.push(Buffer.concat([length, extra]));
  if (flags & 8) parts.push(Buffer.from(text()));
  if (flags & 16) parts.push(Buffer.from(text()));
  if (flags & 2) parts.push(Buffer.from(random.bytes(2)));
  return new Uint8Array(
    Buffer.concat([...parts, deflateRawSync(TEXT.subarray(0, random.size(900))), random.bytes(8)]),
  );
}

export const gzipHeaderTarget: FuzzTarget = {
  name: 'gzip-header',
  runs: 'the header of a gzip member',
  inputs: 60_000,
  shortInputs: 500,
  make: (random) =>
    random.percent(60) ? maybeMutated(random, grammarGzip(random)) : maybeMutated(random, random.pick(FILES)),
  run(bytes) {
    const header = findGzipHeader(bytes);
    if (!header) return false;
    if (header.length < 10 || header.length > LIMITS.gzipHeaderBytes)
      throw new TypeError('a header has an odd length');
    return true;
  },
};

/** What inflates to more is stopped by its reader, as a pool's writer is by its disk. */
const MOST_INFLATED_BYTES = 4 * 1024 * 1024;

export const gzipFileTarget: FuzzTarget = {
  name: 'gzip-file',
  runs: 'the plain bytes of a gzip file, member by member',
  inputs: 15_000,
  shortInputs: 150,
  make: gzipHeaderTarget.make,
  async run(bytes) {
    const { read } = compressedFile(bytes);
    let sizeBytes = 0;
    try {
      for await (const piece of inflateGzip(read)) {
        sizeBytes += piece.length;
        if (sizeBytes > MOST_INFLATED_BYTES) return true;
      }
      return true;
    } catch (error) {
      if (/^Z_/.test((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  },
};

export const gzipProofTarget: FuzzTarget = {
  name: 'gzip-proof',
  runs: 'the search for the encoder that made a gzip file',
  inputs: 300,
  shortInputs: 4,
  make: gzipHeaderTarget.make,
  async run(bytes) {
    const proof = await proveGzip(compressedFile(bytes), { last: null });
    if (!proof.exact) return false;
    if (proof.members.length === 0) throw new TypeError('a gzip file without members was proven');
    return true;
  },
};
