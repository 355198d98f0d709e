import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { encodeSnapshot, readCheckedSnapshot } from '../../src/format/snapshot.js';
import { isBeyondClocks, newestFirst } from '../../src/operations/versions.js';
import { sha256Hex } from '../format/hand-made-pool.js';
import { runExtract } from '../format/pool-run.js';
import { dockerArchive, layerTar } from '../support/images.js';
import { roomHere } from '../support/run-command.js';

const VERSIONS = [1, 2, 3].map((seed) =>
  dockerArchive({ references: ['app:1'], layers: [layerTar(seed, 1, 3000)] }),
);

const record = (createdAt: string, id = 'aa') => ({ id, sizeBytes: 1, snapshot: { createdAt } as never });

/** Dates the only snapshot of a pool anew. */
async function redate(pool: string, createdAt: string): Promise<void> {
  const directory = join(pool, 'snapshots');
  const [name] = await readdir(directory);
  const snapshot = readCheckedSnapshot(await readFile(join(directory, name!)));
  const bytes = encodeSnapshot({ ...snapshot, createdAt });
  await rm(join(directory, name!));
  await writeFile(join(directory, sha256Hex(bytes)), bytes);
}

describe('a snapshot dated beyond all clocks', () => {
  it('does not bar its reference', async () => {
    await using room = await roomHere();
    const save = async (at: number) => room.json(['save', '-i', await room.file('in.tar', VERSIONS[at]!)]);
    await save(0);
    await redate(room.path('pool'), '9999-12-31T23:59:59.999Z');
    expect(await room.loadVerdict('app:1', VERSIONS[0]!)).toBe('exact');
    await save(1);
    expect(await room.loadVerdict('app:1', VERSIONS[1]!)).toBe('exact');
    await save(2);
    expect(await room.loadVerdict('app:1', VERSIONS[2]!)).toBe('exact');
    expect(await room.loadVerdict('app:1~1', VERSIONS[1]!)).toBe('exact');
    expect(await room.loadVerdict('app:1~2', VERSIONS[0]!)).toBe('exact');
    const out = room.path('extracted.tar');
    expect(runExtract(room.path('pool'), 'app:1', '--archive', out).exitCode).toBe(0);
    expect(Buffer.compare(await readFile(out), VERSIONS[2]!)).toBe(0);
    await room.json(['rollback', 'app:1', '--to', '~2', '--no-load']);
    expect(await room.loadVerdict('app:1', VERSIONS[0]!)).toBe('exact');
  });

  it('is no snapshot of a clock that runs a few years ahead, nor of today to a clock of 1970', () => {
    const years = (count: number) => new Date(Date.now() + count * 365.25 * 24 * 3600 * 1000).toISOString();
    expect([
      newestFirst(record(years(0)), record(years(90))),
      newestFirst(record(years(90)), record(years(0))),
    ]).toEqual([1, -1]);
    expect([
      newestFirst(record(years(0)), record(years(200))),
      newestFirst(record(years(200)), record(years(0))),
    ]).toEqual([-1, 1]);
    expect([
      newestFirst(record(years(200)), record(years(300))),
      newestFirst(record(years(300)), record(years(200))),
    ]).toEqual([1, -1]);
    expect(newestFirst(record(years(500), 'aa'), record(years(500), 'ab'))).toBe(1);
    expect(isBeyondClocks('2069-01-01T00:00:00.000Z', 0)).toBe(false);
  });
});
