// Writes golden vectors of an exact encoder, made by its original: fixtures/deflate/<encoder>/vectors.json.
//
//   node native-bench/deflate/write-vectors.mjs --encoder go
//
// An oracle may name fewer ids for this, goldenVariants, and more inputs, longerInputs.
// Adds the vectors that are missing. One that exists never changes: if the original makes another stream now, it is
// another encoder, wants other ids, and this fails.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { INPUT_KINDS, makeInput } from '../../test/support/deflate-inputs.mjs';

const { values: options } = parseArgs({ options: { encoder: { type: 'string' } } });
if (!options.encoder) throw new Error('which --encoder?');
const oracle = await import(new URL(`${options.encoder}/oracle.mjs`, import.meta.url));
const path = fileURLToPath(
  new URL(`../../fixtures/deflate/${options.encoder}/vectors.json`, import.meta.url),
);

/** What each id is tried on: [kind, length], a flush after as many bytes where there is a third. */
const SHORT = [
  ['zeros', 0],
  ['text', 1],
  ['text', 16],
  ['skewed', 100],
  ['text', 128],
  ['copies', 16_400],
];
const LONG = [
  ...INPUT_KINDS.map((kind) => [kind, 150_000]),
  ['mixture', 65_535],
  ['mixture', 65_536],
  ['tar', 400_000],
];
const FLUSHED = [
  ['text', 100, 20],
  ['mixture', 90_000, 40_000],
  ['copies', 140_000, 66_000],
];

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const wanted = (oracle.goldenVariants ?? oracle.variants).flatMap((encoder) => [
  ...(oracle.telltaleInputs ?? []).map((input) => ({ encoder, ...input })),
  ...[...SHORT, ...LONG, ...(oracle.longerInputs ?? [])].map(([kind, lengthBytes], seed) => ({
    encoder,
    kind,
    seed,
    lengthBytes,
  })),
  ...(oracle.features.flush ? FLUSHED : []).map(([kind, lengthBytes, flushAfter], seed) => ({
    encoder,
    kind,
    seed,
    lengthBytes,
    flushAfter,
  })),
  ...(oracle.features.dictionary
    ? [{ encoder, kind: 'text', seed: 7, lengthBytes: 50_000, dictionaryBytes: 20_000 }]
    : []),
]);
const streams = await oracle.compress(
  wanted.map(({ encoder, kind, seed, lengthBytes, flushAfter, dictionaryBytes = 0 }) => {
    const bytes = makeInput(kind, seed, dictionaryBytes + lengthBytes);
    const steps = flushAfter ? [flushAfter, -1, lengthBytes - flushAfter] : [lengthBytes];
    return {
      variant: encoder,
      plain: bytes.subarray(dictionaryBytes),
      dictionary: bytes.subarray(0, dictionaryBytes),
      steps,
    };
  }),
);
const key = ({ encoder, kind, seed, lengthBytes, flushAfter, dictionaryBytes }) =>
  JSON.stringify([encoder, kind, seed, lengthBytes, flushAfter, dictionaryBytes]);
const kept = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
const known = new Map(kept.map((vector) => [key(vector), vector]));
for (const [i, vector] of wanted.entries()) {
  const { kind, seed, lengthBytes, dictionaryBytes = 0 } = vector;
  const full = {
    ...vector,
    inputSha256: sha256(makeInput(kind, seed, dictionaryBytes + lengthBytes)),
    streamBytes: streams[i].length,
    streamSha256: sha256(streams[i]),
  };
  const before = known.get(key(vector));
  if (!before) kept.push(full);
  else if (JSON.stringify(before) !== JSON.stringify(full))
    throw new Error(`would change: ${JSON.stringify(before)}`);
}
mkdirSync(fileURLToPath(new URL('.', `file://${path}`)), { recursive: true });
writeFileSync(path, `[\n${kept.map((vector) => JSON.stringify(vector)).join(',\n')}\n]\n`);
console.log(
  `${path}: ${kept.length} vectors, ${kept.length - known.size} of them new, by ${oracle.describe()}`,
);
