import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  LEVEL_SETTING,
  NESTED_SETTING,
  resolveSettings,
  SETTINGS,
  SHARE_SETTING,
} from '../../src/commands/settings.js';
import { DbupError } from '../../src/core/errors.js';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'dbup-settings-'));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function settle(parts: { flags?: object; env?: NodeJS.ProcessEnv; config?: string } = {}) {
  if (parts.config !== undefined) {
    mkdirSync(join(home, '.config/dbup'), { recursive: true });
    writeFileSync(join(home, '.config/dbup/config.json'), parts.config);
  }
  return resolveSettings({ flags: parts.flags ?? {}, env: parts.env ?? {}, homeDirectory: home });
}

function refusal(parts: Parameters<typeof settle>[0]): DbupError {
  try {
    settle(parts);
  } catch (error) {
    if (error instanceof DbupError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

test('defaults', () => {
  expect(settle()).toEqual({
    poolDirectory: join(home, '.local/share/dbup/pool'),
    cacheRoot: join(home, '.cache/dbup'),
    layerCacheBytes: 0,
    engine: {},
    lockWaitMs: 5000,
    level: 5,
    parityPercent: 0,
    nested: 'open',
    progress: 'auto',
    quiet: false,
    json: false,
  });
});

test('XDG directories, relative ones ignored', () => {
  const env = { XDG_DATA_HOME: '/data', XDG_CACHE_HOME: '/cache' };
  expect(settle({ env })).toMatchObject({ poolDirectory: '/data/dbup/pool', cacheRoot: '/cache/dbup' });
  expect(settle({ env: { XDG_DATA_HOME: 'data' } }).poolDirectory).toBe(join(home, '.local/share/dbup/pool'));
});

describe('precedence', () => {
  const values: [
    flag: string,
    key: string,
    read: (settings: ReturnType<typeof settle>) => unknown,
    [string, string, string],
    unknown[],
  ][] = [
    ['pool', 'pool', (s) => s.poolDirectory, ['/f', '/e', '/c'], ['/f', '/e', '/c']],
    ['cacheDir', 'cache_dir', (s) => s.cacheRoot, ['/f', '/e', '/c'], ['/f', '/e', '/c']],
    ['layerCache', 'layer_cache', (s) => s.layerCacheBytes, ['1G', '20M', '3000'], [1e9, 2e7, 3000]],
    ['host', 'host', (s) => s.engine.host, ['f', 'e', 'c'], ['f', 'e', 'c']],
    ['context', 'context', (s) => s.engine.context, ['f', 'e', 'c'], ['f', 'e', 'c']],
    ['lockWait', 'lock_wait', (s) => s.lockWaitMs, ['1', '2.5', '3'], [1000, 2500, 3000]],
    ['threads', 'threads', (s) => s.threads, ['1', '2', '3'], [1, 2, 3]],
    ['progress', 'progress', (s) => s.progress, ['plain', 'json', 'none'], ['plain', 'json', 'none']],
    ['level', 'level', (s) => s.level, ['1', '2', '4'], [1, 2, 4]],
    ['level', 'level', (s) => s.level, ['max', '2', '4'], [22, 2, 4]],
    ['share', 'share', (s) => s.share, ['none', 'all', 'group'], [undefined, 'all', 'group']],
    ['nested', 'nested', (s) => s.nested, ['closed', 'open', 'closed'], ['closed', 'open', 'closed']],
    ['quiet', 'quiet', (s) => s.quiet, ['true', 'yes', '1'], [true, true, true]],
    ['json', 'json', (s) => s.json, ['true', 'on', 'true'], [true, true, true]],
  ];
  test.each(values)(
    '--%s over its variable over %s in the config file',
    (flag, key, read, [f, e, c], [wantF, wantE, wantC]) => {
      const others = { level: LEVEL_SETTING, nested: NESTED_SETTING, share: SHARE_SETTING };
      const definition = { ...SETTINGS, ...others }[flag as keyof typeof SETTINGS];
      expect(definition.key).toBe(key);
      const config = JSON.stringify({ [key]: c });
      const env = { [definition.env]: e };
      expect(read(settle({ config }))).toEqual(wantC);
      expect(read(settle({ config, env }))).toEqual(wantE);
      expect(read(settle({ config, env, flags: { [flag]: f } }))).toEqual(wantF);
      expect(read(settle({ config, env: { [definition.env]: '' } }))).toEqual(wantC);
    },
  );

  test('a context named nearer silences a host named farther away', () => {
    const env = { DBUP_HOST: 'unix:///e' };
    expect(settle({ env, flags: { context: 'c' } }).engine).toEqual({ context: 'c' });
    expect(settle({ env, config: '{"context": "c"}' }).engine).toEqual({ host: 'unix:///e' });
    expect(refusal({ flags: { host: 'h', context: 'c' } }).code).toBe('USAGE');
  });

  test('a relative pool is one of the working directory', () => {
    expect(settle({ flags: { pool: 'x/y' } }).poolDirectory).toBe(resolve('x/y'));
  });
});

describe('what cannot be', () => {
  const cases: [parts: Parameters<typeof settle>[0], said: RegExp][] = [
    [{ env: { DBUP_LEVEL: '99' } }, /^DBUP_LEVEL is "99", but must be a whole number from 1 to 19, or max$/],
    [{ env: { DBUP_NESTED: 'x' } }, /^DBUP_NESTED is "x"/],
    [{ env: { DBUP_PROGRESS: 'x' } }, /^DBUP_PROGRESS is "x"/],
    [{ env: { DBUP_QUIET: 'perhaps' } }, /^DBUP_QUIET is "perhaps", but must be true or false$/],
    [{ flags: { threads: '0' } }, /^--threads is "0"/],
    [{ flags: { lockWait: '1e9' } }, /^--lock-wait is "1e9"/],
    [{ flags: { pool: '' } }, /^--pool is ""/],
    [{ config: '{"level": 0}' }, /^level in the config file is "0"/],
    [{ config: '{"colour": true}' }, /config\.json cannot be used: it has no setting "colour"/],
    [{ config: '{"pool": ["/a"]}' }, /pool must be a string, a number, true or false/],
    [{ config: '[]' }, /it is not a JSON object/],
    [{ config: '{' }, /it is not JSON/],
    [{ config: `{"pool": "${'x'.repeat(70_000)}"}` }, /it is longer than/],
  ];
  test.each(cases)('%j', (parts, said) => {
    const error = refusal(parts);
    expect(error.message).toMatch(said);
    expect(error.code).toBe('USAGE');
  });
});
