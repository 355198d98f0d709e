import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COMMAND_NAMES, loadCommands } from '../../src/commands/all-commands.js';
import { buildProgram } from '../../src/commands/program.js';
import { EXIT_CODES } from '../../src/core/errors.js';
import { dockerArchive, layerTar } from '../support/images.js';
import { Sandbox } from './dbup-process.js';

const sandbox = new Sandbox();
beforeAll(() => {
  writeFileSync(
    sandbox.path('v.tar'),
    dockerArchive({ references: ['app:1.0'], layers: [layerTar(1, 1, 5000)] }),
  );
});
afterAll(() => sandbox.remove());

describe('a command line that is not understood ends in 2, with a way out', () => {
  const cases: [words: string[], said: RegExp][] = [
    [['svae', 'app:1.0'], /unknown command 'svae'.*\n.*Did you mean save\? `dbup --help`/],
    [['log'], /missing required argument 'ref'.*\n.*`dbup log --help`/],
    [['log', 'a', 'b'], /too many arguments/],
    [['load', 'a', '--platfrom', 'x'], /unknown option '--platfrom'.*\n.*Did you mean --platform\?/],
    [['save'], /no image was named/],
    [['save', 'app:1.0', '-i', 'v.tar'], /-i v\.tar and app:1\.0 both say what to save/],
    [['save', 'v.tar'], /looks like a file.*\n.*dbup save -i v\.tar/],
    [['save', 'a', 'b', '--as', 'c'], /--as names one image, but 2/],
    [['save', '-i', 'v.tar', '--level', '20'], /--level is "20", but must be a whole number from 1 to 19/],
    [['load', 'a', 'x.tar', '-o', 'y.tar'], /both say where to load to/],
    [['load', 'a', '--archive'], /--archive gives back a tar/],
    [['load', 'a', '-o', 'oci:d', '--archive'], /--archive gives back a tar/],
    [['load', 'a', '-o', '-', '--json'], /both want standard output/],
    [['rm'], /nothing was named and no rule was given/],
    [['rm', '--keep-last', 'x'], /--keep-last is "x"/],
    [['repair', '--from', ''], /no pool to repair from was named/],
    [['verify', '--read-data=0%'], /not a part of the packs/],
    [['verify', '--read-data=abc%'], /--read-data is "abc%"/],
    [['tag', 'a', 'B'], /a repository is lower-case/],
    [['completion', 'tcsh'], /must be one of bash, zsh, fish/],
    [['help', 'nothing'], /no command and no topic "nothing"/],
    [['ls', '--progress', 'loud'], /must be one of auto, tty, plain, json, none/],
    [['ls', '--host', 'unix:///a', '--lock-wait', '-1'], /--lock-wait is "-1"/],
    [['--host', 'unix:///a', '--context', 'b', 'save', 'app'], /--host and --context both name an engine/],
  ];
  test.each(cases)('%j', async (words, said) => {
    const result = await sandbox.run(words);
    expect(result.stderr).toMatch(said);
    expect(result).toMatchObject({ code: 2, stdout: '' });
  });

  test('no command at all: help on standard error', async () => {
    const result = await sandbox.run([]);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(result.stderr).toContain('Usage: dbup');
  });

  test('under --json the error is one JSON line on standard error', async () => {
    const result = await sandbox.run(['svae', '--json']);
    expect(result).toMatchObject({ code: 2, stdout: '' });
    expect(JSON.parse(result.stderr)).toMatchObject({
      schema_version: 1,
      type: 'error',
      command: null,
      error: { code: 'USAGE', exit_code: 2, details: {} },
    });
  });
});

describe('help', () => {
  test('every command teaches with two to four examples, each of them a command line that is understood', async () => {
    const definitions = await loadCommands();
    expect(definitions.map(({ name }) => name)).toEqual(COMMAND_NAMES);
    for (const { name, examples } of definitions) {
      expect([2, 3, 4], name).toContain(examples.length);
      for (const { command } of examples) {
        const line = /dbup [^|>)]*/.exec(command)![0].trim();
        const words = line
          .split(/ +/)
          .slice(1)
          .map((word) => word.replaceAll('"', ''));
        const program = buildProgram(definitions);
        expect(() => program.parse(words, { from: 'user' }), command).toThrow(
          expect.objectContaining({ invocation: expect.objectContaining({ args: expect.any(Array) }) }),
        );
      }
    }
  });

  test('--help of a command, `help COMMAND` and the topics', async () => {
    const long = await sandbox.run(['save', '--help']);
    expect(long).toMatchObject({ code: 0, stderr: '' });
    expect(long.stdout).toContain('Examples:\n  dbup save app:1.0');
    expect(long.stdout).toContain('--pool <dir>');
    expect((await sandbox.run(['help', 'save'])).stdout).toBe(long.stdout);
    const all = await sandbox.run(['--help']);
    for (const name of COMMAND_NAMES) expect(all.stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    for (const topic of ['addresses', 'environment', 'json', 'rsync']) {
      expect((await sandbox.run(['help', topic])).stdout.length).toBeGreaterThan(200);
    }
  });

  test('help exit-codes prints the table of core/errors.ts', async () => {
    const { stdout } = await sandbox.run(['help', 'exit-codes']);
    const rows = stdout
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/ {2,}/));
    expect(rows).toEqual(Object.values(EXIT_CODES).map(({ code, meaning }) => [String(code), meaning]));
    expect(await sandbox.json(['help', 'exit-codes'])).toHaveProperty('exit_codes.length', rows.length);
  });

  test('version, and --version at any place', async () => {
    expect((await sandbox.run(['version'])).stdout).toMatch(/^dbup \d+\.\d+\.\d+ \(pool format 1, /);
    expect(await sandbox.json(['version'])).toMatchObject({ command: 'version', pool_format: 1 });
    expect(await sandbox.json(['--version'])).toMatchObject({ command: 'version', pool_format: 1 });
  });
});

describe('exit codes', () => {
  const cases: [words: string[], code: number, name: string][] = [
    [['ls'], 10, 'NO_POOL'],
    [['ls', '--pool', 'v.tar'], 5, 'POOL_NOT_A_DIRECTORY'],
    [['save', '-i', 'absent.tar'], 12, 'INPUT_NOT_FOUND'],
    [['save', 'app:1.0', '--pool', 'p'], 5, 'ENGINE_UNREACHABLE'],
    [['save', '-i', process.execPath, '--pool', 'p'], 1, 'INPUT_NOT_AN_IMAGE'],
    [['log', 'app:9', '--pool', 'p'], 12, 'SNAPSHOT_NOT_FOUND'],
    [['log', 'App', '--pool', 'p'], 2, 'REFERENCE_INVALID'],
  ];
  test.each(cases)('%j ends in %i, %s', async (words, code, name) => {
    const result = await sandbox.run([...words, '--json']);
    expect(JSON.parse(result.stderr.trim().split('\n').at(-1)!)).toMatchObject({
      error: { code: name, exit_code: code },
    });
    expect(result).toMatchObject({ code, stdout: '' });
  });

  test('global options stand before the command as well as after it', async () => {
    await sandbox.json(['--pool', 'either', 'save', '-i', 'v.tar']);
    expect((await sandbox.run(['ls', '-q', '--pool', 'either'])).stdout).toBe('app:1.0\n');
    expect((await sandbox.run(['-q', '--pool=either', 'ls'])).stdout).toBe('app:1.0\n');
  });
});
