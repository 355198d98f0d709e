import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink, truncate, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { dockerArchive, layerTar } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';
import { CliRoom, ended } from '../support/run-dbup.js';

const ARCHIVE = dockerArchive({ references: ['app:1'], layers: [layerTar(1, 3, 300_000)] });

/** Waits until a process has a file open. */
async function reading(path: string, pid: number): Promise<void> {
  for (;;) {
    const open = await readdir(`/proc/${pid}/fd`);
    const targets = await Promise.all(open.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')));
    if (targets.includes(path)) return;
    await sleep(50);
  }
}

describe('save -i', () => {
  it('reads a named pipe from its first byte, whoever comes first', async () => {
    await using room = await CliRoom.create();
    const source = await room.file('app.tar', ARCHIVE);
    const pipe = room.path('pipe');
    execFileSync('mkfifo', [pipe]);
    for (const writerFirst of [true, false]) {
      const write = () => spawn('sh', ['-c', 'exec cat "$0" > "$1"', source, pipe]);
      const early = writerFirst ? write() : null;
      const run = ended(room.start(['save', '-i', pipe]));
      if (!writerFirst) await sleep(700);
      const writer = early ?? write();
      const [[exitCode], saved] = await Promise.all([once(writer, 'exit'), run]);
      expect(exitCode).toBe(0);
      expect(saved.exitCode, saved.stderr).toBe(0);
    }
    const out = room.path('out.tar');
    expect((await ended(room.start(['load', 'app:1', '-o', out]))).exitCode).toBe(0);
    execFileSync('cmp', [source, out]);
  });

  it('can be ended while nobody writes to the pipe', async () => {
    await using room = await CliRoom.create();
    const pipe = room.path('pipe');
    execFileSync('mkfifo', [pipe]);
    const save = room.start(['save', '-i', pipe]);
    const run = ended(save);
    await reading(pipe, save.pid!);
    save.kill('SIGINT');
    const { exitCode, stderr } = await run;
    expect(exitCode).toBe(130);
    // One is enough: a second would have ended the process without a word.
    expect(stderr).toContain(`interrupted while reading ${pipe}`);
  });

  it('refuses a terabyte of nothing', async () => {
    await using room = await PoolRoom.create();
    const path = room.path('hole');
    await writeFile(path, '');
    await truncate(path, 2 ** 40);
    expect(await codeOf(room.save({ kind: 'archive', path }))).toBe('INPUT_NOT_AN_IMAGE');
  });
});
