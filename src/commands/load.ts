import { DbupError } from '../core/errors.js';
import type { LoadOptions, LoadResult, LoadSink } from '../operations/load.js';
import { formatBytes, formatDuration, shortId } from '../ui/format-units.js';
import { argumentAt, type Call, defineCommand, type Outcome, type PoolCall } from './command.js';
import { openEngine } from './engine.js';
import { FORMATS, parseSink, type SinkRequest } from './load-sink.js';
import { PLATFORM_OPTION } from './platform-option.js';
import { oneOf } from './values.js';

interface LoadFlags {
  output?: string;
  as?: string;
  archive?: boolean;
  platform?: string[][];
  format?: string;
}

interface LoadRequest {
  address: string;
  target: SinkRequest['sink'];
  options: LoadOptions;
}

export const loadCommand = defineCommand<LoadFlags, LoadRequest>({
  name: 'load',
  summary: 'give an image back: to the engine, or to a file',
  details: [
    'Without -o the image goes into the docker engine, which is sent only the layers it lacks; its own answer is',
    'checked: the id of what it loaded must be that of what was saved. With -o FILE it is the tar that was saved,',
    'byte for byte, where it was saved from a tar of that one image, and a docker-archive otherwise.',
    'oci:DIR and oci-archive:FILE keep manifests, indexes and compressed layers with their digests, all platforms, and',
    'signatures; a docker-archive holds one platform with plain layers: that of this machine unless one is named. What the',
    'form cannot keep is said.',
    'Every byte is checked before success is reported.',
  ].join(' '),
  arguments: [
    { name: '<ref>', does: 'app:1.0, app:1.0~1, app:1.0@SNAPSHOT or sha256:ID', completes: 'reference' },
    { name: '[to]', does: 'the same as -o', completes: 'file' },
  ],
  options: [
    {
      flags: '-o, --output <to>',
      does: 'FILE, - (standard output), oci:DIR[:tag], oci-archive:FILE or docker-archive:FILE',
      completes: 'file',
    },
    { flags: '--as <ref>', does: 'give it this reference there', completes: 'reference' },
    { flags: '--archive', does: 'with -o FILE: the whole tar it was saved in, with all its images' },
    {
      flags: '--format <form>',
      does: `with -o: ${FORMATS.join(', ')} (the tar that was saved where there is one, and else a docker-archive)`,
      parse: oneOf(FORMATS),
      completes: FORMATS,
    },
    PLATFORM_OPTION,
  ],
  examples: [
    { command: 'dbup load app:1.0~1', does: 'the version before the current one, into the engine' },
    { command: 'dbup load app:1.0 -o app.tar', does: 'the tar that was saved' },
    { command: 'dbup load app:1.0 -o - | ssh host docker load', does: 'to the engine of another host' },
    {
      command: 'dbup load app:1.0 oci:layout --platform linux/arm64',
      does: 'one platform, into an OCI layout',
    },
  ],
  access: 'read',
  parse: parseRequest,
  async run({ address, target, options }, call): Promise<Outcome> {
    const startMs = performance.now();
    const result = await loadTo(address, target, options, call);
    return outcomeOf(result, target, performance.now() - startMs);
  },
});

function parseRequest(args: readonly string[], flags: LoadFlags, call: Call): LoadRequest {
  const positional = args[1];
  const { output, as, archive = false, platform, format } = flags;
  if (output !== undefined && positional !== undefined) {
    throw new DbupError('USAGE', `-o ${output} and ${positional} both say where to load to`, {
      hint: 'Give one of them.',
    });
  }
  const to = output ?? positional;
  const { sink, as: named } =
    to === undefined ? { sink: { kind: 'engine' as const } } : parseSink(to, format);
  if (to === undefined && format !== undefined) {
    throw new DbupError('USAGE', '--format is the form of a file and needs one', {
      hint: 'Write `dbup load REF --format oci-archive -o FILE`.',
    });
  }
  const platforms = platform?.flat();
  if (as !== undefined && named !== undefined) {
    throw new DbupError('USAGE', `--as ${as} and ${to} both name the image`, {
      hint: 'Give one of the names.',
    });
  }
  refuseBadMix(sink, archive, as ?? named, platforms, call);
  const name = as ?? named;
  return {
    address: argumentAt(args, 0),
    target: sink,
    options: {
      ...(name !== undefined && { as: name }),
      ...(archive && { wholeArchive: true }),
      ...(platforms !== undefined && { platforms }),
    },
  };
}

function refuseBadMix(
  sink: SinkRequest['sink'],
  archive: boolean,
  name: string | undefined,
  platforms: readonly string[] | undefined,
  call: Call,
): void {
  if (archive && (sink.kind !== 'file' || sink.format !== 'saved')) {
    throw new DbupError('USAGE', '--archive gives back a tar and needs a file for it', {
      hint: 'Write `dbup load REF --archive -o FILE`.',
    });
  }
  if (archive && (name !== undefined || platforms !== undefined)) {
    throw new DbupError('USAGE', '--archive gives back the tar as it was saved; it cannot be changed', {
      hint: 'Leave --archive out to write one image under another name or of one platform.',
    });
  }
  if (sink.kind !== 'file' || sink.path !== '-') return;
  if (call.stdout.isTTY) {
    throw new DbupError('USAGE', 'an image is not written to a terminal', {
      hint: 'Name a file with -o FILE, or send it on with a pipe or >.',
    });
  }
  if (call.settings.json) {
    throw new DbupError('USAGE', '--json and -o - both want standard output', {
      hint: 'Write the image to a file with -o FILE, or leave --json out.',
    });
  }
}

/** Loads one version to where it is wanted. */
export async function loadTo(
  address: string,
  target: SinkRequest['sink'],
  options: LoadOptions,
  call: PoolCall,
): Promise<LoadResult> {
  const { load } = await import('../operations/load.js');
  const run = (sink: LoadSink): Promise<LoadResult> => load(call.pool, address, sink, options, call.context);
  if (target.kind === 'file' && target.path === '-') {
    return run({ kind: 'stream', stream: call.stdout, format: target.format });
  }
  if (target.kind !== 'engine') return run(target);
  using client = await openEngine(call);
  return await run({ kind: 'engine', client });
}

function outcomeOf(result: LoadResult, target: SinkRequest['sink'], durationMs: number): Outcome {
  const where = target.kind === 'engine' ? 'engine' : target.path;
  return {
    json: {
      ...result,
      to: { kind: target.kind, path: target.kind === 'engine' ? null : where },
      durationMs: Math.round(durationMs),
    },
    lines: [`${loadedLine(result, target)}, ${formatDuration(durationMs)}`],
    ...(target.kind === 'file' && target.path === '-' && { linesTo: 'stderr' as const }),
  };
}

/** What a load came to, in one line. */
export function loadedLine(result: LoadResult, target: SinkRequest['sink']): string {
  const { reference, imageId, writtenBytes, layersLeftOut, layerCount, asSaved } = result;
  const image = `${reference} (${shortId(imageId)})`;
  const bytes = formatBytes(writtenBytes);
  if (target.kind === 'engine') {
    const layers = `${layerCount - layersLeftOut} of ${layerCount} layers sent`;
    return `${image}: loaded into the engine, which confirms its id; ${layers}, ${bytes}`;
  }
  const path = target.path === '-' ? 'standard output' : target.path;
  const form = asSaved ? ', byte for byte as it was saved' : '';
  return `${image}: written to ${path}, ${bytes}${form}`;
}
