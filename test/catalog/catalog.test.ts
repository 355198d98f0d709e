import { mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { load } from '../../src/operations/load.js';
import { save } from '../../src/operations/save.js';
import { catalogDirectory, openPool } from '../../src/pool/pool.js';
import { type FileSystem, nodeFileSystem } from '../../src/store/file-system.js';
import { classicDockerArchive } from '../support/archive-layouts.js';
import { layerTar } from '../support/images.js';
import { PoolRoom } from '../support/pool-room.js';
import { noise } from '../support/tar-builder.js';

const archives = [1, 2, 3].map((seed) =>
  classicDockerArchive([{ references: [`app:${seed}`], layers: [layerTar(seed, 2, 4000)] }]),
);

let room: PoolRoom;
let cacheRoot: string;
let database: string;

beforeEach(async () => {
  room = await PoolRoom.create();
  for (const archive of archives.slice(0, 2)) await room.saveBytes(archive);
  cacheRoot = room.path('cache');
  database = join(catalogDirectory(cacheRoot, room.pool), 'catalog.sqlite');
});
afterEach(() => room[Symbol.asyncDispose]());

interface Answer {
  snapshots: string[];
  packs: [string, number][];
  bytes: Buffer[];
}

/** What the pool says with the catalog of `cacheRoot`, or with none. */
async function answer(withCatalog: boolean): Promise<Answer> {
  const pool = await openPool(room.pool, {
    access: 'read',
    cacheRoot: withCatalog ? cacheRoot : null,
    threads: 1,
  });
  try {
    const { records } = await pool.catalog.snapshots();
    const { records: packs } = await pool.catalog.packs();
    const bytes: Buffer[] = [];
    for (const { id, snapshot } of [...records].sort((a, b) => (a.id < b.id ? -1 : 1))) {
      const path = room.path('out.tar');
      const address = `${snapshot.reference}@${id}`;
      await load(pool, address, { kind: 'file', path, format: 'saved' }, {}, quietContext());
      bytes.push(await readFile(path));
    }
    return {
      snapshots: records.map(({ id }) => id).sort(),
      packs: packs.map(({ name, footer }): [string, number] => [name, footer.chunkCount]).sort(),
      bytes,
    };
  } finally {
    await pool.close();
  }
}

function changeRows(sql: string, ...values: unknown[]): void {
  const open = new Database(database);
  open.prepare(sql).run(...values);
  open.close();
}

const INJURIES: [string, () => Promise<unknown>][] = [
  ['is as it was left', async () => {}],
  ['was deleted', () => rm(database)],
  ['lost its directory', () => rm(cacheRoot, { recursive: true })],
  ['is empty', () => truncate(database, 0)],
  ['is cut in its first page', () => truncate(database, 700)],
  ['is cut in the middle', () => truncate(database, 8192)],
  ['is garbage', () => writeFile(database, noise(1, 20_000))],
  [
    'is garbage behind a sound first page',
    async () => {
      const bytes = await readFile(database);
      bytes.set(noise(2, bytes.length - 4096), 4096);
      await writeFile(database, bytes);
    },
  ],
  ['has garbage for a write-ahead log', () => writeFile(`${database}-wal`, noise(3, 9000))],
  [
    'is a directory',
    async () => {
      await rm(database);
      await mkdir(database);
    },
  ],
  [
    'is of a newer version',
    async () => {
      const open = new Database(database);
      open.exec('DROP TABLE packs; CREATE TABLE packs (other TEXT); PRAGMA user_version = 99');
      open.close();
    },
  ],
  [
    'lacks a table',
    async () => {
      const open = new Database(database);
      open.exec('DROP TABLE snapshots');
      open.close();
    },
  ],
  [
    'lost rows',
    async () => {
      changeRows('DELETE FROM packs');
      changeRows('DELETE FROM snapshots');
    },
  ],
  [
    'has a pack that is not there',
    async () =>
      changeRows('INSERT INTO packs SELECT ?, size, footer, footer_xxh64 FROM packs LIMIT 1', 'a'.repeat(64)),
  ],
  [
    'has a snapshot that is not there',
    async () =>
      changeRows('INSERT INTO snapshots SELECT ?, body, reader FROM snapshots LIMIT 1', 'b'.repeat(64)),
  ],
  [
    'has another body for a snapshot',
    async () =>
      changeRows("UPDATE snapshots SET body = CAST(replace(CAST(body AS TEXT), 'app:', 'bad:') AS BLOB)"),
  ],
  [
    'has other bytes in a footer',
    async () => changeRows('UPDATE packs SET footer = zeroblob(length(footer))'),
  ],
  [
    'has footers of no bytes and checksums of three',
    async () => changeRows("UPDATE packs SET footer = x'', footer_xxh64 = x'010203'"),
  ],
  ['has another size for a pack', async () => changeRows('UPDATE packs SET size = size + 1')],
  [
    'has the footer of one pack under the name of another',
    async () => {
      changeRows(
        'UPDATE packs SET (footer, footer_xxh64) = (SELECT footer, footer_xxh64 FROM packs AS p ORDER BY name DESC LIMIT 1)',
      );
    },
  ],
];

describe('a catalog', () => {
  it.each(INJURIES)('that %s gives the answers of the files', async (_, injure) => {
    const right = await answer(false);
    expect(right.bytes.map((bytes) => archives.findIndex((archive) => bytes.equals(archive))).sort()).toEqual(
      [0, 1],
    );
    expect(await answer(true)).toEqual(right);
    await injure();
    expect(await answer(true)).toEqual(right);
  });

  it('made anew after damage serves the next save', async () => {
    await answer(true);
    await writeFile(database, noise(1, 20_000));
    const pool = await openPool(room.pool, { access: 'append', cacheRoot, threads: 1 });
    try {
      const path = await room.file(archives[2]!, 'third.tar');
      await save(pool, { kind: 'archive', path }, {}, quietContext());
    } finally {
      await pool.close();
    }
    const now = await answer(true);
    expect(now).toEqual(await answer(false));
    expect(now.snapshots.length).toBe(3);
  });

  it('does without a snapshot that is removed between being listed and being opened', async () => {
    const names = (await answer(false)).snapshots;
    const [gone, stays] = [names[0]!, names[1]!];
    let hasFired = false;
    const fs: FileSystem = {
      ...nodeFileSystem,
      async openRead(path) {
        if (path.endsWith(gone)) {
          await rm(path);
          hasFired = true;
        }
        return nodeFileSystem.openRead(path);
      },
    };
    const pool = await openPool(room.pool, { access: 'read', cacheRoot: null, threads: 1, fs });
    try {
      const { records, unusable } = await pool.catalog.snapshots();
      expect(hasFired).toBe(true);
      expect(records.map(({ id }) => id)).toEqual([stays]);
      expect(unusable).toEqual([]);
    } finally {
      await pool.close();
    }
  });

  it('of another pool is not believed', async () => {
    await using other = await PoolRoom.create();
    await other.saveBytes(archives[2]!);
    const otherDatabase = join(catalogDirectory(cacheRoot, other.pool), 'catalog.sqlite');
    const pool = await openPool(other.pool, { access: 'read', cacheRoot, threads: 1 });
    await pool.catalog.packs();
    await pool.catalog.snapshots();
    await pool.close();
    await mkdir(catalogDirectory(cacheRoot, room.pool), { recursive: true });
    await writeFile(database, await readFile(otherDatabase));
    expect(await answer(true)).toEqual(await answer(false));
  });

  it('that cannot be kept costs nothing but time', async () => {
    // A path below a file can be made by nobody, whoever runs the test.
    await writeFile(cacheRoot, 'a file');
    expect(await answer(true)).toEqual(await answer(false));
  });
});
