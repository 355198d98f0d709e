import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DbupError, toDbupError } from '../core/errors.js';
import type { Estimate } from '../operations/estimate.js';
import type { Pool } from '../pool/pool.js';
import { formatBytes, formatCount, formatDuration } from '../ui/format-units.js';
import { errorFields } from '../ui/output.js';
import { renderFields } from '../ui/table.js';
import { type Call, defineCommand, type Outcome } from './command.js';
import { openPoolFor } from './open-pool.js';
import {
  parseSaveRequest,
  SAVE_ARGUMENTS,
  SAVE_OPTIONS,
  type SaveFlags,
  type SaveItem,
  type SaveRequest,
  withSaveSource,
} from './save-request.js';

type Estimated = { item: SaveItem; result: Estimate; durationMs: number };
type Failed = { item: SaveItem; error: DbupError };

export const estimateCommand = defineCommand<SaveFlags, SaveRequest>({
  name: 'estimate',
  summary: 'tell what a save would add to the pool, without adding it',
  details: [
    'IMAGE and the options are those of `dbup save`, and all of its work is done, deltas and compression included,',
    'but for the writing: the pool, which may be read-only, stays as it is, and the figures are those of the save.',
    'Several images are each measured against the pool as it is; what they share is then counted for each, so that',
    'their sum is the most that saving all of them adds. Where there is no pool yet, an empty one is taken.',
  ].join('\n'),
  arguments: SAVE_ARGUMENTS,
  options: SAVE_OPTIONS,
  examples: [
    { command: 'dbup estimate app:1.0', does: 'what saving an image of the engine would add' },
    { command: 'dbup estimate -i app.tar --level 12', does: 'a tar, at another level' },
    { command: 'docker save app:1.0 | dbup estimate -i -', does: 'the same without the file' },
    { command: 'dbup estimate oci:build/layout:1.0 --json', does: 'an OCI layout, for programs' },
  ],
  access: 'none',
  parse: (args, flags) => parseSaveRequest(args, flags, 'estimate'),
  run: estimateAll,
});

async function estimateAll(request: SaveRequest, call: Call): Promise<Outcome> {
  const { items } = request;
  const { estimate } = await import('../operations/estimate.js');
  return withPool(call, async (pool, poolExists) => {
    const done: Estimated[] = [];
    const failed: Failed[] = [];
    for (const item of items) {
      try {
        const startMs = performance.now();
        const result = await withSaveSource(item, request, call, (source, options) =>
          estimate(pool, source, options, call.context),
        );
        done.push({ item, result, durationMs: performance.now() - startMs });
      } catch (error) {
        if (items.length === 1 || call.context.signal.aborted) throw error;
        const upgraded = toDbupError(error, `measuring ${item.name}`);
        failed.push({ item, error: upgraded });
        const { hint } = upgraded;
        const message = `${item.name} was not measured: ${upgraded.message} (${upgraded.code})`;
        call.context.report({ type: 'warning', message, ...(hint !== undefined && { hint }) });
      }
    }
    return outcomeOf(done, failed, poolExists);
  });
}

/** Where there is no pool, an empty one of the same kind as a first save makes stands in for it, elsewhere. */
async function withPool<T>(call: Call, work: (pool: Pool, exists: boolean) => Promise<T>): Promise<T> {
  const { poolDirectory } = call.settings;
  try {
    const pool = await openPoolFor(call, 'read');
    return await work(pool, true).finally(() => pool.close());
  } catch (error) {
    if (!(error instanceof DbupError) || error.code !== 'NO_POOL' || !(await isVacant(poolDirectory)))
      throw error;
  }
  const directory = await mkdtemp(join(tmpdir(), 'dbup-estimate-')).catch((error: unknown) => {
    throw toDbupError(error, `making a temporary directory in ${tmpdir()}`);
  });
  try {
    const settings = { ...call.settings, poolDirectory: join(directory, 'pool'), cacheRoot: directory };
    const pool = await openPoolFor({ ...call, settings }, 'append', { createsPool: true });
    return await work(pool, false).finally(() => pool.close());
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** True where a first save would make a pool. */
async function isVacant(directory: string): Promise<boolean> {
  const names = await readdir(directory).catch(() => []);
  return names.length === 0;
}

function outcomeOf(done: readonly Estimated[], failed: readonly Failed[], poolExists: boolean): Outcome {
  if (done.length === 0) throw noneMeasured(failed);
  const newBytes = done.reduce((sum, { result }) => sum + result.newBytes, 0);
  const lines = done.flatMap(linesOf);
  if (!poolExists) lines.push('There is no pool yet; these are the figures of a first save.');
  if (done.length > 1) lines.push(`All of them: at most ${formatBytes(newBytes)}`);
  return {
    json: {
      sources: done.map(({ item, result, durationMs }) => {
        const { stored, ...rest } = result;
        return { source: item.name, ...rest, ...stored, durationMs: Math.round(durationMs) };
      }),
      newBytes,
      poolExists,
      failed: failed.map(({ item, error }) => ({ source: item.name, error: errorFields(error) })),
    },
    lines,
    quietLines: done.map(({ result }) => String(result.newBytes)),
    ...(failed.length > 0 && { failure: partial(failed, done.length + failed.length) }),
  };
}

function linesOf({ result, durationMs }: Estimated): string[] {
  const { images, newBytes, sourceBytes, stored } = result;
  const names = images.map(({ reference }) => reference).join(', ');
  const { dataBytes, deltaBytes, skeletonBytes, recipeBytes } = stored.blocks;
  const storedBytes = dataBytes + deltaBytes + skeletonBytes + recipeBytes;
  if (images.every(({ alreadySaved }) => alreadySaved) && newBytes === 0)
    return [`${names}: saved already, nothing would be added; ${formatDuration(durationMs)}`];
  return [
    `${names}: would add ${formatBytes(newBytes)}; read ${formatBytes(sourceBytes)}, ${formatDuration(durationMs)}`,
    ...renderFields([
      ['New', `${formatCount(stored.newChunks, 'chunk')}, ${formatBytes(stored.newPlainBytes)}`],
      ['Stored as', `${formatBytes(storedBytes)}: ${partsOf(stored.blocks)}`],
      [
        'Around it',
        `footers ${formatBytes(stored.footerBytes)}, snapshots ${formatBytes(stored.snapshotBytes)}`,
      ],
      ['Known', describeKnown(stored)],
    ]).map((line) => `  ${line}`),
  ];
}

function partsOf({
  dataBytes,
  deltaBytes,
  skeletonBytes,
  recipeBytes,
}: Estimate['stored']['blocks']): string {
  return [
    `file data ${formatBytes(dataBytes)}`,
    `deltas ${formatBytes(deltaBytes)}`,
    `skeletons ${formatBytes(skeletonBytes)}`,
    `recipes ${formatBytes(recipeBytes)}`,
  ].join(', ');
}

function describeKnown({
  knownChunks,
  knownChunkBytes,
  knownBlobs,
  knownBlobBytes,
}: Estimate['stored']): string {
  const chunks = `${formatCount(knownChunks, 'chunk')}, ${formatBytes(knownChunkBytes)}`;
  return knownBlobs === 0
    ? chunks
    : `${chunks}; ${formatCount(knownBlobs, 'whole layer or document', 'whole layers and documents')}, ${formatBytes(knownBlobBytes)}`;
}

function partial(failed: readonly Failed[], itemCount: number): DbupError {
  return new DbupError('PARTIAL', `${failed.length} of ${itemCount} were not measured`, {
    hint: 'The reason of each failure stands above.',
    details: { failed: failed.map(({ item }) => item.name) },
  });
}

function noneMeasured(failed: readonly Failed[]): DbupError {
  return new DbupError(
    failed[0]?.error.code ?? 'INTERNAL',
    `none of the ${failed.length} images was measured`,
    {
      hint: 'Each reason stands above.',
      details: {
        failed: failed.map(({ item, error }) => ({ source: item.name, error: errorFields(error) })),
      },
    },
  );
}
