import { afterEach, beforeEach, expect, it } from 'vitest';
import { GzipRebuilder } from '../../../src/compress/exact/gzip-rebuilder.js';
import { type MakeStep, PartsMaker } from '../../../src/compress/exact/parts-maker.js';
import type { EncoderSpec } from '../../../src/format/encoder-spec.js';
import { makeInput } from '../../support/deflate-inputs.mjs';
import { deflateBy } from '../../support/nested-files.js';

/** More than anybody keeps encoders, of all three kernels. */
const SPECS: readonly EncoderSpec[] = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  .flatMap((level): EncoderSpec[] => [
    { family: 'go', level },
    { family: 'zlib', level, memLevel: 8 },
    { family: 'klauspost', level, variant: '1.18.1' },
    { family: 'pgzip', level, variant: '1.18.1', blockBytes: 16_385 + level },
    { family: 'pigz', level, flags: 0, blockBytes: 32_768 },
  ])
  .filter(({ family, level }) => level < 7 || family === 'go' || family === 'zlib' || family === 'pigz');
const KERNELS = 3;
const PLAIN = makeInput('text', 3, 700);
const ROUNDS = 4;
const STREAMS = new Map(SPECS.map((spec) => [spec, deflateBy(spec, PLAIN)]));

const { Instance } = WebAssembly;
let made = 0;

beforeEach(() => {
  made = 0;
  WebAssembly.Instance = class extends Instance {
    constructor(...given: ConstructorParameters<typeof Instance>) {
      super(...given);
      made++;
    }
  };
});

afterEach(() => {
  WebAssembly.Instance = Instance;
});

function collect(make: (emit: (bytes: Uint8Array) => void) => void): Buffer {
  const pieces: Uint8Array[] = [];
  make((bytes) => pieces.push(bytes.slice()));
  return Buffer.concat(pieces);
}

it('parts that all name other encoders are made with one instance of each kernel', () => {
  const steps = Array.from({ length: ROUNDS }, () => SPECS).flatMap((specs) =>
    specs.map((encoder): MakeStep => ({ encoder, sizeBytes: PLAIN.length, isEnd: true })),
  );
  const plain = Buffer.concat(steps.map(() => PLAIN));
  const maker = new PartsMaker();
  const bytes = collect((emit) => maker.make(plain, steps, emit));
  expect(made).toBe(KERNELS);
  expect(bytes.equals(Buffer.concat(steps.map(({ encoder }) => STREAMS.get(encoder!)!)))).toBe(true);
});

it('members that all name other encoders are made with one instance of each kernel', () => {
  const members = Array.from({ length: ROUNDS }, () => SPECS)
    .flat()
    .map((encoder) => ({ header: Uint8Array.of(7), encoder, plainBytes: PLAIN.length }));
  const rebuilder = new GzipRebuilder(members, new Uint8Array(0));
  const bytes = collect((emit) => {
    rebuilder.write(Buffer.concat(members.map(() => PLAIN)), emit);
    rebuilder.finish(emit);
  });
  expect(made).toBe(KERNELS);
  let at = 0;
  for (const { encoder } of members) {
    const expected = STREAMS.get(encoder)!;
    const actual = bytes.subarray(at + 1, at + 1 + expected.length);
    expect(actual.equals(expected), JSON.stringify(encoder)).toBe(true);
    at += 1 + expected.length + 8;
  }
  expect(at).toBe(bytes.length);
});
