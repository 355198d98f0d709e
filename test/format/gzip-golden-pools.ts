import { gzipSync } from 'node:zlib';
import type { EncoderSpec } from '../../src/format/encoder-spec.js';
import { archiveOf } from '../support/archive-layouts.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { type CompressedLayer, gzipBy, layoutOfLayers, PGZIP_HEADER } from '../support/gzip-files.js';
import { concatBytes, noise, tarEnd, tarFile } from '../support/tar-builder.js';
import type { Maker } from './golden-expectation.js';
import { sha256Hex } from './hand-made-pool.js';
import { saveArchiveBytes } from './pool-run.js';

const PGZIP: EncoderSpec = { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 2 ** 20 };
const byGo = (plain: Uint8Array): CompressedLayer => ({
  plain,
  compressed: gzipBy({ family: 'go', level: 6 }, plain),
});
const byPgzip = (plain: Uint8Array): CompressedLayer => ({
  plain,
  compressed: gzipBy(PGZIP, plain, PGZIP_HEADER),
});
/** Near enough to a model. */
const byNobody = (plain: Uint8Array): CompressedLayer => ({
  plain,
  compressed: gzipSync(plain, { memLevel: 3 }),
});
/** In three members, the last one of nothing. */
const byNobodyInParts = (plain: Uint8Array): CompressedLayer => ({
  plain,
  compressed: concatBytes(
    [plain.subarray(0, 40_000), plain.subarray(40_000), new Uint8Array(0)].map((part) =>
      gzipSync(part, { memLevel: 3 }),
    ),
  ),
});
const letters = (seed: number, length: number) => noise(seed, length).map((byte) => 97 + (byte & 15));

/** Letters that repeat too far away for gzip, so that a small pool holds a layer with checkpoints. */
function longLayer(seed: number): Uint8Array {
  const period = letters(seed, 48 * 1024);
  return concatBytes([tarFile('long', concatBytes(Array.from({ length: 370 }, () => period))), tarEnd()]);
}

/** An image of gzip layers, in an archive that comes back as it was. */
const saved =
  (...layers: CompressedLayer[]): Maker =>
  async (directory) => {
    const archive = archiveOf(layoutOfLayers(layers));
    await saveArchiveBytes(directory, archive, { timeMs: Date.UTC(2026, 0, 1) });
    const plain = layers.map((layer) => sha256Hex(layer.plain));
    return { archives: {}, errors: {}, gzip: { 'app:1.0': { archive: sha256Hex(archive), plain } } };
  };

/** Pools that hold gzip layers open: without encoders the independent reader gives their plain tars. */
export const GZIP_POOLS: Readonly<Record<string, Maker>> = {
  'sound-gzip': saved(
    byGo(concatBytes([tarFile('a', letters(1, 9000)), tarEnd()])),
    byPgzip(concatBytes([tarFile('b', letters(2, 9000)), tarEnd()])),
  ),
  'sound-gzip-corrections': saved(
    byNobody(concatBytes([tarFile('c', makeInput('text', 5, 60_000)), tarEnd()])),
    byGo(concatBytes([tarFile('d', letters(6, 9000)), tarEnd()])),
  ),
  'sound-gzip-corrected-members': saved(
    byNobodyInParts(concatBytes([tarFile('e', makeInput('text', 7, 60_000)), tarEnd()])),
  ),
  'sound-gzip-checkpoints': saved(byGo(longLayer(3)), byPgzip(longLayer(4))),
};
