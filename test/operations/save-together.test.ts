import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openPool } from '../../src/pool/pool.js';
import { classicDockerArchive, podmanArchive, type SampleImage } from '../support/archive-layouts.js';
import { layerTar } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';

const SCRIPT = fileURLToPath(new URL('../support/pool-process.mjs', import.meta.url));
const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const image: SampleImage = { references: ['app:1.0'], layers: [layerTar(1, 3, 400_000)] };
const archive = classicDockerArchive([image]);
const first = podmanArchive({ references: ['first:1'], layers: [layerTar(2, 1, 1000)] });

function start(room: PoolRoom, ...commands: string[]): ChildProcess {
  const env = { ...process.env, TEST_CACHE_ROOT: room.path('cache') };
  return spawn(process.execPath, [SCRIPT, DIST, room.pool, ...commands], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env,
  });
}

async function line(child: ChildProcess): Promise<string> {
  let text = '';
  for await (const piece of child.stdout!) {
    text += piece;
    if (text.includes('\n')) break;
  }
  return text.trim();
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

describe('several processes and one pool', () => {
  it('may save the same image at once', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(first);
    const path = await room.file(archive, 'same.tar');
    const savers = Array.from({ length: 4 }, () => start(room, 'save', path));
    const answers = await Promise.all(savers.map(line));
    for (const answer of answers) expect(JSON.parse(answer)).toHaveProperty('ok');
    expect(Buffer.from(await room.load('app:1.0')).equals(archive)).toBe(true);
    expect(Buffer.from(await room.load('first:1')).equals(first)).toBe(true);
    expect((await room.saveBytes(archive)).images[0]!.alreadySaved).toBe(true);
  });

  it.each(['read', 'append'])('one that holds it for %s lets others read and save', async (access) => {
    await using room = await PoolRoom.create();
    await room.saveBytes(first);
    const holder = start(room, 'hold', access);
    try {
      expect(await line(holder)).toBe('held');
      await room.saveBytes(archive);
      expect(Buffer.from(await room.load('app:1.0')).equals(archive)).toBe(true);
      expect(await codeOf(room.with('exclusive', async () => {}))).toBe('POOL_LOCKED');
      // A refused save must not take its packs away under the eyes of another.
      expect(await codeOf(room.saveBytes(archive.subarray(0, 9000)))).toBe('INPUT_TRUNCATED');
    } finally {
      await kill(holder);
    }
    await room.with('exclusive', async () => {});
  });

  it('one that holds it alone keeps others out, waiting as long as they were told, and no longer than it lives', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(first);
    const before = await room.contents();
    const holder = start(room, 'hold', 'exclusive');
    let killing: Promise<void> | null = null;
    try {
      expect(await line(holder)).toBe('held');
      expect(await codeOf(room.saveBytes(archive))).toBe('POOL_LOCKED');
      expect(await codeOf(room.load('first:1'))).toBe('POOL_LOCKED');
      expect(await room.contents()).toEqual(before);
    } finally {
      killing = kill(holder);
    }
    const pool = await openPool(room.pool, { access: 'read', cacheRoot: null, lockWaitMs: 20_000 });
    await pool.close();
    await killing;
    await room.saveBytes(archive);
    expect(Buffer.from(await room.load('app:1.0')).equals(archive)).toBe(true);
  });
});
