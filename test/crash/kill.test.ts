import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { dockerArchive, imageVersions, layerTar } from '../support/images.js';
import { CliRoom, ended, killHard, namesIn } from '../support/run-dbup.js';
import { seededRandom } from '../support/tar-builder.js';

const SEED = Number(process.env.DBUP_TEST_SEED ?? 5_005);
const KILLS = process.env.DBUP_LONG_TESTS ? 200 : 20;
const BYTES = { base: 1_500_000, application: 400_000 };

interface Log {
  versions: { snapshot_id: string; image_id: string }[];
}

/** What the pool must hold, by image id: the bytes of every version ever saved. */
class Story {
  readonly room: CliRoom;
  readonly #bytesOf = new Map<string, Uint8Array>();

  constructor(room: CliRoom) {
    this.room = room;
  }

  async snapshots(): Promise<string[]> {
    return namesIn(join(this.room.path('pool'), 'snapshots'));
  }

  async save(bytes: Uint8Array): Promise<{ new_bytes: number }> {
    const input = await this.room.file('in.tar', bytes);
    const saved = await this.room.json<{ images: { image_id: string }[]; new_bytes: number }>([
      'save',
      '-i',
      input,
    ]);
    this.#bytesOf.set(saved.images[0]!.image_id, bytes);
    return saved;
  }

  expectLater(imageId: string, bytes: Uint8Array): void {
    this.#bytesOf.set(imageId, bytes);
  }

  async log(): Promise<Log['versions']> {
    return (await this.room.json<Log>(['log', 'app:1.0'])).versions;
  }

  /** The pool is clean to the last byte, and `count` of its versions, drawn by `random`, come back exactly. */
  async expectSound(what: string, random: () => number, count: number): Promise<void> {
    const verified = await this.room.run(['verify', '--read-data']);
    expect(verified.exitCode, `${what}\n${verified.stdout}${verified.stderr}`).toBe(0);
    const versions = await this.log();
    for (let turn = 0; turn < count; turn++) {
      const version = versions[Math.floor(random() * versions.length)]!;
      const expected = this.#bytesOf.get(version.image_id);
      expect(expected, `${what}: an image that was never saved`).toBeDefined();
      expect(await this.room.loadVerdict(`app:1.0@${version.snapshot_id}`, expected!), what).toBe('exact');
    }
  }
}

describe('kill -9', () => {
  test(
    `at ${KILLS} moments of save, load, rm and gc leaves a clean pool, and a retry succeeds`,
    async () => {
      console.log(`seed ${SEED}`);
      const random = seededRandom(SEED);
      await using room = await CliRoom.create();
      const story = new Story(room);
      const versions = imageVersions('app:1.0', SEED, KILLS + 3, BYTES);
      let next = 0;
      for (; next < 3; next++) await story.save(versions[next]!);
      const typicalMs = await typicalDuration(room);
      let killed = 0;
      for (let kill = 0; kill < KILLS; kill++) {
        const kind = (['save', 'load', 'rm', 'gc'] as const)[kill % 4]!;
        const before = await story.snapshots();
        const bytes = versions[next]!;
        const words = {
          save: ['save', '-i', await room.file('in.tar', bytes)],
          load: ['load', 'app:1.0', '-o', room.path('killed-load.tar')],
          rm: ['rm', 'app:1.0~2'],
          gc: ['gc'],
        }[kind];
        // Twice the usual time at the most, so that some end before they are killed.
        const child = room.start(words);
        const end = ended(child);
        await sleep(random() * 1.3 * typicalMs);
        if (await killHard(child)) killed++;
        await end;
        const what = `kill ${kill} during ${kind}`;
        const after = await story.snapshots();
        if (kind === 'save') await expectNoneLost(story, before, after, bytes);
        else if (kind === 'rm') expect(before.length - after.length, what).toBeLessThanOrEqual(1);
        else expect(after, what).toEqual(before);
        await story.expectSound(what, random, 1);
        if (kind === 'save') {
          await story.save(bytes);
          next++;
        } else if (kind === 'rm') {
          // Once more only where the first did not come to it: a third version must stay.
          if (after.length === before.length) await room.json(words);
        } else {
          await room.json(['--lock-wait', '0', ...words]);
        }
      }
      await story.expectSound('the end', random, 5);
      expect(killed, 'too few were killed in time').toBeGreaterThanOrEqual(KILLS / 4);
    },
    KILLS * 30_000,
  );

  test('once packs were stored, the retry stores only the rest', async () => {
    await using room = await CliRoom.create();
    const story = new Story(room);
    const bytes = dockerArchive({
      references: ['app:1.0'],
      layers: [layerTar(71, 4, 9_000_000), layerTar(72, 4, 9_000_000)],
    });
    const child = room.start(['save', '-i', await room.file('in.tar', bytes)]);
    const end = ended(child);
    const packs = join(room.path('pool'), 'packs');
    while (child.exitCode === null && (await namesIn(packs)).length === 0) await sleep(2);
    expect(await killHard(child), 'the save ended before it was killed').toBe(true);
    await end;
    const stored = (await namesIn(packs)).length;
    expect(stored).toBeGreaterThan(0);
    expect(await story.snapshots()).toEqual([]);
    const { new_bytes } = await story.save(bytes);
    expect(new_bytes).toBeLessThan(bytes.length * 0.85);
    await story.expectSound('after the retry', seededRandom(1), 1);
    // What the killed save left under temporary names goes with the next gc, and nothing else.
    await room.json(['gc']);
    expect(await namesIn(join(room.path('pool'), 'tmp'))).toEqual([]);
    await story.expectSound('after gc', seededRandom(1), 1);
  });
});

/** A save that was killed has added its snapshot or has not; all others are there. */
async function expectNoneLost(
  story: Story,
  before: readonly string[],
  after: readonly string[],
  bytes: Uint8Array,
): Promise<void> {
  expect(after).toEqual(expect.arrayContaining([...before]));
  expect(after.length - before.length).toBeLessThanOrEqual(1);
  const added = after.find((id) => !before.includes(id));
  if (added === undefined) return;
  const version = (await story.log()).find(({ snapshot_id }) => snapshot_id === added);
  story.expectLater(version!.image_id, bytes);
}

/** How long a load takes here and now, from start to end. */
async function typicalDuration(room: CliRoom): Promise<number> {
  const startMs = performance.now();
  await room.json(['load', 'app:1.0', '-o', room.path('timed.tar')]);
  return performance.now() - startMs;
}
