import { type OperationContext, throwIfInterrupted } from '../core/context.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import type { ChunkCatalog } from '../pool/chunk-catalog.js';
import { readParityFiles } from '../pool/parity-file.js';
import type { Pool } from '../pool/pool.js';
import { shortName } from '../store/pack-file.js';
import type { Finding, ParitySummary } from './findings.js';
import { compareFileWithName } from './read-packs.js';

/** What the check of parity files came to. */
export interface ParityCheck {
  findings: Finding[];
  summary: ParitySummary;
  /** Those that tell of themselves, relative to the pool. */
  files: string[];
  /** Of those, how many were read whole. */
  filesRead: number;
}

/**
 * Checks the parity files of a pool: that each tells of itself in both places, and with `readData` that it is what its name
 * says. That some cover packs that are gone, or that packs are covered by none, is a note.
 * With a bound on time those are read that are due: none of them before packs that were checked longer ago.
 */
export async function checkParity(
  {
    pool,
    workers,
    chunks,
    context,
  }: {
    pool: Pool;
    workers: BlockWorkers;
    chunks: ChunkCatalog;
    context: OperationContext;
  },
  { readData, isTimeUp }: { readData: boolean; isTimeUp: (() => boolean) | null },
): Promise<ParityCheck> {
  const { files, unusable } = await readParityFiles(pool);
  const findings = unusable.map(({ name, error }) => damaged(name, error.message));
  const here = new Set([...chunks.packs, ...chunks.unusablePacks].map(({ name }) => name));
  const covered = new Set<string>();
  const stale: string[] = [];
  const isDue = dueFiles(pool, chunks, isTimeUp);
  let filesRead = 0;
  for (const { name, sizeBytes, set, damage } of files) {
    throwIfInterrupted(context.signal);
    const isRead = damage === null && readData && isDue(name);
    if (isRead) filesRead++;
    const misnamed = isRead
      ? await compareFileWithName(workers, pool.layout.parityPath(name), {
          name,
          sizeBytes,
          what: `parity file ${shortName(name)}`,
        })
      : null;
    if (isRead) pool.checks.record(`parity/${name}`, context.now(), []);
    const message = damage?.message ?? misnamed;
    if (message) findings.push(damaged(name, message));
    for (const member of set.members) if (here.has(member.name)) covered.add(member.name);
    if (set.members.some((member) => !here.has(member.name))) stale.push(name);
  }
  for (const name of stale) {
    const message = 'it covers packs that are gone, and heals less than it could: run `dbup parity`';
    findings.push(note(message, `parity/${name}`));
  }
  const bare = here.size - covered.size;
  if (files.length > 0 && bare > 0)
    findings.push(note(`${bare} pack(s) are covered by no parity file: run \`dbup parity\``));
  return {
    findings,
    summary: { files: files.length + unusable.length, packsCovered: covered.size },
    files: files.map(({ name }) => `parity/${name}`),
    filesRead,
  };
}

function dueFiles(
  { checks }: Pool,
  { packs }: ChunkCatalog,
  isTimeUp: (() => boolean) | null,
): (name: string) => boolean {
  if (!isTimeUp) return () => true;
  const checkedAt = checks.checkedAt();
  const packTimes = packs.map(({ name }) => checkedAt.get(`packs/${name}`) ?? 0);
  const oldest = packTimes.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY);
  return (name) => (checkedAt.get(`parity/${name}`) ?? 0) <= oldest && !isTimeUp();
}

function damaged(name: string, message: string): Finding {
  return { kind: 'parity-damaged', severity: 'damage', file: `parity/${name}`, message, images: [] };
}

function note(message: string, file?: string): Finding {
  return {
    kind: 'parity-incomplete',
    severity: 'note',
    ...(file !== undefined && { file }),
    message,
    images: [],
  };
}
