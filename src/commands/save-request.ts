import { existsSync } from 'node:fs';
import { DbupError } from '../core/errors.js';
import { type ImageAddress, parseImageAddress } from '../image/source.js';
import type { SaveOptions, SaveSource } from '../operations/save.js';
import type { ArgumentDefinition, Call, OptionDefinition } from './command.js';
import { openEngine } from './engine.js';
import { PLATFORM_OPTION } from './platform-option.js';
import { LEVEL_SETTING, NESTED_SETTING } from './settings.js';

export interface SaveFlags {
  input?: string;
  as?: string;
  platform?: string[][];
}

/** One thing to save, as it was named. */
export interface SaveItem {
  name: string;
  address: ImageAddress | { transport: 'file'; path: string };
}

export interface SaveRequest {
  items: SaveItem[];
  as: string | undefined;
  platforms: string[];
}

/** What `save` is given, and what measures a save. */
export const SAVE_ARGUMENTS: readonly ArgumentDefinition[] = [
  { name: '[image...]', does: 'what to save', completes: 'file' },
];
export const SAVE_OPTIONS: readonly OptionDefinition[] = [
  {
    flags: '-i, --input <file>',
    does: 'a tar of `docker save` or an OCI archive; - is standard input',
    completes: 'file',
  },
  { flags: '--as <ref>', does: 'save under this reference', completes: 'reference' },
  PLATFORM_OPTION,
  { flags: LEVEL_SETTING.flags, does: `${LEVEL_SETTING.does} (default: ${LEVEL_SETTING.otherwise})` },
  { flags: NESTED_SETTING.flags, does: `${NESTED_SETTING.does} (default: ${NESTED_SETTING.otherwise})` },
];

/**
 * Reads what is to be saved. `command` is the one typed, for the hints.
 * @throws DbupError USAGE, INPUT_NOT_FOUND
 */
export function parseSaveRequest(args: readonly string[], flags: SaveFlags, command: string): SaveRequest {
  const { input, as } = flags;
  if (input !== undefined && args.length > 0) {
    throw new DbupError('USAGE', `-i ${input} and ${args[0]} both say what to save`, {
      hint: 'Give one of them. An archive can also be named docker-archive:FILE or oci-archive:FILE.',
    });
  }
  if (input === undefined && args.length === 0) {
    throw new DbupError('USAGE', 'no image was named', {
      hint: `Write \`dbup ${command} IMAGE\` or \`dbup ${command} -i FILE\`; \`dbup ${command} --help\` shows examples.`,
    });
  }
  if (input === '') throw new DbupError('USAGE', '-i names no file', { hint: '- is standard input.' });
  if (input === '-' && process.stdin.isTTY) {
    throw new DbupError('USAGE', 'standard input is a terminal, not an archive', {
      hint: `Write \`docker save app:1.0 | dbup ${command} -i -\`.`,
    });
  }
  const items =
    input === undefined
      ? args.map((name) => parseItem(name, command))
      : [{ name: input, address: { transport: 'file' as const, path: input } }];
  if (as !== undefined && items.length > 1) {
    throw new DbupError('USAGE', `--as names one image, but ${items.length} are to be saved`, {
      hint: 'Save them one by one, or leave --as out.',
    });
  }
  const [only] = items;
  if (items.length === 1 && only && 'path' in only.address) refuseAbsent(only.address.path, command);
  return { items, as, platforms: (flags.platform ?? []).flat() };
}

/** Before a pool is made for it: a slip of the pen should leave nothing behind. */
function refuseAbsent(path: string, command: string): void {
  if (path === '-' || existsSync(path)) return;
  throw new DbupError('INPUT_NOT_FOUND', `there is no file ${path}`, {
    hint: `\`dbup ${command} IMAGE\` takes an image of the engine, \`dbup ${command} -i FILE\` a tar.`,
    details: { path },
  });
}

function parseItem(name: string, command: string): SaveItem {
  const address = parseImageAddress(name);
  if (address) return { name, address };
  if (/^[./~]|\.(tar|tgz|gz|oci)$/.test(name)) {
    throw new DbupError('USAGE', `${name} looks like a file, not like an image of the engine`, {
      hint: `Write \`dbup ${command} -i ${name}\`, or docker-archive:, oci-archive: or oci: before it.`,
    });
  }
  return { name, address: { transport: 'docker-daemon', image: name } };
}

/** Opens what an item names and does `work` with it, with the options of the request. */
export async function withSaveSource<Result>(
  { address }: SaveItem,
  { as, platforms }: SaveRequest,
  call: Call,
  work: (source: SaveSource, options: SaveOptions) => Promise<Result>,
): Promise<Result> {
  const { level, nested } = call.settings;
  const opensNested = nested === 'open';
  const options = { level, opensNested, platforms, ...(as !== undefined && { as }) };
  if (address.transport === 'docker-daemon') {
    using client = await openEngine(call);
    return await work({ kind: 'engine', client, image: address.image }, options);
  }
  return await work(sourceOf(address), options);
}

function sourceOf(address: Exclude<SaveItem['address'], { transport: 'docker-daemon' }>): SaveSource {
  const { transport, path } = address;
  if (transport === 'file') return { kind: 'archive', path };
  if (transport === 'oci')
    return { kind: 'oci-directory', path, ...(address.tag !== null && { tag: address.tag }) };
  const { reference } = address;
  return { kind: 'archive', path, dialect: transport, ...(reference !== null && { reference }) };
}
