import { existsSync } from 'node:fs';
import { DbupError, toDbupError } from '../core/errors.js';
import { type ImageAddress, parseImageAddress } from '../image/source.js';
import type { SaveResult, SaveSource } from '../operations/save.js';
import type { SavedImage } from '../operations/save-session.js';
import { formatBytes, formatDuration, formatShare, shortId } from '../ui/format-units.js';
import { errorFields } from '../ui/output.js';
import { type Call, defineCommand, type Outcome, type PoolCall } from './command.js';
import { openEngine } from './engine.js';
import { LEVEL_SETTING } from './settings.js';

interface SaveFlags {
  input?: string;
  as?: string;
}

/** One thing to save, as it was named. */
interface SaveItem {
  name: string;
  address: ImageAddress | { transport: 'file'; path: string };
}

interface SaveRequest {
  items: SaveItem[];
  as: string | undefined;
}

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
  arguments: [{ name: '[image...]', does: 'what to save', completes: 'file' }],
  options: [
    {
      flags: '-i, --input <file>',
      does: 'save a tar of `docker save` or an OCI archive; - is standard input',
      completes: 'file',
    },
    { flags: '--as <ref>', does: 'save under this reference', completes: 'reference' },
    { flags: LEVEL_SETTING.flags, does: `${LEVEL_SETTING.does} (default: ${LEVEL_SETTING.otherwise})` },
  ],
  examples: [
    { command: 'dbup save app:1.0 db:16', does: 'two images of the engine' },
    { command: 'dbup save -i app.tar', does: 'what `docker save -o app.tar app:1.0` wrote' },
    { command: 'docker save app:1.0 | dbup save -i -', does: 'the same without the file' },
    { command: 'dbup save oci:build/layout:1.0 --as app:1.0', does: 'an OCI layout, under another name' },
  ],
  access: 'append',
  createsPool: true,
  parse: parseRequest,
  run: saveAll,
});

function parseRequest(args: readonly string[], flags: SaveFlags): SaveRequest {
  const { input, as } = flags;
  if (input !== undefined && args.length > 0) {
    throw new DbupError('USAGE', `-i ${input} and ${args[0]} both say what to save`, {
      hint: 'Give one of them. An archive can also be named docker-archive:FILE or oci-archive:FILE.',
    });
  }
  if (input === undefined && args.length === 0) {
    throw new DbupError('USAGE', 'no image was named', {
      hint: 'Write `dbup save IMAGE` or `dbup save -i FILE`; `dbup save --help` shows examples.',
    });
  }
  if (input === '') throw new DbupError('USAGE', '-i names no file', { hint: '- is standard input.' });
  if (input === '-' && process.stdin.isTTY) {
    throw new DbupError('USAGE', 'standard input is a terminal, not an archive', {
      hint: 'Write `docker save app:1.0 | dbup save -i -`.',
    });
  }
  const items =
    input === undefined
      ? args.map(parseItem)
      : [{ name: input, address: { transport: 'file' as const, path: input } }];
  if (as !== undefined && items.length > 1) {
    throw new DbupError('USAGE', `--as names one image, but ${items.length} are to be saved`, {
      hint: 'Save them one by one, or leave --as out.',
    });
  }
  const [only] = items;
  if (items.length === 1 && only && 'path' in only.address) refuseAbsent(only.address.path);
  return { items, as };
}

/** Before a pool is made for it: a slip of the pen should leave nothing behind. */
function refuseAbsent(path: string): void {
  if (path === '-' || existsSync(path)) return;
  throw new DbupError('INPUT_NOT_FOUND', `there is no file ${path}`, {
    hint: '`dbup save IMAGE` saves an image of the engine, `dbup save -i FILE` a tar.',
    details: { path },
  });
}

function parseItem(name: string): SaveItem {
  const address = parseImageAddress(name);
  if (address) return { name, address };
  if (/^[./~]|\.(tar|tgz|gz|oci)$/.test(name)) {
    throw new DbupError('USAGE', `${name} looks like a file, not like an image of the engine`, {
      hint: `Write \`dbup save -i ${name}\`, or docker-archive:, oci-archive: or oci: before it.`,
    });
  }
  return { name, address: { transport: 'docker-daemon', image: name } };
}

async function saveAll({ items, as }: SaveRequest, call: PoolCall): Promise<Outcome> {
  const saved: SavedItem[] = [];
  const failed: FailedItem[] = [];
  let { pool } = call;
  for (const [at, item] of items.entries()) {
    try {
      const startMs = performance.now();
      const result = await saveItem(item, as, { ...call, pool });
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
  return outcomeOf(saved, failed);
}

async function saveItem(item: SaveItem, as: string | undefined, call: PoolCall): Promise<SaveResult> {
  const { save } = await import('../operations/save.js');
  const { address } = item;
  const options = { level: call.settings.level, ...(as !== undefined && { as }) };
  if (address.transport === 'docker-daemon') {
    using client = await openEngine(call);
    return await save(call.pool, { kind: 'engine', client, image: address.image }, options, call.context);
  }
  if ('path' in address && address.path === '-') stopReadingOnAbort(call);
  return await save(call.pool, sourceOf(address), options, call.context);
}

function sourceOf(address: Exclude<SaveItem['address'], { transport: 'docker-daemon' }>): SaveSource {
  const { transport, path } = address;
  if (transport === 'file') return { kind: 'archive', path };
  if (transport === 'oci')
    return { kind: 'oci-directory', path, ...(address.tag !== null && { tag: address.tag }) };
  const { reference } = address;
  return { kind: 'archive', path, dialect: transport, ...(reference !== null && { reference }) };
}

/** A pipe that has nothing to say just now would otherwise keep an interrupted save waiting. */
function stopReadingOnAbort({ context }: Call): void {
  // Nobody may be reading yet: an error that no one hears would end the process.
  process.stdin.on('error', () => {});
  const stop = (): void => {
    process.stdin.destroy(
      new DbupError('INTERRUPTED', 'interrupted while reading standard input', {
        hint: 'Nothing is lost. Run the same command again: what was already stored is reused.',
      }),
    );
  };
  if (context.signal.aborted) stop();
  else context.signal.addEventListener('abort', stop, { once: true });
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
      lines.push(`  not in the source and so not saved: ${image.absent.map(shortId).join(', ')}`);
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
