import Database from 'better-sqlite3';
import { DbupError, isSystemError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { decodePackFooter, type PackFooter } from '../format/pack.js';
import { decodeSnapshot, readCheckedSnapshot, SNAPSHOT_READER, type Snapshot } from '../format/snapshot.js';
import { isSha256Hex, sha256Hex } from '../hash/sha256.js';
import { type FileSystem, type OpenFile, readFully } from '../store/file-system.js';
import { readPackFooter, shortName } from '../store/pack-file.js';
import type { PoolLayout } from '../store/pool-layout.js';
import { databasePath, openDatabase, removeDatabase } from './catalog-database.js';

/** A snapshot with the name of its file, which is its ID. */
export interface SnapshotRecord {
  id: string;
  sizeBytes: number;
  snapshot: Snapshot;
}

/** A pack whose footer is sound. */
export interface PackRecord {
  name: string;
  sizeBytes: number;
  footer: PackFooter;
}

/** A file under a pool name that cannot be used. */
export interface UnusableFile {
  name: string;
  error: DbupError;
}

interface PackRow {
  name: string;
  size: number;
  footer: Buffer;
  footer_xxh64: Buffer;
}

interface SnapshotRow {
  name: string;
  body: Buffer;
  /** The SNAPSHOT_READER that accepted it. */
  reader: number;
}

/**
 * What a pool holds, from a SQLite database outside the pool that can be lost at any time. Each answer is
 * made from the names and sizes of the files that are there now: rows without a file are dropped, files
 * without a row are read, and every row is checked against its own checksum before it is believed.
 */
export class Catalog {
  readonly #fs: FileSystem;
  readonly #layout: PoolLayout;
  readonly #directory: string | null;
  #database: Database.Database;

  private constructor(
    fs: FileSystem,
    layout: PoolLayout,
    directory: string | null,
    database: Database.Database,
  ) {
    this.#fs = fs;
    this.#layout = layout;
    this.#directory = directory;
    this.#database = database;
  }

  /** Opens the catalog kept in `directory`, making it anew if it is absent, foreign or damaged. `null` keeps it in memory. */
  static open(fs: FileSystem, layout: PoolLayout, directory: string | null): Catalog {
    return new Catalog(fs, layout, directory, openDatabase(directory));
  }

  /** Where the database is; null when it is only in memory. */
  get path(): string | null {
    return this.#database.memory ? null : databasePath(this.#directory!);
  }

  close(): void {
    this.#database.close();
  }

  /** Forgets everything, so that the next answer is made from the files alone. */
  reset(): void {
    this.#database.close();
    try {
      if (this.#directory !== null) removeDatabase(this.#directory);
    } catch (error) {
      // What cannot be removed cannot be used either; opening it says so and falls back to memory.
      if (!isSystemError(error)) throw error;
    }
    this.#database = openDatabase(this.#directory);
  }

  /** All snapshots of the pool, in no order. */
  snapshots(): Promise<{ records: SnapshotRecord[]; unusable: UnusableFile[] }> {
    return this.#withRecovery(() => this.#readSnapshots());
  }

  /** All packs of the pool with their footers, in no order. */
  packs(): Promise<{ records: PackRecord[]; unusable: UnusableFile[] }> {
    return this.#withRecovery(() => this.#readPacks());
  }

  /** A damaged database is no loss: throw it away and read the files. */
  async #withRecovery<T>(read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
    }
    try {
      this.reset();
      return await read();
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
    }
    this.#database.close();
    this.#database = openDatabase(null);
    return read();
  }

  async #readSnapshots(): Promise<{ records: SnapshotRecord[]; unusable: UnusableFile[] }> {
    const names = new Set(await listNames(this.#fs, this.#layout.snapshotsDirectory));
    const rows = this.#database.prepare<[], SnapshotRow>('SELECT name, body, reader FROM snapshots').all();
    const records: SnapshotRecord[] = [];
    const unusable: UnusableFile[] = [];
    const dropped: string[] = [];
    const added: SnapshotRow[] = [];
    for (const row of rows) {
      // A row that another version of dbup could read and this one cannot is judged by its file.
      const record = names.has(row.name) && sha256Hex(row.body) === row.name ? decodedRow(row) : null;
      if (record === null) dropped.push(row.name);
      else {
        names.delete(row.name);
        records.push(record);
      }
    }
    for (const name of names) {
      try {
        const body = await readSnapshotFile(this.#fs, this.#layout, name);
        if (body === null) continue;
        records.push(snapshotRecord(name, body));
        added.push({ name, body, reader: SNAPSHOT_READER });
      } catch (error) {
        if (!(error instanceof DbupError)) throw error;
        unusable.push({ name, error });
      }
    }
    this.#change(() => {
      const remove = this.#database.prepare('DELETE FROM snapshots WHERE name = ?');
      for (const name of dropped) remove.run(name);
      const insert = this.#database.prepare(
        'INSERT OR REPLACE INTO snapshots (name, body, reader) VALUES (?, ?, ?)',
      );
      for (const row of added) insert.run(row.name, row.body, row.reader);
    }, dropped.length + added.length);
    return { records, unusable };
  }

  async #readPacks(): Promise<{ records: PackRecord[]; unusable: UnusableFile[] }> {
    const sizes = await this.#packSizes();
    const unusable: UnusableFile[] = [];
    const records: PackRecord[] = [];
    const dropped: string[] = [];
    const added: PackRow[] = [];
    for (const row of this.#database
      .prepare<[], PackRow>('SELECT name, size, footer, footer_xxh64 FROM packs')
      .iterate()) {
      const record = sizes.get(row.name) === row.size ? packRecord(row) : null;
      if (record === null) dropped.push(row.name);
      else {
        records.push(record);
        sizes.delete(row.name);
      }
    }
    for (const [name, sizeBytes] of sizes) {
      try {
        const { raw, footer } = await readPackFooter(this.#fs, this.#layout, name, sizeBytes);
        const checksum = Buffer.alloc(8);
        checksum.writeBigUInt64LE(raw.trailer.footerXxh64);
        records.push({ name, sizeBytes, footer });
        added.push({
          name,
          size: sizeBytes,
          footer: Buffer.from(raw.bytes.buffer, raw.bytes.byteOffset, raw.bytes.length),
          footer_xxh64: checksum,
        });
      } catch (error) {
        if (!(error instanceof DbupError) || error.code === 'POOL_FORMAT_UNSUPPORTED') throw error;
        unusable.push({ name, error });
      }
    }
    this.#change(() => {
      const remove = this.#database.prepare('DELETE FROM packs WHERE name = ?');
      for (const name of dropped) remove.run(name);
      const insert = this.#database.prepare(
        'INSERT OR REPLACE INTO packs (name, size, footer, footer_xxh64) VALUES (?, ?, ?, ?)',
      );
      for (const row of added) insert.run(row.name, row.size, row.footer, row.footer_xxh64);
    }, dropped.length + added.length);
    return { records, unusable };
  }

  async #packSizes(): Promise<Map<string, number>> {
    const sizes = new Map<string, number>();
    for (const name of await listNames(this.#fs, this.#layout.packsDirectory)) {
      const info = await this.#fs.info(this.#layout.packPath(name));
      if (info?.isFile) sizes.set(name, info.sizeBytes);
    }
    return sizes;
  }

  /** Other processes write the same rows: a database that stays busy is left as it is, the answer is right without it. */
  #change(apply: () => void, changes: number): void {
    if (changes === 0) return;
    try {
      this.#database.transaction(apply).immediate();
    } catch (error) {
      const code = error instanceof Database.SqliteError ? error.code : '';
      if (!/^SQLITE_(BUSY|READONLY|FULL|IOERR)/.test(code)) throw error;
    }
  }
}

/** The pool-file names in a directory; anything else (rsync's partial files, say) is not ours. Absent counts as empty. */
export async function listNames(fs: FileSystem, directory: string): Promise<string[]> {
  if ((await fs.info(directory)) === null) return [];
  return (await fs.list(directory)).filter(isSha256Hex);
}

/**
 * Reads a snapshot file and checks it against its name. @returns null when it has just been removed
 * @throws DbupError POOL_DAMAGED
 */
export async function readSnapshotFile(
  fs: FileSystem,
  layout: PoolLayout,
  name: string,
): Promise<Buffer | null> {
  const info = await fs.info(layout.snapshotPath(name));
  if (info === null) return null;
  if (!info.isFile || info.sizeBytes > LIMITS.snapshotBytes)
    throw damagedSnapshot(name, `it has ${info.sizeBytes} bytes`);
  const body = Buffer.alloc(info.sizeBytes);
  const file = await openUnlessGone(fs, layout.snapshotPath(name));
  if (file === null) return null;
  try {
    await readFully(file, body, 0);
  } finally {
    await file.close();
  }
  if (sha256Hex(body) !== name) throw damagedSnapshot(name, 'its contents are not what its name says');
  return body;
}

/** A removal takes the shared lock, as readers do: it may come between any two calls. */
async function openUnlessGone(fs: FileSystem, path: string): Promise<OpenFile | null> {
  try {
    return await fs.openRead(path);
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null;
    throw error;
  }
}

function damagedSnapshot(name: string, reason: string): DbupError {
  return new DbupError('POOL_DAMAGED', `snapshot ${shortName(name)} is damaged: ${reason}`, {
    hint: 'Copy the pool again from where it is whole, or run `dbup repair --from OTHER_POOL`.',
    details: { snapshot: name, reason },
  });
}

function snapshotRecord(id: string, body: Buffer): SnapshotRecord {
  return { id, sizeBytes: body.length, snapshot: decodeSnapshot(body, `snapshot ${shortName(id)}`) };
}

/** null when the row is no snapshot this version reads. */
function decodedRow({ name, body, reader }: SnapshotRow): SnapshotRecord | null {
  if (reader === SNAPSHOT_READER)
    return { id: name, sizeBytes: body.length, snapshot: readCheckedSnapshot(body) };
  try {
    return snapshotRecord(name, body);
  } catch (error) {
    if (error instanceof DbupError) return null;
    throw error;
  }
}

/** null when the row does not stand up to its own checksum. */
function packRecord(row: PackRow): PackRecord | null {
  // A column's type binds SQLite to nothing.
  if (!Buffer.isBuffer(row.footer) || !Buffer.isBuffer(row.footer_xxh64)) return null;
  try {
    const trailer = {
      footerBytes: row.footer.length,
      footerXxh64: row.footer_xxh64.readBigUInt64LE(),
      packBytes: row.size,
    };
    return {
      name: row.name,
      sizeBytes: row.size,
      footer: decodePackFooter(row.footer, trailer, shortName(row.name)),
    };
  } catch (error) {
    if (error instanceof DbupError || error instanceof RangeError) return null;
    throw error;
  }
}
