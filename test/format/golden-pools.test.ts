import { cp, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DbupError } from '../../src/core/errors.js';
import type { Expectation } from './golden-expectation.js';
import { sha256Hex } from './hand-made-pool.js';
import { MAKERS, makeGoldenPools, POOLS } from './make-golden-pools.js';
import { ENCODERS, extractArchive, loadArchive, runExtract } from './pool-run.js';

if (process.env.DBUP_MAKE_GOLDENS) await makeGoldenPools();

const EXPECTED: Record<string, Expectation> = JSON.parse(
  await readFile(join(POOLS, 'expected.json'), 'utf8'),
);
/** What the independent reader ends with where dbup raises a code. */
const EXTRACT_EXIT: Record<string, number> = {
  POOL_INCOMPLETE: 13,
  POOL_DAMAGED: 4,
  POOL_FORMAT_UNSUPPORTED: 5,
  SNAPSHOT_NOT_FOUND: 12,
};

let copies: string;
beforeAll(async () => {
  // A pool that is opened gets a lock file: the goldens stay as they are.
  copies = join(tmpdir(), `dbup-goldens-${process.pid}`);
  await mkdir(copies);
  await cp(POOLS, copies, { recursive: true });
});
afterAll(() => rm(copies, { recursive: true, force: true }));

async function codeOf(action: Promise<unknown>): Promise<string> {
  try {
    await action;
    return 'none';
  } catch (error) {
    if (error instanceof DbupError) return error.code;
    throw error;
  }
}

describe('golden pools', () => {
  it('are all here, described, and small', async () => {
    const names = (await readdir(POOLS, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    expect(names.map(({ name }) => name).sort()).toEqual(Object.keys(EXPECTED).sort());
    for (const name of Object.keys(MAKERS)) expect(EXPECTED[name], name).toBeDefined();
    for (const { archives, errors, gzip = {} } of Object.values(EXPECTED)) {
      expect(Object.keys({ ...archives, ...errors, ...gzip }).length).toBeGreaterThan(0);
    }
  });

  for (const [name, { archives, errors, gzip = {} }] of Object.entries(EXPECTED)) {
    for (const [address, { archive, plain }] of Object.entries(gzip)) {
      it(`${name}: ${address} comes back exactly, and its layers plain without encoders`, async () => {
        expect(sha256Hex(await loadArchive(join(copies, name), address))).toBe(archive);
        expect(sha256Hex(await extractArchive(join(copies, name), address))).toBe(archive);
        const out = join(copies, `${name}.plain`);
        expect(runExtract(join(copies, name), address, '--plain', out).stderr).toBe('');
        for (const digest of plain)
          expect(sha256Hex(await readFile(join(out, `${digest}.tar`)))).toBe(digest);
      });
    }
    for (const [address, digest] of Object.entries(archives)) {
      it(`${name}: ${address} comes back exactly`, async () => {
        expect(sha256Hex(await loadArchive(join(copies, name), address))).toBe(digest);
        expect(sha256Hex(await extractArchive(join(copies, name), address))).toBe(digest);
      });
    }
    for (const [address, code] of Object.entries(errors)) {
      it(`${name}: ${address} ends in ${code}`, async () => {
        const reference = address === 'open' ? 'hello:1' : address;
        expect(await codeOf(loadArchive(join(copies, name), reference))).toBe(code);
        const out = join(copies, `${name}.out`);
        const { exitCode, stderr } = runExtract(
          join(copies, name),
          reference,
          '--archive',
          '--encoders',
          ENCODERS,
          out,
        );
        // It has no words for a descriptor that is not there, and says of a damaged snapshot that it is damaged.
        const exits =
          name === 'descriptor-missing'
            ? [1]
            : [EXTRACT_EXIT[code], ...(code === 'SNAPSHOT_NOT_FOUND' ? [4] : [])];
        expect(exits, stderr).toContain(exitCode);
        await expect(readFile(out)).rejects.toThrow('ENOENT');
      });
    }
  }
});
