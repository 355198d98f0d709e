import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperationContext } from '../core/context.js';
import { DbupError, toDbupError } from '../core/errors.js';
import { BlockWorkers } from '../pool/block-workers.js';
import { buildChunkCatalog, type ChunkCatalog, openChunkCatalog } from '../pool/chunk-catalog.js';
import { makeNamesDurable } from '../pool/make-names-durable.js';
import { type DamagedBlock, PackRewriter } from '../pool/pack-rewriter.js';
import { openPool, type Pool } from '../pool/pool.js';
import { PackWriter } from '../store/pack-file.js';
import { healDescriptor } from './check-descriptor.js';
import type { Finding } from './findings.js';
import { inspectPool, type PoolInspection } from './inspect-pool.js';
import { removePacks, restoreSetAside } from './remove-packs.js';
import { copyChecked, depthsOverBases, planFetching, storePlain } from './repair-fetch.js';
import { healFromParity, remakeParity } from './repair-from-parity.js';
import { DEFAULT_LEVEL } from './save-session.js';

export interface RepairedFile {
  /** Relative to the pool. */
  file: string;
  /**
   * `replaced`: by the same file of the other pool. `added`: a pack of the other pool, or made
   * of its chunks, with what was missing or damaged.
   * `healed`: computed from parity, or a parity file made again.
   * `rewritten`: its good chunks moved to a new pack. `removed`: nothing of it is needed.
   */
  action: 'healed' | 'replaced' | 'added' | 'rewritten' | 'removed';
  sizeBytes: number;
}

export interface RepairResult {
  findingsBefore: Finding[];
  repaired: RepairedFile[];
  /** What is still wrong. */
  findingsAfter: Finding[];
  damaged: boolean;
  incomplete: boolean;
  /** Chunks that versions need and no usable pack holds even now. */
  stillMissing: number;
}

/**
 * Replaces what is damaged or missing: by what the pool's own parity files give back, and where another pool is named,
 * which need not be whole itself, by good copies from there. Each
 * file is hashed while it is written and appears only if it is what its name says. A damaged pack that nobody gives back is taken apart once all its needed chunks are somewhere else. The pool must be open exclusively;
 * all of it is read before and after. Ended at any point it leaves a pool that is no worse.
 * @throws DbupError USAGE when both are the same pool, NO_POOL and others for the other pool, DISK_FULL
 */
export async function repair(
  pool: Pool,
  otherPoolDirectory: string | null,
  context: OperationContext,
): Promise<RepairResult> {
  if (otherPoolDirectory !== null) await refuseSame(pool, otherPoolDirectory);
  const other =
    otherPoolDirectory === null
      ? null
      : await openPool(otherPoolDirectory, { access: 'read', cacheRoot: null, fs: pool.fs });
  try {
    return await repairFrom(pool, other, context);
  } catch (error) {
    throw toDbupError(error, `repairing the pool ${pool.layout.directory}`);
  } finally {
    await other?.close();
  }
}

async function refuseSame(pool: Pool, otherPoolDirectory: string): Promise<void> {
  const same = await realpath(otherPoolDirectory).then(
    (path) => path === pool.layout.directory,
    () => false,
  );
  if (!same) return;
  throw new DbupError('USAGE', `${otherPoolDirectory} is the pool to be repaired itself`, {
    hint: 'Name another copy of it.',
  });
}

async function repairFrom(pool: Pool, other: Pool | null, context: OperationContext): Promise<RepairResult> {
  const source = other && { pool: other, chunks: await openChunkCatalog(other.catalog) };
  // What a gc that was killed has set aside may be what is missing.
  await restoreSetAside(pool);
  await makeNamesDurable(pool);
  const repaired: RepairedFile[] = [];
  const tried = new Set<string>();
  let findingsBefore: Finding[] | null = null;
  // What is restored may name more that is missing; every round but the last puts some file in place.
  for (;;) {
    // Threads keep files open: fresh ones see what has been replaced.
    const workers = new BlockWorkers(pool.workers.threads, pool.fs.blocking);
    try {
      const options = { readData: true, seed: 0 };
      const inspection = await inspectPool(pool, workers, options, context);
      const { findings, trace } = inspection;
      findingsBefore ??= findings;
      const round = new RepairRound(pool, source, inspection, workers, tried, context);
      const descriptor = await healDescriptor(pool, other);
      if (descriptor) repaired.push(descriptor);
      const files = findings.some(({ severity }) => severity !== 'note') ? await round.run() : [];
      repaired.push(...files);
      if (files.length > 0 || descriptor) continue;
      // A row of the catalog may describe a file that has been replaced since.
      pool.catalog.reset();
      return {
        findingsBefore,
        repaired,
        findingsAfter: findings,
        damaged: findings.some(({ severity }) => severity === 'damage'),
        incomplete: findings.some(({ severity }) => severity === 'incomplete'),
        stillMissing: trace.missing.count,
      };
    } finally {
      await workers.close();
    }
  }
}

/** The other pool. */
interface RepairSource {
  pool: Pool;
  chunks: ChunkCatalog;
}

/** What can be done about one inspection's findings. */
class RepairRound {
  readonly #pool: Pool;
  readonly #source: RepairSource | null;
  readonly #inspection: PoolInspection;
  readonly #workers: BlockWorkers;
  /** Files that were copied or could not be: what is still wrong with one is not mended by copying it again. */
  readonly #tried: Set<string>;
  readonly #context: OperationContext;
  readonly #done: RepairedFile[] = [];

  constructor(
    pool: Pool,
    source: RepairSource | null,
    inspection: PoolInspection,
    workers: BlockWorkers,
    tried: Set<string>,
    context: OperationContext,
  ) {
    this.#pool = pool;
    this.#source = source;
    this.#inspection = inspection;
    this.#workers = workers;
    this.#tried = tried;
    this.#context = context;
  }

  async run(): Promise<RepairedFile[]> {
    const { findings, damagedSnapshots } = this.#inspection;
    const damagedIn = (directory: string): Set<string> =>
      new Set(
        findings.flatMap(({ severity, file }) =>
          severity === 'damage' && file?.startsWith(`${directory}/`)
            ? [file.slice(directory.length + 1)]
            : [],
        ),
      );
    const packs = damagedIn('packs');
    await this.#heal(packs, new Set(damagedSnapshots));
    const isHealed = (file: string): boolean => this.#done.some((done) => done.file === file);
    for (const name of damagedSnapshots)
      if (!isHealed(`snapshots/${name}`)) await this.#copy('snapshots', name, 'replaced');
    const unreplaced: string[] = [];
    for (const name of packs) {
      if (!isHealed(`packs/${name}`) && !(await this.#copy('packs', name, 'replaced'))) unreplaced.push(name);
    }
    await this.#addPacks(new Set(unreplaced));
    // What was copied changes what is needed and what is good: the next round takes packs apart.
    if (this.#done.length > 0) return this.#done;
    for (const name of unreplaced) await this.#takeApart(name);
    if (this.#done.length > 0) return this.#done;
    await this.#remakeParity(damagedIn('parity'));
    return this.#done;
  }

  /** Takes from the pool's own parity files what they give. */
  async #heal(packs: ReadonlySet<string>, snapshots: ReadonlySet<string>): Promise<void> {
    // A pack that was healed and is wrong all the same was made so: once is enough.
    const wanted = new Set([...packs].filter((name) => !this.#tried.has(`heal packs/${name}`)));
    const absentPacks = this.#inspection.trace.missing.count > 0;
    const wants = { packs: wanted, snapshots, absentPacks };
    for (const file of await healFromParity(this.#pool, wants, this.#context)) {
      this.#tried.add(`heal ${file.file}`);
      this.#done.push({ ...file, action: 'healed' });
    }
  }

  /** Last, when what parity covers is as good as it gets. */
  async #remakeParity(damaged: Set<string>): Promise<void> {
    for (const name of damaged) if (this.#tried.has(`parity/${name}`)) damaged.delete(name);
    if (damaged.size === 0) return;
    for (const name of damaged) this.#tried.add(`parity/${name}`);
    for (const file of await remakeParity(this.#pool, damaged, this.#context))
      this.#done.push({ ...file, action: 'healed' });
  }

  /** Copies a file of the other pool, if it is what its name says. */
  async #copy(
    directory: 'packs' | 'snapshots',
    name: string,
    action: RepairedFile['action'],
  ): Promise<boolean> {
    const file = join(directory, name);
    if (this.#source === null || this.#tried.has(file)) return false;
    this.#tried.add(file);
    const { fs, layout } = this.#source.pool;
    const info = await fs.info(join(layout.directory, file));
    const own = await this.#pool.fs.info(join(this.#pool.layout.directory, file));
    if (!info?.isFile || own?.isDirectory) return false;
    const sizeBytes = await copyChecked(this.#source.pool, this.#pool, { directory, name }, this.#context);
    if (sizeBytes === null) return false;
    this.#done.push({ file, action, sizeBytes });
    return true;
  }

  /** Fetches packs that hold missing chunks, or chunks of damaged packs that could not be replaced, and what these lean on. */
  async #addPacks(unreplaced: ReadonlySet<string>): Promise<void> {
    if (this.#source === null) return;
    const { pool: other, chunks: otherChunks } = this.#source;
    const { chunks } = this.#inspection;
    const fetching = planFetching(this.#inspection, otherChunks, unreplaced);
    const here = new Set([...chunks.packs, ...chunks.unusablePacks].map(({ name }) => name));
    for (const name of fetching.packs) if (!here.has(name)) await this.#copy('packs', name, 'added');
    const untried = [...fetching.chunks].filter((entry) => !this.#tried.has(`chunk ${entry}`));
    for (const entry of untried) this.#tried.add(`chunk ${entry}`);
    const parts = { pool: this.#pool, other, otherChunks, workers: this.#workers };
    const written = await storePlain(parts, untried, this.#context);
    for (const { name, sizeBytes } of written)
      this.#done.push({ file: join('packs', name), action: 'added', sizeBytes });
  }

  /** Moves the good chunks of a damaged pack to a new one when nothing that is needed would be lost with the rest. */
  async #takeApart(name: string): Promise<void> {
    const { chunks, trace, needsKnown } = this.#inspection;
    const packIndex = chunks.packs.findIndex((pack) => pack.name === name);
    if (packIndex < 0) {
      // Its footer cannot be read. If everything that is needed is elsewhere and good, so is what it held of that.
      if (needsKnown && trace.missing.count === 0 && !this.#isNeededHit())
        await this.#remove(name, 'removed');
      return;
    }
    if (trace.found.some(({ kind, pack }) => kind === 'recipe-damaged' && pack === name)) return;
    if (!this.#allGoodElsewhere(packIndex)) return;
    const written = await this.#copyGood(name);
    if (written !== null && !written.includes(name)) await this.#remove(name, 'rewritten');
  }

  /**
   * Copies what is good of a damaged pack. @returns the new packs; null when something could not be copied that was
   * not known to be bad: then the old pack must stay
   */
  async #copyGood(name: string): Promise<string[] | null> {
    const { fs, layout, packTargetBytes } = this.#pool;
    const { reading } = this.#inspection;
    // What leans on a damaged chunk is good where another pack has that chunk, too: so it is read from there.
    const chunks = this.#avoidingDamage();
    const packIndex = chunks.packs.findIndex((pack) => pack.name === name);
    const packs = new PackWriter(fs, layout, packTargetBytes);
    const workers = this.#workers;
    const parts = { fs, layout, workers, chunks, packs, level: DEFAULT_LEVEL, context: this.#context };
    const rewriter = new PackRewriter(parts);
    const known = new Set(
      reading.faults.flatMap(({ fault, address }) =>
        fault.pack === name ? [`${address.blockIndex}:${fault.kind}`] : [],
      ),
    );
    try {
      const damaged = await rewriter.copyFrom(packIndex, () => true);
      const isKnown = ({ address: { blockIndex }, error }: DamagedBlock): boolean =>
        error.details.base === undefined &&
        error.code === 'POOL_DAMAGED' &&
        (known.has(`${blockIndex}:block-damaged`) || known.has(`${blockIndex}:chunk-damaged`));
      if (!damaged.every(isKnown)) {
        await packs.abort();
        return null;
      }
      await rewriter.finish();
    } catch (error) {
      await packs.abort();
      throw error;
    }
    return packs.written.map((pack) => pack.name);
  }

  /** The packs of this pool, those with damage as the last to be read from. */
  #avoidingDamage(): ChunkCatalog {
    const { chunks, reading } = this.#inspection;
    const damaged = new Set(reading.faults.map(({ fault }) => fault.pack));
    return buildChunkCatalog([...chunks.packs], chunks.unusablePacks, damaged);
  }

  /** True when a chunk that is needed is damaged where the chunk table has it: any other file may hold its last good copy. */
  #isNeededHit(): boolean {
    const { chunks, reading, trace } = this.#inspection;
    if (trace.found.length > 0) return true;
    return reading.faults.some(({ fault }) =>
      fault.chunks.some((id) => trace.needs(chunks.table.find(Buffer.from(id, 'hex')))),
    );
  }

  /** True when each bad chunk of the pack is needed by nothing or has a good copy in another pack. */
  #allGoodElsewhere(packIndex: number): boolean {
    const { chunks, reading, trace, needsKnown } = this.#inspection;
    const bad = new Set<string>();
    const wanted = new Set<string>();
    for (const { fault, address } of reading.faults) {
      for (const id of fault.chunks) {
        bad.add(`${address.packIndex}:${id}`);
        if (address.packIndex !== packIndex) continue;
        const entry = chunks.table.find(Buffer.from(id, 'hex'));
        if (!needsKnown || trace.needs(entry)) wanted.add(id);
      }
    }
    // A copy that leans on damage is no good one.
    for (const { address, chunks: ids } of reading.derived)
      for (const id of ids) bad.add(`${address.packIndex}:${id}`);
    const depthsOver = depthsOverBases(chunks);
    chunks.packs.forEach(({ footer }, at) => {
      if (at === packIndex || wanted.size === 0) return;
      for (const { firstChunk, chunkCount, depth } of footer.blocks) {
        for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
          const id = Buffer.from(footer.chunkIds.subarray(chunk * 32, chunk * 32 + 32)).toString('hex');
          // Nor is one that lies too deep for what leans on it.
          if (!bad.has(`${at}:${id}`) && depth < (depthsOver.get(id) ?? Number.POSITIVE_INFINITY))
            wanted.delete(id);
        }
      }
    });
    return wanted.size === 0;
  }

  async #remove(name: string, action: 'removed' | 'rewritten'): Promise<void> {
    const { fs, layout } = this.#pool;
    const info = await fs.info(layout.packPath(name));
    if (info?.isDirectory) return;
    const { snapshotIds } = this.#inspection;
    await removePacks({ pool: this.#pool, snapshotIds }, [name], this.#context);
    this.#done.push({ file: join('packs', name), action, sizeBytes: info?.sizeBytes ?? 0 });
  }
}
