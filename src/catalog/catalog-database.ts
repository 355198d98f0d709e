import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

/** Raised whenever the tables change; a catalog of another version is thrown away and made again. */
const CATALOG_VERSION = 2;
const BUSY_TIMEOUT_MS = 10_000;

/** The file of the catalog kept in `directory`. */
export function databasePath(directory: string): string {
  return join(directory, 'catalog.sqlite');
}

/** Removes a catalog with what SQLite keeps beside it. */
export function removeDatabase(directory: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal'])
    rmSync(databasePath(directory) + suffix, { force: true });
}

/** A directory that cannot be written costs speed, not answers: the catalog is then kept in memory. */
export function openDatabase(directory: string | null): Database.Database {
  if (directory !== null) {
    for (const attempt of ['as it is', 'made anew']) {
      try {
        mkdirSync(directory, { recursive: true, mode: 0o700 });
        if (attempt === 'made anew') removeDatabase(directory);
        return prepareDatabase(new Database(databasePath(directory), { timeout: BUSY_TIMEOUT_MS }));
      } catch (error) {
        if (!(error instanceof Error && 'code' in error)) throw error;
      }
    }
  }
  return prepareDatabase(new Database(':memory:'));
}

function prepareDatabase(database: Database.Database): Database.Database {
  try {
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    const version = database.pragma('user_version', { simple: true });
    if (version === CATALOG_VERSION) return database;
    database.exec(`
      BEGIN IMMEDIATE;
      DROP TABLE IF EXISTS packs;
      DROP TABLE IF EXISTS snapshots;
      CREATE TABLE packs (name TEXT PRIMARY KEY, size INTEGER NOT NULL, footer BLOB NOT NULL, footer_xxh64 BLOB NOT NULL);
      CREATE TABLE snapshots (name TEXT PRIMARY KEY, body BLOB NOT NULL, reader INTEGER NOT NULL);
      PRAGMA user_version = ${CATALOG_VERSION};
      COMMIT;`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}
