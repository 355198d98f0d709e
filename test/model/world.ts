import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OperationContext, quietContext } from '../../src/core/context.js';
import { DbupError } from '../../src/core/errors.js';
import { BlockWorkers } from '../../src/pool/block-workers.js';
import type { Pool } from '../../src/pool/pool.js';
import { ImageShelf } from './image-shelf.js';
import { PoolModel, type Version } from './pool-model.js';
import { PoolSite } from './pool-site.js';
import { POOLS } from './steps.js';

/** What was done and looked at, for the report. */
export class Tally {
  readonly steps = new Map<string, number>();
  sequences = 0;
  /** Processes that died in mid-operation. */
  deaths = 0;
  loadsExact = 0;
  loadsRefused = 0;
  versionsListed = 0;

  get total(): number {
    return [...this.steps.values()].reduce((sum, count) => sum + count, 0);
  }

  count(step: string): void {
    this.steps.set(step, (this.steps.get(step) ?? 0) + 1);
  }
}

/** One pool as it must be and as it is. */
export interface Place {
  readonly number: number;
  readonly model: PoolModel;
  readonly site: PoolSite;
}

/** Something that must not be. The message says what, and of which pool. */
export class Loss extends Error {}

/** Three pools, their model, and a clock. */
export class World implements AsyncDisposable {
  readonly places: readonly Place[];
  readonly root: string;
  readonly shelf: ImageShelf;
  readonly tally: Tally;
  readonly #threads: SharedWorkers;
  nowMs = Date.parse('2024-03-01T12:00:00Z');

  private constructor(root: string, shelf: ImageShelf, tally: Tally, threads: SharedWorkers) {
    this.root = root;
    this.shelf = shelf;
    this.tally = tally;
    this.#threads = threads;
    this.places = Array.from({ length: POOLS }, (_, number) => ({
      number,
      model: new PoolModel(),
      site: new PoolSite(root, `pool-${number}`, () => threads.workers),
    }));
  }

  static async create(
    parent: string,
    shelf: ImageShelf,
    tally: Tally,
    threads: SharedWorkers,
  ): Promise<World> {
    return new World(await mkdtemp(join(parent, 'dbup-model-')), shelf, tally, threads);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  context(): OperationContext {
    return quietContext({ now: () => this.nowMs });
  }

  /** Threads keep files open: after a file was changed in place, fresh ones look again. */
  renewThreads(): Promise<void> {
    return this.#threads.renew();
  }

  /**
   * Compares what a pool lists with what it must hold, and loads versions (all by default), comparing every byte. In a
   * pool with injuries it is found out which versions load; those that did before must.
   */
  async check(place: Place, versions?: readonly Version[]): Promise<void> {
    const { number, model, site } = place;
    if (!(await site.isThere())) return expectNotOpenable(site, number);
    await site.with('read', async (pool) => {
      await this.#checkListing(place, pool);
      const found = model.isSure ? versions : undefined;
      for (const version of found ?? model.versions.values()) {
        const verdict = await this.verdict(place, pool, version);
        if (version.whole && verdict !== 'exact') {
          const what = `${version.reference}@${short(version.id)} (${version.image})`;
          throw new Loss(`pool ${number}: ${what} does not load: ${verdict}`);
        }
        version.whole = verdict === 'exact';
      }
      model.isSure = !model.injured;
    });
  }

  async #checkListing({ number, model, site }: Place, pool: Pool): Promise<void> {
    const listing = await site.listing(pool);
    const present = new Set(await site.names('snapshots'));
    const expected = model.byReference();
    for (const [reference, versions] of listing) {
      const ids = versions.map(({ snapshotId }) => snapshotId);
      // Only where files are damaged may a version be unreadable, and then its file is still there.
      const wanted = (expected.get(reference) ?? [])
        .map(({ id }) => id)
        .filter((id) => !(model.injured && present.has(id)) || ids.includes(id));
      if (ids.join() !== wanted.join())
        throw new Loss(`pool ${number}, ${reference}: ${differ(wanted, ids)}`);
      this.tally.versionsListed += ids.length;
    }
    for (const [reference, versions] of expected) {
      const gone = versions.filter(({ id }) => !(model.injured && present.has(id)));
      if (!listing.has(reference) && gone.length > 0)
        throw new Loss(`pool ${number} has lost ${reference}: ${gone.map(({ id }) => short(id)).join(' ')}`);
    }
  }

  /** `exact`, or the code of the refusal. Other bytes are a loss whatever the model says. */
  async verdict({ number, site }: Place, pool: Pool, version: Version): Promise<string> {
    const loaded = await site.load(pool, `${version.reference}@${version.id}`, this.context());
    if (typeof loaded === 'string') {
      // Somebody else may have removed it in the meantime; who knows better calls that a loss.
      if (loaded === 'SNAPSHOT_NOT_FOUND')
        throw new DbupError(loaded, `pool ${number} has no ${short(version.id)}`);
      if (loaded !== 'POOL_INCOMPLETE' && loaded !== 'POOL_DAMAGED')
        throw new Loss(`pool ${number}: ${version.reference}@${short(version.id)} fails with ${loaded}`);
      this.tally.loadsRefused++;
      return loaded;
    }
    const [image, edition] = version.image.split('-').map(Number);
    const { bytes } = this.shelf.archive(image!, edition!);
    if (Buffer.compare(loaded, bytes) !== 0)
      throw new Loss(`pool ${number}: ${version.reference}@${short(version.id)} comes back as other bytes`);
    this.tally.loadsExact++;
    return 'exact';
  }
}

/** The threads of all pools of a run. */
export class SharedWorkers implements AsyncDisposable {
  workers = new BlockWorkers(1);

  async renew(): Promise<void> {
    await this.workers.close();
    this.workers = new BlockWorkers(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.workers.close();
  }
}

/** In memory where that is possible: the model test asks what is lost, not what a disk does. */
export function modelDirectory(): string {
  return process.env.DBUP_MODEL_DIR ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
}

/** The archives that are saved, in a directory of their own. */
export async function makeShelf(
  parent: string,
  seed: number,
): Promise<{ shelf: ImageShelf; directory: string }> {
  const directory = await mkdtemp(join(parent, 'dbup-shelf-'));
  return { shelf: await ImageShelf.create(directory, seed), directory };
}

export function short(id: string): string {
  return id.slice(0, 8);
}

/** What is said of a directory that is no pool yet, or one of which the descriptor has not arrived whole. */
export const NOT_THERE: ReadonlySet<string> = new Set([
  'NO_POOL',
  'POOL_INCOMPLETE',
  'POOL_DAMAGED',
  'OUTPUT_EXISTS',
]);

async function expectNotOpenable(site: PoolSite, number: number): Promise<void> {
  const code = await site.listing().then(
    () => 'no error',
    (error: unknown) => (error instanceof DbupError ? error.code : String(error)),
  );
  if (!NOT_THERE.has(code)) throw new Loss(`pool ${number} is none, but ls says ${code}`);
}

function differ(wanted: readonly string[], found: readonly string[]): string {
  const lost = wanted.filter((id) => !found.includes(id)).map(short);
  const strange = found.filter((id) => !wanted.includes(id)).map(short);
  if (lost.length + strange.length === 0)
    return `listed as ${found.map(short).join(' ')} instead of ${wanted.map(short).join(' ')}`;
  return `lost [${lost.join(' ')}], has [${strange.join(' ')}] that it must not have`;
}
