import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { isSystemError } from '../core/errors.js';

/** Raised whenever the tables change; a log of another version is thrown away. */
const LOG_VERSION = 1;
const BUSY_TIMEOUT_MS = 2_000;

/** A block that could not be read the last time. */
export interface DamagedBlock {
  pack: string;
  blockOffsetBytes: number;
}

/**
 * When each file of a pool was last read and checked, and what was found damaged: kept beside the catalog, not in the pool.
 * It says where to look first and is never believed: it can be lost at any time, and where it cannot be kept there is none.
 */
export class CheckLog {
  readonly #directory: string | null;
  #database: Database.Database | null = null;

  /** @param directory where it is kept; null keeps it in memory */
  constructor(directory: string | null) {
    this.#directory = directory;
  }

  /** Milliseconds since the epoch, by file relative to the pool. */
  checkedAt(): Map<string, number> {
    return this.#ask((database) => {
      const rows = database.prepare<[], { file: string; at: number }>('SELECT file, at FROM checked').all();
      return new Map(rows.map(({ file, at }) => [file, at]));
    }, new Map());
  }

  /** Says that a file was read whole, and which of its blocks are damaged. */
  record(file: string, atMs: number, damagedOffsetsBytes: readonly number[]): void {
    this.#ask((database) => {
      database
        .transaction(() => {
          database.prepare('INSERT OR REPLACE INTO checked (file, at) VALUES (?, ?)').run(file, atMs);
          database.prepare('DELETE FROM damage WHERE file = ?').run(file);
          const insert = database.prepare('INSERT OR REPLACE INTO damage (file, offset) VALUES (?, ?)');
          for (const offset of damagedOffsetsBytes) insert.run(file, offset);
        })
        .immediate();
    }, undefined);
  }

  /** Adds damage that was met on the way. */
  addDamage(file: string, offsetBytes: number): void {
    this.#ask((database) => {
      database.prepare('INSERT OR REPLACE INTO damage (file, offset) VALUES (?, ?)').run(file, offsetBytes);
    }, undefined);
  }

  /** Drops what is told of files that are not there any more. */
  keepOnly(files: ReadonlySet<string>): void {
    this.#ask((database) => {
      const known = [...this.checkedAt().keys(), ...this.damagedBlocks().map(({ pack }) => `packs/${pack}`)];
      const gone = [...new Set(known)].filter((file) => !files.has(file));
      for (const table of ['checked', 'damage']) {
        const remove = database.prepare(`DELETE FROM ${table} WHERE file = ?`);
        for (const file of gone) remove.run(file);
      }
    }, undefined);
  }

  damagedBlocks(): DamagedBlock[] {
    // Asked by every save: nothing is made for the answer that there is none.
    if (this.#database === null && (this.#directory === null || !existsSync(this.#path(this.#directory))))
      return [];
    return this.#ask((database) => {
      const rows = database
        .prepare<[], { file: string; offset: number }>(
          'SELECT file, offset FROM damage ORDER BY file, offset',
        )
        .all();
      return rows
        .filter(({ file }) => file.startsWith('packs/'))
        .map(({ file, offset }) => ({ pack: file.slice('packs/'.length), blockOffsetBytes: offset }));
    }, []);
  }

  close(): void {
    this.#database?.close();
    this.#database = null;
  }

  #path(directory: string): string {
    return join(directory, 'checks.sqlite');
  }

  /** A log that cannot be read or written is none. */
  #ask<T>(question: (database: Database.Database) => T, otherwise: T): T {
    for (const attempt of ['as it is', 'made anew']) {
      try {
        this.#database ??= this.#open(attempt === 'made anew');
        return question(this.#database);
      } catch (error) {
        if (!(error instanceof Database.SqliteError) && !isSystemError(error)) throw error;
        this.close();
      }
    }
    return otherwise;
  }

  #open(anew: boolean): Database.Database {
    const path = this.#directory === null ? ':memory:' : this.#path(this.#directory);
    if (this.#directory !== null) {
      mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
      if (anew) for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(path + suffix, { force: true });
    }
    const database = new Database(path, { timeout: BUSY_TIMEOUT_MS });
    try {
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = NORMAL');
      if (database.pragma('user_version', { simple: true }) !== LOG_VERSION) {
        database.exec(`
          BEGIN IMMEDIATE;
          DROP TABLE IF EXISTS checked;
          DROP TABLE IF EXISTS damage;
          CREATE TABLE checked (file TEXT PRIMARY KEY, at INTEGER NOT NULL);
          CREATE TABLE damage (file TEXT NOT NULL, offset INTEGER NOT NULL, PRIMARY KEY (file, offset));
          PRAGMA user_version = ${LOG_VERSION};
          COMMIT;`);
      }
      return database;
    } catch (error) {
      database.close();
      throw error;
    }
  }
}
