import { expect, it } from 'vitest';
import type { DeflateEncoder } from '../../../src/compress/exact/deflate-encoder.js';
import { createEncoder } from '../../../src/compress/exact/encoder-registry.js';
import { KernelSet } from '../../../src/compress/exact/kernel-set.js';
import type { EncoderSpec } from '../../../src/format/encoder-spec.js';
import { createRandom, INPUT_KINDS, makeInput } from '../../support/deflate-inputs.mjs';

const SEED = 20261122;
const SPECS: EncoderSpec[] = [
  ...[1, 2, 6, 9, 0, 10].map((level): EncoderSpec => ({ family: 'go', level })),
  ...[1, 3, 4, 5, 7, 9].map((level): EncoderSpec => ({ family: 'klauspost', level, variant: '1.18.1' })),
  { family: 'klauspost', level: 5, variant: '1.15.10' },
  { family: 'pgzip', level: 5, variant: '1.18.1', blockBytes: 20_000 },
  ...[1, 4, 6, 9].map((level): EncoderSpec => ({ family: 'zlib', level, memLevel: 8 })),
  { family: 'zlib', level: 6, memLevel: 9 },
  { family: 'gnu', level: 6 },
  { family: 'pigz', level: 6, flags: 0, blockBytes: 32 * 1024 },
  { family: 'chromium', level: 6, hash: 'crc16', memLevel: 9 },
  { family: 'chromium', level: 6, hash: 'product', memLevel: 8 },
];

function encode(encoder: DeflateEncoder, plain: Uint8Array): Buffer {
  const pieces: Uint8Array[] = [];
  const emit = (bytes: Uint8Array) => pieces.push(bytes.slice());
  encoder.write(plain, emit);
  encoder.finish(emit);
  return Buffer.concat(pieces);
}

it('encoders that take turns in one set of kernels make what each makes in memory of its own', () => {
  const random = createRandom(SEED);
  const kernels = new KernelSet();
  const own = new Map(SPECS.map((spec) => [spec, createEncoder(spec)]));
  for (let round = 0; round < 150; round++) {
    const spec = random.pick(SPECS);
    const kind = random.pick(INPUT_KINDS);
    const plain = makeInput(kind, random.below(2 ** 31), random.below(120_000));
    const encoder = createEncoder(spec, kernels);
    // Many are given up in the middle.
    if (random.below(3) === 0) {
      encoder.write(plain, () => {});
      continue;
    }
    const alone = own.get(spec)!;
    alone.reset();
    const same = encode(encoder, plain).equals(encode(alone, plain));
    expect(same, `seed ${SEED}, round ${round}: ${JSON.stringify(spec)}, ${kind}`).toBe(true);
  }
});

it('an instance is made once for each module', () => {
  const kernels = new KernelSet();
  const module = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
  expect(kernels.instanceOf(module)).toBe(kernels.instanceOf(module));
  expect(kernels.instanceOf(module)).not.toBe(new KernelSet().instanceOf(module));
});
