import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PoolLock } from '../../src/catalog/pool-lock.js';
import { dockerArchive, layerTar } from '../support/images.js';
import { finished, Sandbox } from './dbup-process.js';

const sandbox = new Sandbox();
beforeAll(async () => {
  writeFileSync(
    sandbox.path('v.tar'),
    dockerArchive({ references: ['app:1.0'], layers: [layerTar(1, 1, 5000)] }),
  );
  await sandbox.json(['save', '-i', 'v.tar']);
});
afterAll(() => sandbox.remove());

test('gc and repair want the pool alone; readers and savers share it', async () => {
  const lock = PoolLock.acquire(`${sandbox.pool}/dbup.lock`, 'shared', 0);
  try {
    for (const words of [['gc'], ['repair', '--from', sandbox.pool]]) {
      expect(await sandbox.run([...words, '--lock-wait', '0'])).toMatchObject({ code: 11, stdout: '' });
    }
    expect((await sandbox.run(['gc', '--dry-run', '--lock-wait', '0'])).code).toBe(0);
    expect((await sandbox.run(['save', '-i', 'v.tar', '--lock-wait', '0'])).code).toBe(0);
  } finally {
    lock.release();
  }
});

test('--lock-wait waits for the end of a gc, saying so, and Ctrl-C ends the wait', async () => {
  const lock = PoolLock.acquire(`${sandbox.pool}/dbup.lock`, 'exclusive', 0);
  try {
    expect((await sandbox.run(['ls', '--lock-wait', '0'])).code).toBe(11);
    const waiting = [
      sandbox.start(['ls', '-q', '--lock-wait', '60', '--progress', 'json']),
      sandbox.start(['ls', '--lock-wait', '60']),
    ];
    const ends = waiting.map(finished);
    await Promise.all(
      waiting.slice(1).map((child) => new Promise((resolve) => child.stderr!.once('data', resolve))),
    );
    waiting[1]!.kill('SIGINT');
    const interrupted = await ends[1]!;
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toContain('the pool is in use; waiting for it');
    await sleep(200);
    lock.release();
    expect(await ends[0]).toMatchObject({ code: 0, stdout: 'app:1.0\n' });
  } finally {
    lock.release();
  }
});
