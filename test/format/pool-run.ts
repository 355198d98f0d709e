import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { quietContext } from '../../src/core/context.js';
import { load } from '../../src/operations/load.js';
import { type SaveResult, type SaveSource, save } from '../../src/operations/save.js';
import { openOrCreatePool, openPool } from '../../src/pool/pool.js';

export const EXTRACT = fileURLToPath(new URL('../../tools/dbup-extract.mjs', import.meta.url));

/** Frozen by vectors of their own; all else the reader does for itself. */
export const ENCODERS = fileURLToPath(
  new URL('../../dist/compress/exact/encoder-registry.js', import.meta.url),
);

/** Runs `work` with a directory of its own, gone afterwards. */
export async function withDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'dbup-format-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What dbup itself gives back: the saved archive, whole. */
export async function loadArchive(pool: string, reference: string): Promise<Uint8Array> {
  const opened = await openPool(pool, { access: 'read', cacheRoot: null, threads: 1 });
  try {
    return await withDirectory(async (directory) => {
      const path = join(directory, 'out.tar');
      const sink = { kind: 'file', path, format: 'saved' } as const;
      const { asSaved } = await load(opened, reference, sink, { wholeArchive: true }, quietContext());
      if (!asSaved) throw new Error('dbup made another archive than the saved one');
      return await readFile(path);
    });
  } finally {
    await opened.close();
  }
}

/** Saves bytes as an archive file, at a time of the caller's choice. */
export async function saveArchiveBytes(
  pool: string,
  bytes: Uint8Array,
  options: { as?: string; timeMs?: number } = {},
): Promise<SaveResult> {
  return await withDirectory(async (directory) => {
    const path = join(directory, 'in.tar');
    await writeFile(path, bytes);
    return await saveSource(pool, { kind: 'archive', path }, options);
  });
}

export async function saveSource(
  pool: string,
  source: SaveSource,
  { as, timeMs }: { as?: string; timeMs?: number } = {},
): Promise<SaveResult> {
  const opened = await openOrCreatePool(pool, { access: 'append', cacheRoot: null, threads: 1 });
  try {
    const context = quietContext(timeMs === undefined ? {} : { now: () => timeMs });
    return await save(opened, source, as === undefined ? {} : { as }, context);
  } finally {
    await opened.close();
  }
}

export interface ExtractRun {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

export function runExtract(...words: string[]): ExtractRun {
  const { status, stdout, stderr } = spawnSync(process.execPath, [EXTRACT, ...words], { encoding: 'utf8' });
  return { exitCode: status, stdout, stderr };
}

/** What the independent reader gives back. */
export async function extractArchive(pool: string, reference: string): Promise<Uint8Array> {
  return await withDirectory(async (directory) => {
    const path = join(directory, 'out.tar');
    const { exitCode, stderr } = runExtract(pool, reference, '--archive', '--encoders', ENCODERS, path);
    if (exitCode !== 0) throw new Error(`dbup-extract ended with ${exitCode}: ${stderr}`);
    return await readFile(path);
  });
}
