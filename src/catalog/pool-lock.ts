import Database from 'better-sqlite3';
import { DbupError } from '../core/errors.js';

/**
 * The lock of a pool: an empty file on which SQLite's own file locks are taken, so that the kernel drops
 * them with the process that held them and no stale lock can remain. Nothing is ever written to it. Its
 * size and time are fixed, so that rsync between copies of a pool never replaces it.
 * Any number of readers and savers hold it shared; gc and repair hold it exclusively.
 */
export class PoolLock {
  #database: Database.Database | null;

  private constructor(database: Database.Database | null) {
    this.#database = database;
  }

  /** A lock that holds nothing: for a pool on a medium that cannot be written, where no gc can run either. */
  static none(): PoolLock {
    return new PoolLock(null);
  }

  /**
   * Takes the lock, waiting up to `waitMs`.
   * @param path the lock file, which exists
   * @throws DbupError POOL_LOCKED
   */
  static acquire(path: string, mode: 'shared' | 'exclusive', waitMs: number): PoolLock {
    const database = new Database(path, {
      fileMustExist: true,
      readonly: mode === 'shared',
      timeout: waitMs,
    });
    try {
      if (mode === 'exclusive') {
        // A journal file beside the lock would be one more file that appears in the pool and is synced.
        database.pragma('journal_mode = MEMORY');
        database.exec('BEGIN EXCLUSIVE');
      } else {
        database.exec('BEGIN');
        database.prepare('SELECT count(*) FROM sqlite_master').get();
      }
      return new PoolLock(database);
    } catch (error) {
      database.close();
      if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_BUSY')) throw error;
      const holder = mode === 'exclusive' ? 'another dbup is using it' : 'a gc or a repair is running on it';
      throw new DbupError('POOL_LOCKED', `the pool is locked: ${holder}`, {
        hint: 'Wait until it has ended, or let dbup wait with --lock-wait SECONDS. A lock ends with its process; there is nothing to remove.',
        details: { path },
        cause: error,
      });
    }
  }

  release(): void {
    this.#database?.close();
    this.#database = null;
  }
}
