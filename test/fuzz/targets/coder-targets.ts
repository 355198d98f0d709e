import { gzipSync } from 'node:zlib';
import { createChunkMemory } from '../../../src/chunk/chunker.js';
import { createSketcher, SKETCH_FEATURES } from '../../../src/chunk/sketch/sketcher.js';
import { DeltaDecoder } from '../../../src/compress/delta/delta-decoder.js';
import { inflate } from '../../../src/compress/inflate.js';
import { PlainDigester } from '../../../src/compress/plain-digest.js';
import { X86Filter } from '../../../src/compress/x86/x86-filter.js';
import { ZstdCompressor, ZstdDecompressor } from '../../../src/compress/zstd.js';
import { encodeDelta } from '../../pool/delta-payload.js';
import { noise } from '../../support/tar-builder.js';
import { acceptsOr, type FuzzTarget } from '../fuzz-target.js';
import { edge, maybeMutated } from '../mutate.js';
import type { Random } from '../random.js';

const TEXT = new Uint8Array(
  Buffer.from('a line that comes again and again, with a number in it: 1234\n'.repeat(60)),
);
const BASE = noise(61, 5000);
const CHANGED = Uint8Array.from([...BASE.subarray(100, 3000), ...TEXT, ...BASE.subarray(2000)], (byte, at) =>
  at % 701 === 9 ? byte ^ 7 : byte,
);
const GUARD = 0x5a;
const GUARD_BYTES = 32;

/** What lies beside the memory a decoder is to fill. */
class Guarded {
  readonly #all: Uint8Array;
  readonly inside: Uint8Array;

  constructor(sizeBytes: number) {
    this.#all = new Uint8Array(sizeBytes + 2 * GUARD_BYTES).fill(GUARD);
    this.inside = this.#all.subarray(GUARD_BYTES, GUARD_BYTES + sizeBytes);
  }

  check(): void {
    const beside = [this.#all.subarray(0, GUARD_BYTES), this.#all.subarray(this.#all.length - GUARD_BYTES)];
    if (beside.some((bytes) => bytes.some((byte) => byte !== GUARD)))
      throw new TypeError('written out of bounds');
  }
}

const frames = [3, 19].map((level) => new Uint8Array(new ZstdCompressor(level).compress(TEXT)));
frames.push(new Uint8Array(new ZstdCompressor(3).compress(noise(4, 900))));
frames.push(new Uint8Array(new ZstdCompressor(1).compress(new Uint8Array(200_000))));
const zstd = new ZstdDecompressor();

/** The first two bytes say how many plain bytes are expected, in steps of 8. */
export const zstdBlockTarget: FuzzTarget = {
  name: 'zstd-frame',
  runs: 'one zstd frame into memory of a fixed length, with guards around it, without and with a dictionary',
  inputs: 100_000,
  shortInputs: 1500,
  make(random) {
    const head = Buffer.alloc(2);
    head.writeUInt16LE(random.pick([TEXT.length >> 3, 0, 1, 900 >> 3, 25_000, random.below(65_536)]));
    return new Uint8Array(Buffer.concat([head, maybeMutated(random, random.pick(frames))]));
  },
  run(bytes) {
    const plainBytes = 8 * ((bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8));
    const guarded = new Guarded(plainBytes);
    const frame = bytes.subarray(2);
    const accepted = acceptsOr([Error], () => zstd.decompressInto(guarded.inside, frame));
    acceptsOr([Error], () => zstd.decompressIntoUsing(BASE, guarded.inside, frame));
    guarded.check();
    return accepted;
  },
};

const delta = encodeDelta(CHANGED, [BASE]);
const dictionary = encodeDelta(TEXT, [TEXT.slice(7, 2000)]);
const deltaDecoder = new DeltaDecoder();

function leb128(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb128(value >>> 7)];
}

/** Streams of numbers that nearly make sense, stored as they are. */
function grammarDelta(random: Random): Uint8Array {
  const number = (): number[] =>
    leb128(random.percent(85) ? random.below(300) : Number(edge(random) & 0xffffffffn));
  const copies = random.size(12);
  const numbers = (): number[] => Array.from({ length: copies + random.between(-1, 1) }, number).flat();
  const bytes = (): number[] => [...random.bytes(random.size(200))];
  const streams = [numbers(), numbers(), numbers(), numbers(), bytes(), bytes()];
  const lengths = streams.flatMap(({ length }) => {
    const claimed = random.percent(95) ? length : Number(edge(random) & 0xffffffffn);
    return [...leb128(claimed), ...leb128(random.percent(97) ? length : random.below(500))];
  });
  return Uint8Array.from([1, ...lengths, ...streams.flat()]);
}

/** The first two bytes are the block's length, in steps of 4. */
export const deltaTarget: FuzzTarget = {
  name: 'delta-block',
  runs: 'the payload of a delta block, with guards around the block',
  inputs: 100_000,
  shortInputs: 1500,
  make(random) {
    const head = Buffer.alloc(2);
    const isGrammar = random.percent(40);
    head.writeUInt16LE(random.percent(80) && !isGrammar ? CHANGED.length >> 2 : random.below(3000));
    const payload = isGrammar
      ? grammarDelta(random)
      : maybeMutated(random, random.pick([delta.stored, dictionary.stored]));
    return new Uint8Array(Buffer.concat([head, payload]));
  },
  run(bytes) {
    const guarded = new Guarded(4 * ((bytes[0] ?? 0) | ((bytes[1] ?? 0) << 8)));
    const accepted = acceptsOr([Error], () =>
      deltaDecoder.decodeInto(guarded.inside, bytes.subarray(2), [BASE]),
    );
    guarded.check();
    return accepted;
  },
};

const filter = new X86Filter();

export const x86Target: FuzzTarget = {
  name: 'x86-filter',
  runs: 'the x86 filter, back and forth',
  inputs: 30_000,
  shortInputs: 500,
  make(random) {
    const bytes = random.bytes(random.size(4000));
    for (let at = random.below(9); at < bytes.length; at += 5 + random.below(9))
      bytes[at] = random.pick([0xe8, 0xe9, 0x0f, 0x80, 0, 0xff]);
    return bytes;
  },
  run(bytes) {
    const filtered = filter.apply(bytes);
    if (filtered) {
      const copy = new Uint8Array(filtered);
      filter.buffer(copy.length).set(copy);
      const guarded = new Guarded(copy.length);
      filter.undoInto(guarded.inside);
      guarded.check();
      if (Buffer.compare(guarded.inside, bytes) !== 0)
        throw new TypeError('the filter does not give the bytes back');
    }
    filter.buffer(bytes.length).set(bytes);
    filter.undoInto(new Uint8Array(bytes.length));
    return true;
  },
};

const memory = createChunkMemory(256 * 1024);
const sketcher = createSketcher(memory);

export const sketchTarget: FuzzTarget = {
  name: 'sketch',
  runs: 'the sketch of a chunk',
  inputs: 20_000,
  shortInputs: 300,
  make: (random) =>
    maybeMutated(
      random,
      random.pick([TEXT, BASE, new Uint8Array(random.size(9000)).fill(random.below(256))]),
    ),
  run(bytes) {
    const at = 64 * 1024 + (bytes.length % 7);
    new Uint8Array(memory.buffer).set(bytes, at);
    const [once, again] = [new Uint32Array(SKETCH_FEATURES), new Uint32Array(SKETCH_FEATURES)];
    sketcher.sketch(at, bytes.length, once);
    sketcher.sketch(at, bytes.length, again);
    if (once.join() !== again.join()) throw new TypeError('a chunk has two sketches');
    return true;
  },
};

const compressed = [
  new Uint8Array(gzipSync(TEXT)),
  new Uint8Array(Buffer.concat([gzipSync(TEXT), gzipSync(noise(5, 300)), Buffer.alloc(20)])),
  ...frames,
];
/** A stream that inflates to more is as good as one that does not end: its reader stops there. */
const MOST_INFLATED_BYTES = 4 * 1024 * 1024;

export const inflateTarget: FuzzTarget = {
  name: 'inflate',
  runs: 'streams of gzip members and zstd frames, inflated in pieces, and the digest of what comes out',
  inputs: 30_000,
  shortInputs: 300,
  make: (random) => maybeMutated(random, random.pick(compressed)),
  async run(bytes) {
    const digester = new PlainDigester();
    await digester.write(bytes);
    const plain = await digester.finish();
    const kind = bytes[0] === 0x28 ? 'zstd' : 'gzip';
    let sizeBytes = 0;
    try {
      for await (const piece of inflate(inThree(bytes), kind)) {
        sizeBytes += piece.length;
        if (sizeBytes > MOST_INFLATED_BYTES) break;
      }
    } catch (error) {
      // Errors of zlib have a code, those of zstd are plain.
      const isTheirs =
        /^Z_/.test((error as NodeJS.ErrnoException).code ?? '') || (error as Error).constructor === Error;
      if (!isTheirs) throw error;
      if (plain) throw new TypeError('two ways to inflate a stream do not agree');
      return false;
    }
    return plain !== null;
  },
};

async function* inThree(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const third = Math.ceil(bytes.length / 3);
  for (let at = 0; at < bytes.length; at += third) yield bytes.subarray(at, at + third);
}
