import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dockerArchive, layerTar } from '../support/images.js';
import { CLI_PATH, finished, Sandbox } from './dbup-process.js';

const sandbox = new Sandbox();
const archive = dockerArchive({ references: ['app:1.0'], layers: [layerTar(1, 4, 500_000)] });

beforeAll(async () => {
  writeFileSync(sandbox.path('v.tar'), archive);
  await sandbox.json(['save', '-i', 'v.tar']);
});
afterAll(() => sandbox.remove());

/** Waits until a condition holds, asking now and then. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(20);
}

describe('an interrupted save', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s while a pipe is silent: 130, a clean pool, and a retry that works',
    async (signal) => {
      const pool = `interrupted-${signal}`;
      const child = sandbox.start(['save', '-i', '-', '--pool', pool, '--progress', 'json']);
      let stderr = '';
      child.stderr!.on('data', (piece: Buffer) => {
        stderr += piece.toString();
      });
      const end = finished(child);
      child.stdin!.on('error', () => {});
      child.stdin!.write(archive.subarray(0, 1_500_000));
      await until(() => stderr.includes('"bytes"'));
      child.kill(signal);
      const result = await end;
      expect(result).toMatchObject({ code: 130, stdout: '' });
      expect(result.stderr).toContain('Nothing is lost. Run the same command again');
      expect(readdirSync(sandbox.path(`${pool}/snapshots`))).toEqual([]);
      expect(readdirSync(sandbox.path(`${pool}/tmp`))).toEqual([]);
      const retried = await sandbox.json(['save', '-i', '-', '--pool', pool], { stdin: archive });
      expect(retried).toMatchObject({ images: [{ reference: 'app:1.0', layers_exact: 1 }] });
      expect((await sandbox.run(['verify', '--read-data', '--pool', pool])).code).toBe(0);
    },
  );

  test('while an engine is silent, and a second signal ends it at once', async () => {
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(sandbox.path('silent.sock'), resolve));
    try {
      const env = { DOCKER_HOST: `unix://${sandbox.path('silent.sock')}` };
      const child = sandbox.start(['save', 'app:1.0', '--pool', 'engine'], env);
      const end = finished(child);
      await new Promise((resolve) => server.once('connection', resolve));
      child.kill('SIGINT');
      child.kill('SIGINT');
      expect((await end).code).toBe(130);
    } finally {
      server.close();
    }
  });
});

describe('who reads no more', () => {
  test('a closed pipe is not an error to tell', async () => {
    for (const words of [['load', 'app:1.0', '-o', '-', '-q'], ['help'], ['show', 'app:1.0']]) {
      const child = sandbox.start(words);
      child.stdout!.destroy();
      let stderr = '';
      child.stderr!.on('data', (piece: Buffer) => {
        stderr += piece.toString();
      });
      await new Promise((resolve) => child.on('close', resolve));
      expect(stderr, words.join(' ')).toBe('');
    }
  });

  test('an image into `head` is quiet', async () => {
    const script = `"${process.execPath}" "${CLI_PATH}" load app:1.0 -o - -q | head -c 10000 | wc -c`;
    const child = spawn('bash', ['-c', script], { env: sandbox.env(), cwd: sandbox.directory });
    expect(await finished(child)).toMatchObject({ code: 0, stdout: '10000\n', stderr: '' });
  });
});

describe('standard error', () => {
  test('--progress json gives JSON lines, whole ones, beside a result for people', async () => {
    const result = await sandbox.run(['load', 'app:1.0', '-o', 'x.tar', '--progress', 'json']);
    const lines = result.stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; task: string });
    expect(lines[0]).toMatchObject({
      schema_version: 1,
      type: 'start',
      task: 'writing x.tar',
      total_bytes: archive.length,
    });
    expect(lines.at(-1)).toEqual({ schema_version: 1, type: 'end', task: 'writing x.tar' });
    expect(lines.some(({ type }) => type === 'bytes')).toBe(true);
    expect(result.stdout).toContain('byte for byte');
  });

  test('--progress plain, none, and --quiet', async () => {
    const plain = await sandbox.run(['load', 'app:1.0', '-o', 'x.tar']);
    expect(plain.stderr).toMatch(/^writing x\.tar \(2\.01 MB\)\nwriting x\.tar: done, 2\.01 MB in .*\n$/);
    expect((await sandbox.run(['load', 'app:1.0', '-o', 'x.tar', '--progress', 'none'])).stderr).toBe('');
    expect(await sandbox.run(['load', 'app:1.0', '-o', 'x.tar', '-q'])).toMatchObject({
      stdout: '',
      stderr: '',
    });
  });

  test('DBUP_DEBUG shows the stack, and nothing else does', async () => {
    expect((await sandbox.run(['log', 'nix'])).stderr).not.toMatch(/^ {4}at /m);
    expect((await sandbox.run(['log', 'nix'], { env: { DBUP_DEBUG: '1' } })).stderr).toMatch(/^ {4}at /m);
  });
});

/** `script` gives a command a terminal. */
const hasScript = spawnSync('script', ['--version']).status === 0;

describe.runIf(hasScript)('on a terminal', () => {
  const onTerminal = (words: string, env: NodeJS.ProcessEnv = {}) =>
    finished(
      spawn('script', ['-qec', `"${process.execPath}" "${CLI_PATH}" ${words}`, '/dev/null'], {
        cwd: sandbox.directory,
        env: sandbox.env({ TERM: 'xterm', ...env }),
      }),
    );

  test('a bar is drawn and cleared, errors have colour, and NO_COLOR takes it away', async () => {
    const loaded = await onTerminal('load app:1.0 -o x.tar');
    expect(loaded.stdout).toContain('\u001b[2Kwriting x.tar');
    expect(loaded.stdout.split('\r\u001b[2K').at(-1)).toMatch(/^app:1\.0 \([0-9a-f]{12}\): written/);
    expect((await onTerminal('log nix')).stdout).toContain('\u001b[31merror:');
    const bare = await onTerminal('log nix', { NO_COLOR: '1' });
    expect(bare.stdout).toContain('error: the pool has no nix');
    expect(bare.stdout).not.toContain('\u001b[31m');
    expect((await onTerminal('load app:1.0 -o x.tar', { TERM: 'dumb' })).stdout).not.toContain('\u001b');
  });

  test('an image is not written to a terminal, nor read from one', async () => {
    const written = await onTerminal('load app:1.0 -o -');
    expect(written.code).toBe(2);
    expect(written.stdout).toContain('an image is not written to a terminal');
    const read = await onTerminal('save -i -');
    expect(read.code).toBe(2);
    expect(read.stdout).toContain('standard input is a terminal');
  });
});
