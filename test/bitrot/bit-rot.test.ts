import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { SmallPool } from '../operations/small-pool.js';
import { gzipPool, plainPool } from './bit-rot-pools.js';
import { type BitRotFigures, runBitRot } from './bit-rot-run.js';
import { CORRUPTION_KINDS } from './corruption.js';

const SEED = Number(process.env.DBUP_SEED ?? 4);
/** `npm run test:bitrot` asks for more, and for the figures to be written down. */
const COUNT = Number(process.env.DBUP_BITROT ?? 0);
const REPORT = 'docs/reliability.md';
const POOLS: Record<string, { make: () => Promise<SmallPool>; count: number }> = {
  'plain and delta blocks': { make: plainPool, count: COUNT === 0 ? 150 : Math.ceil(COUNT * 0.95) },
  'gzip recipes': { make: gzipPool, count: COUNT === 0 ? 30 : Math.ceil(COUNT * 0.05) },
};

describe('bit rot', () => {
  const runs: Record<string, BitRotFigures> = {};

  for (const [name, { make, count }] of Object.entries(POOLS)) {
    it(
      `is found in a pool of ${name}, every one of ${count}, and healed up to the share`,
      async () => {
        await using pool = await make();
        const figures = await runBitRot(pool, { seed: SEED, count, healEvery: COUNT === 0 ? 10 : 12 });
        runs[name] = figures;
        process.stdout.write(`${JSON.stringify({ pool: name, seed: SEED, ...figures })}\n`);
        expect(figures.failures.slice(0, 20)).toEqual([]);
        expect(figures).toMatchObject({ corruptions: count, found: count });
        expect(Object.keys(figures.byKind).sort()).toEqual([...CORRUPTION_KINDS].sort());
        expect(figures.loadedExactly + figures.refused).toBeGreaterThan(count / 2);
        expect(figures.refused).toBeGreaterThan(0);
        expect(figures.loadedExactly).toBeGreaterThan(0);
        expect(figures.healed).toBeGreaterThan(0);
        if (COUNT > 0 && Object.keys(runs).length === Object.keys(POOLS).length) writeReport(runs);
      },
      COUNT === 0 ? 180_000 : 12 * 3600_000,
    );
  }
});

function writeReport(runs: Record<string, BitRotFigures>): void {
  const text = readFileSync(REPORT, 'utf8');
  const [start, end] = [text.indexOf('<!-- parity -->'), text.indexOf('<!-- /parity -->')];
  if (start < 0 || end < start) throw new Error(`${REPORT} has no section <!-- parity -->`);
  const sum = (of: (figures: BitRotFigures) => number): number =>
    Object.values(runs).reduce((total, figures) => total + of(figures), 0);
  const rows = Object.entries(runs).map(
    ([name, { corruptions, found, refused, loadedExactly, healed }]) =>
      `| ${name} | ${corruptions} | ${found} | ${loadedExactly} | ${refused} | ${healed} |`,
  );
  const kinds = CORRUPTION_KINDS.map((kind) => `${sum(({ byKind }) => byKind[kind] ?? 0)} × ${kind}`);
  const places = [...new Set(Object.values(runs).flatMap(({ byFile }) => Object.keys(byFile)))].sort();
  const files = places.map((place) => `${sum(({ byFile }) => byFile[place] ?? 0)} in ${place}`);
  const section = [
    '<!-- parity -->',
    `\`npm run test:bitrot\`, seed ${SEED}: ${sum(({ corruptions }) => corruptions)} corruptions, ${sum(({ found }) => found)} found, each with the file it is in and no other, and the`,
    `chunks. ${kinds.join(', ')}; ${files.join(', ')}.`,
    '',
    '| pool of | corruptions | found | loads of versions not named: exact | loads of versions named: refused, nothing left | healed from parity, of those up to 10 % that were tried: all |',
    '|---|--:|--:|--:|--:|--:|',
    ...rows,
    '',
  ].join('\n');
  writeFileSync(REPORT, text.slice(0, start) + section + text.slice(end));
}
