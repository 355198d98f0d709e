import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { BasePins } from '../pool/base-pins.js';
import { BlockBases, NO_BASE } from '../pool/block-bases.js';
import { BlockCache } from '../pool/block-cache.js';
import { releaseCostlyDeltas } from '../pool/delta-worth.js';
import { PackRecoder, type RecodedPack } from '../pool/pack-recoder.js';
import type { DamagedBlock } from '../pool/pack-rewriter.js';
import { PoolUse } from '../pool/pool-use.js';
import type { GcGrounds, GcPlan } from './gc-plan.js';
import { assertNothingLost, chooseNeeded, packsStillNeeded } from './gc-safety.js';
import { assertNoNewSnapshots, removePacks } from './remove-packs.js';

/** A pack below this part of the usual size is joined with others like it. */
const SMALL_PACK = 1 / 2;
/** A rewritten pack travels again with the next sync: what gets smaller by less than this part stays as it is. */
const LEAST_GAIN = 0.01;
/** Old packs are removed when so many usual ones, 1 GiB, have come together: the pool then never holds much more than that twice. */
const REMOVE_BATCH_PACKS = 32;

/** What became of the packs that were to be rewritten. */
export interface Rewriting {
  written: { name: string; sizeBytes: number }[];
  /** Packs whose chunks have moved and that are removed by now. */
  gone: string[];
  deltasReleased: number;
  leftDamaged: { name: string; message: string }[];
}

/**
 * Codes the packs of a plan anew at a level. Deltas that stopped paying become plain, what only they leaned on is
 * garbage then. A pack that would not get clearly smaller is not written; small ones are joined. Doing it again at
 * the same level writes nothing. Old packs go in batches, each after the new ones are durable and proven.
 * @throws DbupError as `executeGc`
 */
export async function repack(
  grounds: GcGrounds,
  plan: GcPlan,
  level: number,
  context: OperationContext,
): Promise<Rewriting> {
  return new Repacking(grounds, plan, level, context).run();
}

class Repacking {
  readonly #grounds: GcGrounds;
  readonly #level: number;
  readonly #context: OperationContext;
  readonly #pins: BasePins;
  readonly #cache: BlockCache;
  readonly #recoder: PackRecoder;
  readonly #use: PoolUse;
  readonly #packIndexes: number[];
  readonly #packTargetBytes: number;
  readonly #smallPackBytes: number;
  /** Packs that blocks still to be coded may lean on: these go last. */
  readonly #baseHolders: ReadonlySet<number>;
  readonly #result: Rewriting = { written: [], gone: [], deltasReleased: 0, leftDamaged: [] };
  /** Packs that stay as they are, as something in them cannot be read. */
  readonly #damaged = new Set<number>();
  readonly #written = new Set<string>();
  /** Of those written, the packs whose deltas were not decoded yet. */
  #unproven = new Set<string>();
  #small: number[] = [];
  #leaving: number[] = [];
  #leavingBytes = 0;

  constructor(grounds: GcGrounds, plan: GcPlan, level: number, context: OperationContext) {
    const { pool, chunks, reach } = grounds;
    const { fs, layout, workers, packTargetBytes } = pool;
    this.#grounds = grounds;
    this.#packTargetBytes = packTargetBytes;
    this.#smallPackBytes = packTargetBytes * SMALL_PACK;
    this.#level = level;
    this.#context = context;
    this.#pins = new BasePins(chunks, (entry) => reach.isNamed(entry));
    this.#baseHolders = baseHoldersOf(grounds, this.#pins);
    this.#cache = new BlockCache(layout, chunks, workers);
    this.#use = new PoolUse(chunks, (entry) => reach.has(entry));
    const names = new Set(plan.packs.rewrite.map(({ name }) => name));
    this.#packIndexes = [...chunks.packs.keys()].filter((i) => names.has(chunks.packs[i]!.name));
    const needs = (entry: number): boolean => this.#pins.has(entry);
    this.#recoder = new PackRecoder({
      ...{ fs, layout, workers, chunks, cache: this.#cache, level, context },
      choose: chooseNeeded(chunks, needs),
      leans: (address) => this.#pins.leans(address),
    });
  }

  async run(): Promise<Rewriting> {
    const { packs } = this.#grounds.chunks;
    await this.#releaseDeltas();
    const task = 'rewriting packs';
    const totalBytes = this.#packIndexes.reduce((sum, i) => sum + packs[i]!.sizeBytes, 0);
    let doneBytes = 0;
    this.#context.report({ type: 'start', task, subject: `${this.#packIndexes.length} packs`, totalBytes });
    for (const packIndex of this.#packIndexes) {
      throwIfInterrupted(this.#context.signal);
      if (this.#damaged.has(packIndex)) continue;
      if (this.#use.packBytes(packIndex) < this.#smallPackBytes) await this.#addSmall(packIndex);
      else await this.#recodeOne(packIndex);
      doneBytes += packs[packIndex]!.sizeBytes;
      this.#context.report({ type: 'bytes', task, doneBytes, totalBytes });
    }
    await this.#joinSmall(true);
    await this.#removeOld([...this.#leaving]);
    this.#context.report({ type: 'end', task });
    return this.#result;
  }

  async #releaseDeltas(): Promise<void> {
    const { pool, chunks } = this.#grounds;
    const { layout, workers } = pool;
    const task = 'weighing deltas';
    this.#context.report({ type: 'start', task, subject: `${this.#pins.blocks().length} delta blocks` });
    const { releasedCount, damaged } = await releaseCostlyDeltas(
      {
        ...{ layout, workers, chunks, cache: this.#cache, level: this.#level, context: this.#context },
        choose: chooseNeeded(chunks, (entry) => this.#pins.has(entry)),
      },
      this.#pins,
    );
    this.#result.deltasReleased = releasedCount;
    for (const block of damaged) this.#leaveDamaged(block);
    this.#context.report({ type: 'end', task });
  }

  /** What stays as it is goes on leaning on its bases, also where they were to go. */
  #leaveDamaged({ address: { packIndex }, error }: DamagedBlock): void {
    if (this.#damaged.has(packIndex)) return;
    this.#damaged.add(packIndex);
    this.#pins.restorePack(packIndex);
    const { name } = this.#grounds.chunks.packs[packIndex]!;
    this.#result.leftDamaged.push({ name, message: error.message });
  }

  async #recodeOne(packIndex: number): Promise<void> {
    const recoded = await this.#recoder.recode([packIndex]);
    if (recoded.newBytes < this.#smallPackBytes && !recoded.damaged) {
      await recoded.writer.abort();
      await this.#addSmall(packIndex);
      return;
    }
    await this.#settle([packIndex], recoded);
  }

  async #addSmall(packIndex: number): Promise<void> {
    this.#small.push(packIndex);
    const bytes = this.#small.reduce((sum, small) => sum + this.#use.packBytes(small), 0);
    if (bytes >= this.#packTargetBytes) await this.#joinSmall(false);
  }

  /** @param isLast false where a pack that is still small may wait for more */
  async #joinSmall(isLast: boolean): Promise<void> {
    while (this.#small.length > 0) {
      const recoded = await this.#recoder.recode(this.#small);
      const { damaged } = recoded;
      if (damaged) {
        await this.#settle([damaged.address.packIndex], recoded);
        this.#small = this.#small.filter((packIndex) => packIndex !== damaged.address.packIndex);
        continue;
      }
      if (!isLast && recoded.newBytes < this.#smallPackBytes) {
        await recoded.writer.abort();
        return;
      }
      const joined = this.#small;
      this.#small = [];
      await this.#settle(joined, recoded);
    }
  }

  /** Takes what packs have become in their place, if that is worth it. */
  async #settle(packIndexes: readonly number[], recoded: RecodedPack): Promise<void> {
    const { packs } = this.#grounds.chunks;
    const { writer, changed, forced, oldBytes, newBytes, damaged } = recoded;
    const worthwhile = packIndexes.length > 1 || forced || newBytes <= oldBytes * (1 - LEAST_GAIN);
    if (damaged || !changed || !worthwhile) {
      await writer.abort();
      if (damaged) this.#leaveDamaged(damaged);
      return;
    }
    try {
      await writer.finishPack();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    for (const pack of writer.written) {
      this.#result.written.push(pack);
      this.#written.add(pack.name);
      this.#unproven.add(pack.name);
    }
    this.#leaving.push(...packIndexes);
    this.#leavingBytes += packIndexes.reduce((sum, packIndex) => sum + packs[packIndex]!.sizeBytes, 0);
    if (this.#leavingBytes < REMOVE_BATCH_PACKS * this.#packTargetBytes) return;
    await this.#removeOld(this.#leaving.filter((packIndex) => !this.#baseHolders.has(packIndex)));
    this.#leavingBytes = 0;
  }

  async #removeOld(packIndexes: readonly number[]): Promise<void> {
    this.#leaving = this.#leaving.filter((packIndex) => !packIndexes.includes(packIndex));
    const moved = await this.#withoutBasesOfDamaged(packIndexes);
    const names = moved.map((packIndex) => this.#grounds.chunks.packs[packIndex]!.name);
    const going = new Set(names.filter((name) => !this.#written.has(name)));
    this.#result.gone.push(...names);
    if (going.size === 0) return;
    await assertNoNewSnapshots(this.#grounds);
    const needs = (entry: number): boolean => this.#pins.has(entry);
    await assertNothingLost(this.#grounds, needs, { going, written: this.#unproven }, this.#context);
    this.#unproven = new Set();
    await removePacks(this.#grounds, [...going], this.#context);
  }

  /**
   * Those of packs that were rewritten whose chunks are all elsewhere. A pack that turned out to be damaged later leans on
   * what others have let go of: they stay, with what they lean on in their turn.
   */
  async #withoutBasesOfDamaged(packIndexes: readonly number[]): Promise<number[]> {
    let moved = [...packIndexes];
    while (this.#damaged.size > 0) {
      const { chunks } = this.#grounds;
      const going = new Set(
        moved.map((i) => chunks.packs[i]!.name).filter((name) => !this.#written.has(name)),
      );
      const needed = await packsStillNeeded(this.#grounds, (entry) => this.#pins.has(entry), going);
      if (needed.size === 0) break;
      moved = moved.filter((packIndex) => !needed.has(packIndex));
      for (const packIndex of needed) this.#pins.restorePack(packIndex);
    }
    return moved;
  }
}

/** The packs in which something lies that a delta block leans on, also one that is to be plain. */
function baseHoldersOf({ chunks }: GcGrounds, pins: BasePins): Set<number> {
  const bases = new BlockBases(chunks);
  const holders = new Set<number>();
  for (const address of pins.blocks()) {
    bases.forEach(address, (base) => {
      if (base !== NO_BASE) holders.add(chunks.table.packIndex(base));
    });
  }
  return holders;
}
