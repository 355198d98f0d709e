import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DbupError } from '../../src/core/errors.js';
import { CrashDisk } from './explorer/crash-disk.js';
import { CrashRoom, describe as told } from './explorer/crash-room.js';
import type { FaultKind } from './explorer/faults.js';
import { makePools } from './explorer/pools.js';
import { makeSubjects } from './explorer/subjects.js';

/** A sector that cannot be read once. */
const UNREADABLE: FaultKind = { calls: ['blockingOpen', 'blockingRead'], effect: 'error', errno: 'EIO' };

const root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'dbup-unreadable-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const pools = await makePools(join(root, 'pools'));
const subjects = new Map(makeSubjects(pools).map((subject) => [subject.name, subject]));

describe('a block that cannot be read while packs are rewritten', () => {
  it.each(['gc', 'gc-repack'])(
    'is told as damage, and nothing is lost, wherever it lies: %s',
    async (name) => {
      const subject = subjects.get(name)!;
      let refusals = 0;
      for (let at = 1; ; at++) {
        const disk = new CrashDisk(join(root, 'disk'), subject.baseline);
        const room = new CrashRoom(disk.root, { fs: disk.fs });
        disk.arm(UNREADABLE, at, () => 0);
        const outcome = await Promise.resolve(subject.run(room)).catch((error: unknown) => error);
        const { fired } = disk;
        disk.restart();
        const what = `${fired}, read ${at}: ${told(outcome)}`;
        if (fired === null) {
          expect(outcome, what).toBeUndefined();
          break;
        }
        expect(outcome, what).toBeInstanceOf(DbupError);
        expect(outcome, what).toMatchObject({ code: 'POOL_DAMAGED' });
        refusals++;
        const after = new CrashRoom(disk.root);
        expect(await after.faults(), what).toEqual([]);
        const loads = [...(await after.loadAll())].map(([id, { outcome: loaded }]) => [id, loaded]);
        expect(new Map(loads as [string, string][]), what).toEqual(subject.earlier);
        await subject.run(after);
        expect(await subject.unmet(after), what).toEqual([]);
      }
      expect(refusals).toBeGreaterThan(10);
    },
  );
});
