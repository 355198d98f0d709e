import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { coveredBytes } from '../format/parity.js';
import { xxh64 } from '../hash/xxh64.js';
import { DurableFile } from '../store/durable-file.js';
import { type OpenFile, readFully } from '../store/file-system.js';
import { SpoolFile } from '../store/spool-file.js';
import type { ParityFile } from './parity-file.js';
import { ParityVolume } from './parity-volume.js';
import type { ParityParts } from './parity-writer.js';

/** Stripes that are put right together, where the same cells of them are bad. */
const RUN_BYTES = 64 * 1024;
const COPY_BYTES = 1024 * 1024;

/** A pack that was written anew from parity. */
export interface HealedPack {
  name: string;
  sizeBytes: number;
  /** Bytes of cells that had to be computed. */
  healedBytes: number;
}

/**
 * Writes packs anew that a parity file covers and that are damaged or gone, as far as each stripe has enough good cells.
 * What comes out is compared with the pack's name before it appears. Healed cells are put aside on disk; memory is
 * bounded by 64 KiB of each shard.
 */
export class ParityHealer {
  readonly #parts: ParityParts;
  readonly #file: ParityFile;
  readonly #volume: ParityVolume;
  /** Number of a data cell (shard by shard) to its place in the spool. */
  readonly #healed = new Map<number, number>();
  #spool: SpoolFile | null = null;

  constructor(parts: ParityParts, file: ParityFile) {
    this.#parts = parts;
    this.#file = file;
    this.#volume = new ParityVolume(parts, file.set.members, false);
  }

  /** @param names of packs of the set. @returns those that are whole now */
  async heal(names: ReadonlySet<string>): Promise<HealedPack[]> {
    const { fs, layout, context } = this.#parts;
    const { set, name } = this.#file;
    const packs: HealedPack[] = [];
    const parity = await fs.openRead(layout.parityPath(name));
    try {
      this.#spool = await SpoolFile.create(fs, layout.temporaryDirectory);
      const stripes = new Set<number>();
      for (let member = 0; member < set.members.length; member++) {
        if (!names.has(set.members[member]!.name)) continue;
        for (const cell of await this.#badCells(member)) stripes.add(cell % set.stripes);
      }
      await this.#healStripes(
        [...stripes].sort((a, b) => a - b),
        parity,
      );
      const spool = await fs.openRead(this.#spool.path);
      try {
        for (let member = 0; member < set.members.length; member++) {
          throwIfInterrupted(context.signal);
          const healed = names.has(set.members[member]!.name) ? await this.#write(member, spool) : null;
          if (healed) packs.push(healed);
        }
      } finally {
        await spool.close();
      }
    } finally {
      await this.#volume.close();
      await this.#spool?.remove();
      await parity.close();
    }
    return packs;
  }

  /** Numbers of the cells of a pack that are not what the set's digests say. */
  async #badCells(member: number): Promise<number[]> {
    const { cellBytes, digests } = this.#file.set;
    const first = Math.floor(this.#volume.starts[member]! / cellBytes);
    const end = Math.ceil(this.#volume.starts[member + 1]! / cellBytes);
    const cell = new Uint8Array(cellBytes);
    const bad: number[] = [];
    for (let number = first; number < end; number++) {
      throwIfInterrupted(this.#parts.context.signal);
      await this.#volume.read(cell, number * cellBytes);
      if (xxh64(cell) !== digests[number]) bad.push(number);
    }
    return bad;
  }

  /** Puts what can be healed of some stripes into the spool, neighbours with the same bad cells together. */
  async #healStripes(stripes: readonly number[], parity: OpenFile): Promise<void> {
    const most = Math.max(1, Math.floor(RUN_BYTES / Math.max(1, this.#file.set.cellBytes)));
    let run: { stripe: number; cells: Uint8Array; present: boolean[] }[] = [];
    for (const stripe of stripes) {
      throwIfInterrupted(this.#parts.context.signal);
      const read = { stripe, ...(await this.#readStripe(stripe, parity)) };
      const isAlike = run[0]?.present.every((present, i) => present === read.present[i]) ?? true;
      if (!isAlike || run.length >= most) {
        await this.#reconstruct(run);
        run = [];
      }
      run.push(read);
    }
    if (run.length > 0) await this.#reconstruct(run);
  }

  async #readStripe(stripe: number, parity: OpenFile): Promise<{ cells: Uint8Array; present: boolean[] }> {
    const { dataShards, parityShards, cellBytes, stripes, digests } = this.#file.set;
    const cells = new Uint8Array((dataShards + parityShards) * cellBytes);
    const present: boolean[] = [];
    for (let shard = 0; shard < dataShards + parityShards; shard++) {
      const cell = cells.subarray(shard * cellBytes, (shard + 1) * cellBytes);
      if (shard < dataShards) await this.#volume.read(cell, (shard * stripes + stripe) * cellBytes);
      else {
        const at = this.#file.shardsAtBytes + ((shard - dataShards) * stripes + stripe) * cellBytes;
        // What cannot be read leaves zeros, and the digest tells.
        await readFully(parity, cell, at).catch(() => cell.fill(0));
      }
      present.push(xxh64(cell) === digests[shard * stripes + stripe]);
    }
    return { cells, present };
  }

  async #reconstruct(
    run: readonly { stripe: number; cells: Uint8Array; present: boolean[] }[],
  ): Promise<void> {
    const { dataShards, parityShards, cellBytes, stripes, digests } = this.#file.set;
    const { present } = run[0]!;
    if (present.filter(Boolean).length < dataShards) return;
    const shardBytes = run.length * cellBytes;
    const buffer = new SharedArrayBuffer((dataShards + parityShards) * shardBytes);
    const shards = new Uint8Array(buffer);
    const cellOf = (shard: number, i: number): Uint8Array =>
      shards.subarray(shard * shardBytes + i * cellBytes, shard * shardBytes + (i + 1) * cellBytes);
    run.forEach(({ cells }, i) => {
      for (let shard = 0; shard < dataShards + parityShards; shard++)
        cellOf(shard, i).set(cells.subarray(shard * cellBytes, (shard + 1) * cellBytes));
    });
    await this.#parts.workers.reconstruct({ buffer, dataShards, parityShards, shardBytes, present });
    for (const [i, { stripe }] of run.entries()) {
      for (let shard = 0; shard < dataShards; shard++) {
        const number = shard * stripes + stripe;
        if (present[shard] || xxh64(cellOf(shard, i)) !== digests[number]) continue;
        this.#healed.set(number, this.#spool!.sizeBytes);
        await this.#spool!.write(new Uint8Array(cellOf(shard, i)));
      }
    }
  }

  /** @returns null when the pack does not come out as its name says */
  async #write(member: number, spool: OpenFile): Promise<HealedPack | null> {
    const { fs, layout, context } = this.#parts;
    const { name, sizeBytes } = this.#file.set.members[member]!;
    const isDirectory = (await fs.info(layout.packPath(name)))?.isDirectory ?? false;
    if (isDirectory) return null;
    const file = await DurableFile.create(fs, layout.temporaryDirectory);
    try {
      const start = this.#volume.starts[member]!;
      let healedBytes = 0;
      for (let at = 0; at < sizeBytes; at += COPY_BYTES) {
        throwIfInterrupted(context.signal);
        const bytes = new Uint8Array(Math.min(COPY_BYTES, sizeBytes - at));
        await this.#volume.read(bytes, start + at);
        healedBytes += await this.#overlay(bytes, start + at, spool);
        await file.write(bytes);
      }
      return (await file.commitAs(layout.packsDirectory, name)) ? { name, sizeBytes, healedBytes } : null;
    } finally {
      await file.abort();
    }
  }

  /** Puts healed cells over bytes of the volume. @returns how many bytes */
  async #overlay(bytes: Uint8Array, startBytes: number, spool: OpenFile): Promise<number> {
    const { cellBytes } = this.#file.set;
    const cell = new Uint8Array(cellBytes);
    let count = 0;
    const end = Math.min(startBytes + bytes.length, coveredBytes(this.#file.set));
    for (let number = Math.floor(startBytes / cellBytes); number * cellBytes < end; number++) {
      const place = this.#healed.get(number);
      if (place === undefined) continue;
      if ((await readFully(spool, cell, place)) < cellBytes) continue;
      const from = Math.max(0, startBytes - number * cellBytes);
      const into = number * cellBytes + from - startBytes;
      const part = cell.subarray(from, Math.min(cellBytes, from + bytes.length - into));
      bytes.set(part, into);
      count += part.length;
    }
    return count;
  }
}

/** The packs of a set that are not there. */
export async function absentMembers(
  { fs, layout }: Pick<ParityParts, 'fs' | 'layout'>,
  { set }: ParityFile,
  context: OperationContext,
): Promise<string[]> {
  const absent: string[] = [];
  for (const { name } of set.members) {
    throwIfInterrupted(context.signal);
    if ((await fs.info(layout.packPath(name))) === null) absent.push(name);
  }
  return absent;
}
