import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { DbupError } from '../core/errors.js';
import { SHARES, type Share } from '../store/sharing.js';
import { PROGRESS_MODES, type ProgressMode } from '../ui/reporter.js';
import { readConfigFile } from './config-file.js';
import {
  byteSize,
  oneOf,
  type ParseValue,
  parityShare,
  secondsToMs,
  someText,
  wholeNumber,
  yesOrNo,
  zstdLevel,
} from './values.js';

/** How a setting is spelled in each of the places it may be given. */
export interface SettingDefinition<T> {
  /** As commander reads it. */
  flags: string;
  env: string;
  /** Its key in the config file. */
  key: string;
  does: string;
  /** What holds where it is given nowhere, for people. */
  otherwise: string;
  parse: ParseValue<T>;
}

const MAX_LOCK_WAIT_SECONDS = 86_400;
export const NESTED_MODES = ['open', 'closed'] as const;
export type NestedMode = (typeof NESTED_MODES)[number];
export const LEVEL_RANGE = { minimum: 1, maximum: 19, default: 5 } as const;
const MAX_THREADS = 64;
/** Long enough for a short gc of another user to end. */
const DEFAULT_LOCK_WAIT_MS = 5_000;

/** Every setting of all commands, in the order `--help` lists them. */
export const SETTINGS = {
  pool: define({
    flags: '--pool <dir>',
    env: 'DBUP_POOL',
    key: 'pool',
    does: 'the pool',
    otherwise: '$XDG_DATA_HOME/dbup/pool, ~/.local/share/dbup/pool',
    parse: someText,
  }),
  cacheDir: define({
    flags: '--cache-dir <dir>',
    env: 'DBUP_CACHE_DIR',
    key: 'cache_dir',
    does: 'where catalogs are kept, which can be made again at any time',
    otherwise: '$XDG_CACHE_HOME/dbup, ~/.cache/dbup',
    parse: someText,
  }),
  layerCache: define({
    flags: '--layer-cache <size>',
    env: 'DBUP_LAYER_CACHE',
    key: 'layer_cache',
    does: 'disk space in the cache directory for gzip layers that were made again, such as 10G',
    otherwise: '0: none are kept',
    parse: byteSize,
  }),
  host: define({
    flags: '-H, --host <address>',
    env: 'DBUP_HOST',
    key: 'host',
    does: "the engine's address: unix://, tcp:// or ssh://",
    otherwise: 'as docker finds it, then podman',
    parse: someText,
  }),
  context: define({
    flags: '--context <name>',
    env: 'DBUP_CONTEXT',
    key: 'context',
    does: 'the docker context of the engine',
    otherwise: 'as docker finds it',
    parse: someText,
  }),
  lockWait: define({
    flags: '--lock-wait <seconds>',
    env: 'DBUP_LOCK_WAIT',
    key: 'lock_wait',
    does: 'how long to wait for a pool that is in use',
    otherwise: `${DEFAULT_LOCK_WAIT_MS / 1000}`,
    parse: secondsToMs(MAX_LOCK_WAIT_SECONDS),
  }),
  threads: define({
    flags: '--threads <n>',
    env: 'DBUP_THREADS',
    key: 'threads',
    does: 'threads that hash and compress',
    otherwise: 'one for each processor, at most 8',
    parse: wholeNumber(1, MAX_THREADS),
  }),
  progress: define<ProgressMode>({
    flags: '--progress <mode>',
    env: 'DBUP_PROGRESS',
    key: 'progress',
    does: `how progress is shown: ${PROGRESS_MODES.join(', ')}`,
    otherwise: 'auto: a bar on a terminal, lines elsewhere',
    parse: oneOf(PROGRESS_MODES),
  }),
  quiet: define({
    flags: '-q, --quiet',
    env: 'DBUP_QUIET',
    key: 'quiet',
    does: 'no progress and no notes; results as bare names, one a line',
    otherwise: 'false',
    parse: yesOrNo,
  }),
  json: define({
    flags: '--json',
    env: 'DBUP_JSON',
    key: 'json',
    does: 'print the result as one JSON document',
    otherwise: 'false',
    parse: yesOrNo,
  }),
} as const;

/** The zstd level is an option of a few commands alone, but may be set for good in the same places. */
export const LEVEL_SETTING = define({
  flags: '--level <n>',
  env: 'DBUP_LEVEL',
  key: 'level',
  does: `zstd level of what is written, ${LEVEL_RANGE.minimum} (fast) to ${LEVEL_RANGE.maximum} (small), or max`,
  otherwise: `${LEVEL_RANGE.default}`,
  parse: zstdLevel(LEVEL_RANGE.minimum, LEVEL_RANGE.maximum),
});

/** Parity is an option of `save`, `gc` and `parity`, and may be set for good in the same places. */
export const PARITY_SETTING = define({
  flags: '--parity <N%>',
  env: 'DBUP_PARITY',
  key: 'parity',
  does: 'protect what is not protected yet against damage of up to this share, 1% to 100%',
  otherwise: 'none',
  parse: parityShare,
});

/** An option of the commands that make pools or add to them. */
export const SHARE_SETTING = define<Share | 'none'>({
  flags: '--share <who>',
  env: 'DBUP_SHARE',
  key: 'share',
  does: 'let others write to the pool: group (that of its directory), all, or none',
  otherwise: 'none: only the owner writes; a pool that is shared stays so',
  parse: oneOf(['none', ...SHARES]),
});

/** What a save does with compressed files inside layers; an option of `save` and `estimate` alone. */
export const NESTED_SETTING = define({
  flags: '--nested <how>',
  env: 'DBUP_NESTED',
  key: 'nested',
  does: 'compressed files inside layers (jar, wheel, zip, large gz): open, so that new versions of them share what stayed the same, or closed, which takes less time',
  otherwise: 'open',
  parse: oneOf(NESTED_MODES),
});

/** What every command is given. */
export interface Settings {
  /** Absolute. */
  poolDirectory: string;
  /** Absolute. */
  cacheRoot: string;
  /** Of gzip layers that were made again, below the cache directory. */
  layerCacheBytes: number;
  /** The engine that was asked for, if any; never both. */
  engine: { host?: string; context?: string };
  lockWaitMs: number;
  threads?: number;
  level: number;
  /** Parity that is wanted, in percent; 0 for none. */
  parityPercent: number;
  /** Of the pool, where it is made or added to. */
  share?: Share;
  nested: NestedMode;
  progress: ProgressMode;
  quiet: boolean;
  json: boolean;
}

/** The values of flags as commander hands them over: text, or true for a flag without a value. */
export type FlagValues = Partial<
  Record<keyof typeof SETTINGS | 'level' | 'nested' | 'parity' | 'share', string | boolean>
>;

export interface SettingsSources {
  flags: FlagValues;
  env: NodeJS.ProcessEnv;
  homeDirectory?: string;
}

/**
 * Settles every setting, once, here: flag over environment over config file over default.
 * @throws DbupError USAGE for a value that cannot be, naming where it was given
 */
export function resolveSettings(sources: SettingsSources): Settings {
  const { env } = sources;
  const home = sources.homeDirectory ?? homedir();
  const lookup = new Lookup(sources, readConfigFile(configFilePath(env, home), configKeys()));
  const pool = lookup.value('pool', SETTINGS.pool);
  const cacheDir = lookup.value('cacheDir', SETTINGS.cacheDir);
  const threads = lookup.value('threads', SETTINGS.threads);
  const share = lookup.value('share', SHARE_SETTING) ?? 'none';
  return {
    poolDirectory: resolve(
      pool ?? join(baseDirectory(env.XDG_DATA_HOME, home, '.local/share'), 'dbup', 'pool'),
    ),
    cacheRoot: resolve(cacheDir ?? join(baseDirectory(env.XDG_CACHE_HOME, home, '.cache'), 'dbup')),
    layerCacheBytes: lookup.value('layerCache', SETTINGS.layerCache) ?? 0,
    engine: engineChoice(lookup),
    lockWaitMs: lookup.value('lockWait', SETTINGS.lockWait) ?? DEFAULT_LOCK_WAIT_MS,
    ...(threads !== undefined && { threads }),
    ...(share !== 'none' && { share }),
    level: lookup.value('level', LEVEL_SETTING) ?? LEVEL_RANGE.default,
    parityPercent: lookup.value('parity', PARITY_SETTING) ?? 0,
    nested: lookup.value('nested', NESTED_SETTING) ?? 'open',
    progress: lookup.value('progress', SETTINGS.progress) ?? 'auto',
    quiet: lookup.value('quiet', SETTINGS.quiet) ?? false,
    json: lookup.value('json', SETTINGS.json) ?? false,
  };
}

/** Where the config file is looked for. */
export function configFilePath(env: NodeJS.ProcessEnv, homeDirectory: string): string {
  return join(baseDirectory(env.XDG_CONFIG_HOME, homeDirectory, '.config'), 'dbup', 'config.json');
}

/** The places a setting may be given, the strongest first. */
type Level = 'flag' | 'env' | 'config';
const LEVELS: readonly Level[] = ['flag', 'env', 'config'];

class Lookup {
  readonly #sources: SettingsSources;
  readonly #config: ReadonlyMap<string, string>;

  constructor(sources: SettingsSources, config: ReadonlyMap<string, string>) {
    this.#sources = sources;
    this.#config = config;
  }

  value<T>(name: keyof FlagValues, definition: SettingDefinition<T>): T | undefined {
    for (const level of LEVELS) {
      const value = this.at(level, name, definition);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  at<T>(level: Level, name: keyof FlagValues, definition: SettingDefinition<T>): T | undefined {
    const { env, key, flags } = definition;
    if (level === 'flag') {
      const given = this.#sources.flags[name];
      if (given === undefined) return undefined;
      return definition.parse(String(given), longFlag(flags));
    }
    const text = level === 'env' ? this.#sources.env[env] : this.#config.get(key);
    // An empty variable is one that is not set, as everywhere in XDG and docker.
    if (text === undefined || (level === 'env' && text === '')) return undefined;
    return definition.parse(text, level === 'env' ? env : `${key} in the config file`);
  }
}

/** Host and context name the same thing: what is said at a stronger place silences both at a weaker one. */
function engineChoice(lookup: Lookup): Settings['engine'] {
  for (const level of LEVELS) {
    const host = lookup.at(level, 'host', SETTINGS.host);
    const context = lookup.at(level, 'context', SETTINGS.context);
    if (host !== undefined && context !== undefined) {
      throw new DbupError('USAGE', '--host and --context both name an engine', { hint: 'Give one of them.' });
    }
    if (host !== undefined || context !== undefined) {
      return { ...(host !== undefined && { host }), ...(context !== undefined && { context }) };
    }
  }
  return {};
}

/** An XDG base directory; a relative one is to be ignored, says its specification. */
function baseDirectory(value: string | undefined, home: string, fallback: string): string {
  return value !== undefined && isAbsolute(value) ? value : join(home, fallback);
}

export function configKeys(): string[] {
  return [...Object.values(SETTINGS), LEVEL_SETTING, NESTED_SETTING, PARITY_SETTING, SHARE_SETTING].map(
    ({ key }) => key,
  );
}

/** `--pool` of `--pool <dir>`. */
function longFlag(flags: string): string {
  return /--[a-z-]+/.exec(flags)?.[0] ?? flags;
}

function define<T>(definition: SettingDefinition<T>): SettingDefinition<T> {
  return definition;
}
