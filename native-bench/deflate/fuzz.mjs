// Holds an exact encoder to its original: random streams, random write sizes, flushes and dictionaries.
//
//   node native-bench/deflate/fuzz.mjs --encoder go [--count 10000] [--seed 1] [--variants go-1,go-6] [--most BYTES]
//
// An encoder has a folder here, whose oracle.mjs exports
//   name, variants       its ids
//   features             { flush, dictionary }: whether cases may have them
//   describe()           which original it is, in one line
//   createEncoder(id)    dbup's encoder, from dist/ (a DeflateEncoder)
//   compress(batch)      the original's raw deflate streams of cases { variant, plain, dictionary, steps }
//   fileCommand(id, path)  optional: [program, arguments] that writes a file's stream to standard output
// Prints the seed of every case that differs and exits with 1; `--only SEED` runs that case alone. Told apart are
// cases in which the original is unsteady: given the same bytes in one write it makes another stream, which is ours.
import { parseArgs } from 'node:util';
import {
  createRandom,
  INPUT_KINDS,
  makeInput,
  pickLength,
  pickWriteSizes,
} from '../../test/support/deflate-inputs.mjs';

const BATCH_BYTES = 32 << 20;

const { values: options } = parseArgs({
  options: {
    encoder: { type: 'string' },
    count: { type: 'string', default: '10000' },
    seed: { type: 'string', default: '1' },
    variants: { type: 'string' },
    most: { type: 'string', default: '1200000' },
    only: { type: 'string' },
  },
});
if (!options.encoder) throw new Error('which --encoder? The folders beside this file are their names.');
const oracle = await import(new URL(`${options.encoder}/oracle.mjs`, import.meta.url));
const variants = options.variants?.split(',') ?? oracle.variants;
const encoders = new Map();

/** A case is a function of its seed: the options only say how long it may be and which variants there are. */
function makeCase(seed) {
  const random = createRandom(seed);
  const variant = random.pick(variants);
  const kind = random.pick(INPUT_KINDS);
  const plain = makeInput(kind, random.below(2 ** 31), pickLength(random, Number(options.most)));
  const writes = pickWriteSizes(random, plain.length);
  const flushes = oracle.features.flush && random.below(5) === 0;
  const steps = flushes ? writes.flatMap((size) => (random.below(6) === 0 ? [size, -1] : [size])) : writes;
  const withDictionary = oracle.features.dictionary && random.below(8) === 0;
  const dictionary = withDictionary
    ? makeInput(kind, random.below(2 ** 31), pickLength(random, 70_000))
    : new Uint8Array(0);
  return { seed, variant, kind, plain, dictionary, steps };
}

/** Our stream of the same case, in writes of other sizes between the flushes. Encoders are reused. */
function encode({ seed, variant, plain, dictionary, steps }) {
  if (!encoders.has(variant)) encoders.set(variant, oracle.createEncoder(variant));
  const encoder = encoders.get(variant);
  encoder.reset(dictionary.length > 0 ? dictionary : undefined);
  const pieces = [];
  const emit = (bytes) => pieces.push(bytes.slice());
  const random = createRandom(seed ^ 0x5bd1e995);
  const scale = random.pick([1, 200, 5000, 100_000, 2_000_000]);
  let written = 0;
  let until = 0;
  const writeUntil = () => {
    while (written < until) {
      const end = Math.min(until, written + (plain.length > 50_000 ? Math.max(100, scale) : scale));
      encoder.write(plain.subarray(written, end), emit);
      written = end;
    }
  };
  for (const step of steps) {
    if (step >= 0) until += step;
    else {
      writeUntil();
      encoder.flush(emit);
    }
  }
  writeUntil();
  encoder.finish(emit);
  return Buffer.concat(pieces);
}

const totals = { cases: 0, different: 0, unsteady: 0, plainBytes: 0 };
const perVariant = new Map(variants.map((variant) => [variant, 0]));

/** The same case with one write between any two flushes. */
function inOneWrite(item) {
  const steps = [];
  for (const step of item.steps) {
    if (step >= 0 && steps.length > 0 && steps.at(-1) >= 0) steps[steps.length - 1] += step;
    else steps.push(step);
  }
  return { ...item, steps };
}

async function runBatch(batch) {
  const expected = await oracle.compress(batch);
  for (const [i, item] of batch.entries()) {
    const actual = encode(item);
    totals.cases++;
    totals.plainBytes += item.plain.length;
    perVariant.set(item.variant, perVariant.get(item.variant) + 1);
    if (expected[i] && actual.equals(expected[i])) continue;
    const [inOne] = await oracle.compress([inOneWrite(item)]);
    const unsteady = actual.equals(inOne);
    totals[unsteady ? 'unsteady' : 'different']++;
    report(unsteady ? 'unsteady original' : 'differs', item, actual, expected[i]);
  }
}

function report(what, { seed, variant, kind, plain, dictionary, steps }, actual, expected) {
  let at = 0;
  while (at < actual.length && actual[at] === expected?.[at]) at++;
  const flushes = steps.filter((step) => step < 0).length;
  console.log(
    `${what}: --only ${seed} ${variant} ${kind}, ${plain.length} bytes, ${steps.length} steps, ${flushes} flushes, ` +
      `dictionary ${dictionary.length}; at ${at} of ${actual.length}, original ${expected?.length}`,
  );
}

const first = Number(options.only ?? Number(options.seed) * 1_000_003);
const count = options.only === undefined ? Number(options.count) : 1;
console.log(
  `${oracle.name} against ${oracle.describe()}: ${count} cases, seed ${options.only ?? options.seed}`,
);
let batch = [];
let batchBytes = 0;
for (let i = 0; i < count; i++) {
  const item = makeCase(first + i);
  batch.push(item);
  batchBytes += item.plain.length;
  if (batchBytes >= BATCH_BYTES || i === count - 1) {
    await runBatch(batch);
    batch = [];
    batchBytes = 0;
  }
}
console.log([...perVariant].map(([variant, cases]) => `${variant}: ${cases}`).join(', '));
console.log(
  `${totals.cases} cases, ${(totals.plainBytes / 1e6).toFixed(0)} MB, ${totals.different} different, ` +
    `${totals.unsteady} whose original depends on write sizes`,
);
process.exitCode = totals.different > 0 ? 1 : 0;
