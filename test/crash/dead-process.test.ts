import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CrashDisk } from './explorer/crash-disk.js';
import { CrashRoom } from './explorer/crash-room.js';
import { type FaultKind, ProcessDied } from './explorer/faults.js';
import { makePools } from './explorer/pools.js';
import { POWER_LOSSES } from './explorer/power-loss.js';
import type { Subject } from './explorer/subject.js';
import { makeSubjects } from './explorer/subjects.js';
import { writeTree } from './explorer/tree.js';

/** A process that is gone before it has made the disk keep something. */
const DIES_AT_SYNC: FaultKind = { calls: ['sync', 'syncDirectory'], effect: 'death' };

const root = mkdtempSync(join(tmpdir(), 'dbup-dead-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const pools = await makePools(join(root, 'pools'));
const subjects = new Map(makeSubjects(pools).map((subject) => [subject.name, subject]));

/** Kills an operation at its N-th sync and runs `next` after it. @returns the disk, or null when there is no N-th */
async function dieAndGoOn(
  subject: Subject,
  at: number,
  next: (room: CrashRoom) => Promise<unknown>,
): Promise<CrashDisk | null> {
  const disk = new CrashDisk(join(root, 'disk'), subject.baseline);
  const room = new CrashRoom(disk.root, { fs: disk.fs, poolName: subject.poolName });
  disk.arm(DIES_AT_SYNC, at, () => 0);
  const died = await subject.run(room).then(
    () => false,
    () => true,
  );
  expect(died, 'it dies exactly where the fault fires').toBe(disk.fired !== null);
  disk.restart();
  if (!died) return null;
  await next(room);
  disk.closeFiles();
  return disk;
}

/** What loads after the power went at once, by what was lost. */
async function* afterEachLoss(subject: Subject, disk: CrashDisk): AsyncGenerator<[string, CrashRoom]> {
  for (const loss of Object.keys(POWER_LOSSES)) {
    writeTree(
      join(root, 'after'),
      disk.afterPowerLoss(loss, () => 0.5),
    );
    yield [loss, new CrashRoom(join(root, 'after'), { poolName: subject.poolName })];
  }
}

describe('what a dead process did not sync', () => {
  it.each([
    ['create', 'the directories on the way to the pool'],
    ['save', 'names of packs'],
    ['save-known', 'names of snapshots'],
    ['tag', 'names of snapshots'],
    ['gc', 'the removal of packs'],
  ])('is made durable by the %s that follows: %s', async (name) => {
    const subject = subjects.get(name)!;
    let deaths = 0;
    for (let at = 1; ; at++) {
      const disk = await dieAndGoOn(subject, at, (room) => subject.run(room));
      if (disk === null) break;
      deaths++;
      for await (const [loss, room] of afterEachLoss(subject, disk)) {
        const what = `died at sync ${at}, then lost ${loss}`;
        expect(await subject.unmet(room), what).toEqual([]);
        expect(await room.faults(), what).toEqual([]);
      }
    }
    expect(deaths).toBeGreaterThan(1);
  });

  it('does not bring versions back without the packs that gc has taken', async () => {
    const subject = subjects.get('rm-keep')!;
    const disk = await dieAndGoOn(subject, 1, (room) => room.gc({}));
    expect(disk).not.toBeNull();
    for await (const [loss, room] of afterEachLoss(subject, disk!)) {
      expect(await room.faults(), loss).toEqual([]);
    }
  });
});

describe('the model of lost power', () => {
  const bytes = new TextEncoder().encode('everything');
  const write = async (disk: CrashDisk, syncs: ('file' | 'directory')[]): Promise<void> => {
    const file = await disk.fs.createNew(join(disk.root, 'tmp/new'));
    await file.write(bytes, 0);
    if (syncs.includes('file')) await file.sync();
    await file.close();
    await disk.fs.rename(join(disk.root, 'tmp/new'), join(disk.root, 'kept/new'));
    if (syncs.includes('directory')) await disk.fs.syncDirectory(join(disk.root, 'kept'));
  };
  const outcomes = async (syncs: ('file' | 'directory')[]): Promise<Set<string>> => {
    const disk = new CrashDisk(
      join(root, 'model'),
      new Map([
        ['kept', null],
        ['tmp', null],
      ]),
    );
    await write(disk, syncs);
    return new Set(
      Object.keys(POWER_LOSSES).map((loss) => {
        const kept = disk.afterPowerLoss(loss, () => 0.5).get('kept/new');
        if (!kept) return 'gone';
        return Buffer.compare(kept, bytes) === 0 ? 'whole' : `${kept.length} other bytes`;
      }),
    );
  };

  it('loses names and contents that were not synced, and nothing that was', async () => {
    expect(await outcomes([])).toEqual(new Set(['gone', 'whole', '0 other bytes', '10 other bytes']));
    expect(await outcomes(['directory'])).toEqual(new Set(['whole', '0 other bytes', '10 other bytes']));
    expect(await outcomes(['file'])).toEqual(new Set(['gone', 'whole']));
    expect(await outcomes(['file', 'directory'])).toEqual(new Set(['whole']));
  });

  it('lets a dead process do nothing more', async () => {
    const disk = new CrashDisk(join(root, 'model'), new Map([['kept', null]]));
    disk.arm({ calls: ['rename'], effect: 'death' }, 1, () => 0);
    await expect(disk.fs.rename(join(disk.root, 'kept'), join(disk.root, 'gone'))).rejects.toThrow(
      ProcessDied,
    );
    await expect(disk.fs.unlink(join(disk.root, 'kept'))).rejects.toThrow(ProcessDied);
    expect([...disk.afterPowerLoss('everything', () => 0).keys()]).toEqual(['kept']);
  });
});
