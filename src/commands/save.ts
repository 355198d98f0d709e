import { stat } from 'node:fs/promises';
import { DbupError, toDbupError } from '../core/errors.js';
import type { SaveResult, SaveSource } from '../operations/save.js';
import type { SavedImage } from '../operations/saved-image.js';
import { formatBytes, formatDuration, formatShare, shortId } from '../ui/format-units.js';
import { errorFields } from '../ui/output.js';
import { defineCommand, type Outcome, type PoolCall } from './command.js';
import { leftOutFailure, parityLines } from './parity.js';
import {
  parseSaveRequest,
  SAVE_ARGUMENTS,
  SAVE_OPTIONS,
  type SaveFlags,
  type SaveItem,
  type SaveRequest,
  withSaveSource,
} from './save-request.js';
import { PARITY_SETTING } from './settings.js';
import { SHARE_OPTION } from './share-option.js';

type SavedItem = { item: SaveItem; result: SaveResult; durationMs: number };
type FailedItem = { item: SaveItem; error: DbupError };

export const saveCommand = defineCommand<SaveFlags, SaveRequest>({
  name: 'save',
  summary: 'save images into the pool, which is made at the first save',
  details: [
    'IMAGE is an image of the docker engine, or an address as skopeo spells it: docker-daemon:IMAGE,',
    'docker-archive:FILE[:reference], oci-archive:FILE[:reference] or oci:DIR[:tag]. Several are saved one after',
    'the other; one that fails does not stop the others, and the exit code is then 3.',
  ].join('\n'),
  arguments: SAVE_ARGUMENTS,
  options: [...SAVE_OPTIONS, { flags: PARITY_SETTING.flags, does: PARITY_SETTING.does }, SHARE_OPTION],
  examples: [
    { command: 'dbup save app:1.0 db:16', does: 'two images of the engine' },
    {
      command: 'dbup save -i app.tar --parity 10%',
      does: 'a tar of `docker save`, protected against damage of the disk',
    },
    { command: 'docker save app:1.0 | dbup save -i -', does: 'the same without the file' },
    { command: 'dbup save oci:build/layout:1.0 --as app:1.0', does: 'an OCI layout, under another name' },
  ],
  access: 'append',
  createsPool: true,
  parse: (args, flags) => parseSaveRequest(args, flags, 'save'),
  run: saveAll,
});

async function saveAll(request: SaveRequest, call: PoolCall): Promise<Outcome> {
  const { items } = request;
  const saved: SavedItem[] = [];
  const failed: FailedItem[] = [];
  let { pool } = call;
  for (const [at, item] of items.entries()) {
    try {
      const startMs = performance.now();
      const result = await saveItem(item, request, { ...call, pool });
      saved.push({ item, result, durationMs: performance.now() - startMs });
    } catch (error) {
      if (items.length === 1 || call.context.signal.aborted) throw error;
      const upgraded = toDbupError(error, `saving ${item.name}`);
      failed.push({ item, error: upgraded });
      const { hint } = upgraded;
      const message = `${item.name} was not saved: ${upgraded.message} (${upgraded.code})`;
      call.context.report({ type: 'warning', message, ...(hint !== undefined && { hint }) });
      // A save that failed may have given the pool's lock away.
      if (at < items.length - 1) pool = await call.reopenPool();
    }
  }
  const outcome = outcomeOf(saved, failed);
  if (call.settings.parityPercent === 0) return outcome;
  // The pool of a save that failed may only be closed.
  if (failed.length > 0) pool = await call.reopenPool();
  return withParity(outcome, { ...call, pool });
}

/** Protects what was saved. It stays saved when that fails. */
async function withParity(outcome: Outcome, { pool, settings, context }: PoolCall): Promise<Outcome> {
  const { protect } = await import('../operations/protect.js');
  try {
    const parity = await protect(pool, { sharePercent: settings.parityPercent }, context);
    for (const { message } of parity.leftOut) context.report({ type: 'warning', message });
    const failure = outcome.failure ?? leftOutFailure(parity);
    const lines = [...outcome.lines, ...parityLines(parity)];
    return { ...outcome, json: { ...outcome.json, parity }, lines, ...(failure && { failure }) };
  } catch (error) {
    const failure = outcome.failure ?? toDbupError(error, 'protecting what was saved');
    return { ...outcome, json: { ...outcome.json, parity: null }, failure };
  }
}

async function saveItem(item: SaveItem, request: SaveRequest, call: PoolCall): Promise<SaveResult> {
  return withSaveSource(item, request, call, async (source, options) => {
    call.pool.workers.expect(await sizeOf(source));
    const { save } = await import('../operations/save.js');
    return save(call.pool, source, options, call.context);
  });
}

/** Of a file; 0 of what is not known before it is read, or is not there. */
async function sizeOf(source: SaveSource): Promise<number> {
  if (source.kind !== 'archive' || source.path === '-') return 0;
  const info = await stat(source.path).catch(() => null);
  return info?.isFile() ? info.size : 0;
}

function outcomeOf(saved: readonly SavedItem[], failed: readonly FailedItem[]): Outcome {
  if (saved.length === 0) throw noneSaved(failed);
  const images = saved.flatMap(({ result }) => result.images);
  const lines = saved.flatMap((entry) => linesOf(entry));
  return {
    json: {
      images: saved.flatMap(({ item, result, durationMs }) =>
        result.images.map((image) => ({ source: item.name, ...image, durationMs: Math.round(durationMs) })),
      ),
      newBytes: saved.reduce((sum, { result }) => sum + result.newBytes, 0),
      failed: failed.map(({ item, error }) => ({ source: item.name, error: errorFields(error) })),
    },
    lines,
    quietLines: images.map(({ reference, snapshotId }) => `${reference}@${shortId(snapshotId)}`),
    ...(failed.length > 0 && { failure: partial(failed, saved.length + failed.length) }),
  };
}

function linesOf({ result, durationMs }: SavedItem): string[] {
  const lines: string[] = [];
  for (const image of result.images) {
    const { reference, snapshotId, imageBytes, newBytes, newPlainBytes } = image;
    const layers = describeLayers(image);
    const reused = imageBytes > 0 ? Math.max(0, 1 - newPlainBytes / imageBytes) : 1;
    const time = formatDuration(durationMs);
    lines.push(
      image.alreadySaved
        ? `${reference}: already saved as ${shortId(snapshotId)}, ${addedToSaved(newBytes)}; image ${formatBytes(imageBytes)}, ${layers}, ${time}`
        : `${reference}: saved as ${shortId(snapshotId)}; image ${formatBytes(imageBytes)}, new ${formatBytes(newBytes)}, reused ${formatShare(reused)}, ${layers}, ${time}`,
    );
    if (image.absent.length > 0)
      lines.push(
        `  not saved of it: ${image.absent.map(shortId).join(', ')} (\`dbup show\` tells what they are)`,
      );
  }
  return lines;
}

function describeLayers({ layersExact, layersVerbatim, layerCount }: SavedImage): string {
  const kept = layersVerbatim > 0 ? ` (${layersVerbatim} kept compressed)` : '';
  return `layers exact ${layersExact}/${layerCount}${kept}`;
}

/** A version may be there while the pool lost some of its content: saving it again brings that back. */
function addedToSaved(newBytes: number): string {
  return newBytes === 0 ? 'nothing added' : `${formatBytes(newBytes)} of missing content stored again`;
}

function partial(failed: readonly FailedItem[], itemCount: number): DbupError {
  return new DbupError('PARTIAL', `${failed.length} of ${itemCount} were not saved`, {
    hint: 'The others are saved. The reason of each failure stands above.',
    details: { failed: failed.map(({ item }) => item.name) },
  });
}

/** Each failure has been told; the command ends as the first of them would have ended it. */
function noneSaved(failed: readonly FailedItem[]): DbupError {
  const code = failed[0]?.error.code ?? 'INTERNAL';
  return new DbupError(code, `none of the ${failed.length} images was saved`, {
    hint: 'Each reason stands above.',
    details: {
      failed: failed.map(({ item, error }) => ({ source: item.name, error: errorFields(error) })),
    },
  });
}
