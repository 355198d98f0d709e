// Writes golden vectors of corrections: fixtures/deflate/corrected/vectors.json. Of each model two streams, taken apart once
// and for all: what they are must give the streams again for ever. Those that are there never change.
//
//   node native-bench/deflate/write-correction-vectors.mjs
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { constants, deflateRawSync } from 'node:zlib';
import { encodeFrame } from '../../dist/compress/exact/tokens/correction-frame.js';
import { StreamTaker } from '../../dist/compress/exact/tokens/take-apart.js';
import { TOKEN_MODELS } from '../../dist/compress/exact/tokens/token-models.js';
import { makeInput } from '../../test/support/deflate-inputs.mjs';

const path = fileURLToPath(new URL('../../fixtures/deflate/corrected/vectors.json', import.meta.url));
const INPUTS = [
  { kind: 'tar', seed: 1, lengthBytes: 60_000, options: { level: 9, memLevel: 3 } },
  { kind: 'mixture', seed: 2, lengthBytes: 30_000, options: { strategy: constants.Z_FILTERED, memLevel: 7 } },
];

function takeApart(stream, model) {
  const read = (into, position) =>
    into.set(stream.subarray(position, position + into.length)) ??
    Math.min(into.length, stream.length - position);
  const taker = new StreamTaker({ sizeBytes: stream.length, read }, model);
  taker.begin(0);
  const frames = [];
  for (let ended = false; !ended; ) {
    const piece = taker.step();
    if (piece.frame) frames.push(encodeFrame(piece.frame));
    ended = piece.endAt !== null;
  }
  return Buffer.concat(frames);
}

const kept = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
const known = new Set(kept.map(({ model }) => model));
for (const model of TOKEN_MODELS.filter(({ name }) => !known.has(name))) {
  for (const { options, ...input } of INPUTS) {
    const stream = deflateRawSync(makeInput(input.kind, input.seed, input.lengthBytes), options);
    const streamSha256 = createHash('sha256').update(stream).digest('hex');
    kept.push({
      model: model.name,
      ...input,
      frames: takeApart(stream, model).toString('base64'),
      streamSha256,
    });
  }
}
mkdirSync(fileURLToPath(new URL('.', `file://${path}`)), { recursive: true });
writeFileSync(path, `[\n${kept.map((vector) => JSON.stringify(vector)).join(',\n')}\n]\n`);
console.log(`${path}: ${kept.length} vectors`);
