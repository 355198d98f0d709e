import type { SpoolFile } from '../store/spool-file.js';
import type { GzipWorkers } from './gzip-workers.js';

/** What a save needs to open compressed files inside layers, and whether it has opened any. */
export class Opening {
  readonly workers: GzipWorkers;
  readonly #newSpool: () => Promise<SpoolFile>;
  readonly #spools = new Set<SpoolFile>();
  /** Searches among all encoders that found none: after many no more are made. */
  failedSearches = 0;
  /** True once a deflate stream was stored as its plain bytes. */
  hasOpened = false;

  constructor(workers: GzipWorkers, newSpool: () => Promise<SpoolFile>) {
    this.workers = workers;
    this.#newSpool = newSpool;
  }

  /** Puts bytes aside, until they are removed or the save ends. */
  async newSpool(): Promise<SpoolFile> {
    const spool = await this.#newSpool();
    this.#spools.add(spool);
    return spool;
  }

  async remove(spool: SpoolFile): Promise<void> {
    this.#spools.delete(spool);
    await spool.remove();
  }

  /** Lets go of all that was put aside. Never throws. */
  async abandon(): Promise<void> {
    for (const spool of this.#spools) await spool.remove();
    this.#spools.clear();
  }
}
