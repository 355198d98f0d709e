import { listNames, readSnapshotFile } from '../catalog/catalog.js';
import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { ParityCopy, ParityMember } from '../format/parity.js';
import { makeCopy, type ParityFile, readParityFiles } from '../pool/parity-file.js';
import type { Pool } from '../pool/pool.js';
import { readPoolFile } from '../pool/read-pool-file.js';
import { shortName } from '../store/pack-file.js';

/** A set is not made larger: what is computed anew when one of its packs goes stays bounded. */
const SET_BYTES = 1024 * 1024 * 1024;
const SET_PACKS = 4096;
const SET_COPY_BYTES = 16 * 1024 * 1024;
/** More sets than this below that size are made into one: larger sets can give back whole packs. */
const MOST_SMALL_SETS = 8;
const SMALL_SET_BYTES = 64 * 1024 * 1024;

/** A file that parity cannot be made of, because it is not what its name says. */
export interface LeftOut {
  /** Relative to the pool. */
  file: string;
  message: string;
}

/** What is to be done to protect a pool. */
export interface ProtectPlan {
  /** Parity files that stay. */
  kept: ParityFile[];
  /** Names of those that go once the new ones are there. */
  remove: string[];
  /** What new ones are to cover, each a set. */
  sets: { members: ParityMember[]; copies: ParityCopy[] }[];
  leftOut: LeftOut[];
}

/** Finds what no sound parity file of that share covers yet. Packs and snapshots are read to see that they are what their names say. */
export async function planProtection(
  pool: Pool,
  sharePercent: number,
  context: OperationContext,
): Promise<ProtectPlan> {
  const { files, unusable } = await readParityFiles(pool);
  const sizes = await packSizes(pool);
  const isGood = ({ damage, set }: ParityFile): boolean =>
    damage === null &&
    set.sharePercent === sharePercent &&
    set.members.every(({ name, sizeBytes }) => sizes.get(name) === sizeBytes);
  let kept = files.filter(isGood);
  let work = await findUncovered(pool, kept, sizes);
  const small = kept.filter(isSmall);
  if (small.length + (work.isNeeded ? 1 : 0) > MOST_SMALL_SETS) {
    kept = kept.filter((file) => !isSmall(file));
    work = await findUncovered(pool, kept, sizes);
  }
  const leftOut: LeftOut[] = [];
  const members = await soundPacks(pool, work.packs, leftOut, context);
  const copies = await copiesOf(pool, work, leftOut, context);
  const keptNames = new Set(kept.map(({ name }) => name));
  const remove = [...files, ...unusable].map(({ name }) => name).filter((name) => !keptNames.has(name));
  return { kept, remove, sets: group(members, copies), leftOut };
}

function isSmall({ set }: ParityFile): boolean {
  return set.members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) < SMALL_SET_BYTES;
}

async function packSizes({ fs, layout }: Pool): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const name of (await listNames(fs, layout.packsDirectory)).sort()) {
    const info = await fs.info(layout.packPath(name));
    if (info) sizes.set(name, info.isFile ? info.sizeBytes : 0);
  }
  return sizes;
}

interface Uncovered {
  packs: ParityMember[];
  snapshots: string[];
  isDescriptorCovered: boolean;
  isNeeded: boolean;
}

async function findUncovered(
  { fs, layout, descriptor }: Pool,
  kept: readonly ParityFile[],
  sizes: ReadonlyMap<string, number>,
): Promise<Uncovered> {
  const covered = new Set(kept.flatMap(({ set }) => set.members.map(({ name }) => name)));
  const copied = kept.flatMap(({ set }) => set.copies);
  const copiedSnapshots = new Set(copied.filter(({ kind }) => kind === 'snapshot').map(({ name }) => name));
  const packs = [...sizes]
    .filter(([name]) => !covered.has(name))
    .map(([name, sizeBytes]) => ({ name, sizeBytes }));
  const snapshots = (await listNames(fs, layout.snapshotsDirectory))
    .filter((name) => !copiedSnapshots.has(name))
    .sort();
  const isDescriptorCovered = descriptor === null || copied.some(({ kind }) => kind === 'descriptor');
  const isNeeded = packs.length > 0 || snapshots.length > 0 || !isDescriptorCovered;
  return { packs, snapshots, isDescriptorCovered, isNeeded };
}

/** Parity of damage would make it look right. */
async function soundPacks(
  { layout, workers }: Pool,
  packs: readonly ParityMember[],
  leftOut: LeftOut[],
  context: OperationContext,
): Promise<ParityMember[]> {
  const sound: ParityMember[] = [];
  const task = 'checking packs';
  const totalBytes = packs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let doneBytes = 0;
  context.report({ type: 'start', task, subject: `${packs.length} packs`, totalBytes });
  const running: { pack: ParityMember; hex: Promise<string | null> }[] = [];
  let next = 0;
  while (sound.length + leftOut.length < packs.length) {
    throwIfInterrupted(context.signal);
    for (; next < packs.length && running.length < workers.threads + 1; next++) {
      const pack = packs[next]!;
      running.push({ pack, hex: hashPack(workers, layout.packPath(pack.name), pack.sizeBytes) });
    }
    const { pack, hex } = running.shift()!;
    if ((await hex) === pack.name) sound.push(pack);
    else {
      const message = `pack ${shortName(pack.name)} is damaged: its contents are not what its name says`;
      leftOut.push({ file: `packs/${pack.name}`, message });
    }
    doneBytes += pack.sizeBytes;
    context.report({ type: 'bytes', task, doneBytes, totalBytes });
  }
  context.report({ type: 'end', task });
  return sound;
}

async function hashPack(workers: Pool['workers'], path: string, sizeBytes: number): Promise<string | null> {
  if (sizeBytes === 0) return null;
  try {
    return await workers.hashFile(path, 0, sizeBytes);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'TRUNCATED' || code === 'EIO' || code === 'ENOENT') return null;
    throw error;
  }
}

async function copiesOf(
  { fs, layout, descriptor }: Pool,
  { snapshots, isDescriptorCovered }: Uncovered,
  leftOut: LeftOut[],
  context: OperationContext,
): Promise<ParityCopy[]> {
  const copies: ParityCopy[] = [];
  for (const name of snapshots) {
    throwIfInterrupted(context.signal);
    try {
      const body = await readSnapshotFile(fs, layout, name);
      if (body) copies.push(makeCopy('snapshot', body));
    } catch (error) {
      if (!(error instanceof DbupError)) throw error;
      leftOut.push({ file: `snapshots/${name}`, message: error.message });
    }
  }
  if (!isDescriptorCovered && descriptor !== null) {
    const bytes = await readPoolFile(fs, layout.descriptorPath, LIMITS.descriptorBytes);
    if (bytes) copies.push(makeCopy('descriptor', bytes));
  }
  return copies;
}

/** Sets of about equal size, none above the bounds but for one pack that is. */
function group(members: readonly ParityMember[], copies: readonly ParityCopy[]): ProtectPlan['sets'] {
  const totalBytes = members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const count = Math.max(1, Math.ceil(totalBytes / SET_BYTES), Math.ceil(members.length / SET_PACKS));
  const sets: ProtectPlan['sets'] = [];
  let current: ProtectPlan['sets'][number] = { members: [], copies: [] };
  let bytes = 0;
  let copyBytes = 0;
  const close = (): void => {
    if (current.members.length + current.copies.length > 0) sets.push(current);
    current = { members: [], copies: [] };
    bytes = 0;
    copyBytes = 0;
  };
  for (const copy of copies) {
    if (copyBytes > 0 && copyBytes + copy.stored.length > SET_COPY_BYTES) close();
    current.copies.push(copy);
    copyBytes += copy.stored.length;
  }
  for (const member of members) {
    current.members.push(member);
    bytes += member.sizeBytes;
    if (bytes >= totalBytes / count || current.members.length >= SET_PACKS) close();
  }
  close();
  return sets;
}
