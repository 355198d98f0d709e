import { copyFile, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classicDockerArchive, ociArchive, type SampleImage } from '../support/archive-layouts.js';
import { layerTar } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';
import { seededRandom } from '../support/tar-builder.js';

const SEED = 20_240_607;
const base = layerTar(1, 3, 60_000);
const versions = [2, 3, 4].map((seed) => {
  const image: SampleImage = { references: ['app:1.0'], layers: [base, layerTar(seed, 2, 30_000)] };
  return seed === 3 ? ociArchive([image]) : classicDockerArchive([image]);
});
const TYPED = /^POOL_(INCOMPLETE|DAMAGED|FORMAT_UNSUPPORTED)$/;

let room: PoolRoom;
beforeAll(async () => {
  room = await PoolRoom.create();
  for (const version of versions) await room.saveBytes(version);
});
afterAll(() => room[Symbol.asyncDispose]());

/** Loads every version: exact, or refused with a code that fits. @returns the codes, the newest first */
async function loadAll(context: string, codes: RegExp = TYPED): Promise<string[]> {
  const results: string[] = [];
  for (let back = 0; back < versions.length; back++) {
    let bytes: Uint8Array | null = null;
    const code = await codeOf(
      room.load(`app:1.0~${back}`).then((loaded) => {
        bytes = loaded;
      }),
    );
    if (bytes) expect(Buffer.from(bytes).equals(versions.at(-1 - back)!), context).toBe(true);
    else expect(code, context).toMatch(codes);
    results.push(code);
  }
  return results;
}

describe('an incomplete pool', () => {
  it.each(['gone', 'cut', 'emptied'])(
    'each pack %s: never wrong bytes, and saving again heals it',
    async (how) => {
      for (const pack of await room.packs()) {
        const copy = room.path(`copy-${basename(pack)}`);
        await copyFile(pack, copy);
        if (how === 'gone') await rm(pack);
        else await truncate(pack, how === 'cut' ? (await stat(pack)).size - 5 : 0);
        const results = await loadAll(`${how} ${pack}`, /^POOL_(INCOMPLETE|DAMAGED)$/);
        expect(results.some((code) => code !== 'NO_ERROR')).toBe(true);
        for (const version of versions) await room.saveBytes(version, { as: 'healed:1' });
        expect(await loadAll(`healed after ${how}`)).toEqual(['NO_ERROR', 'NO_ERROR', 'NO_ERROR']);
        await rename(copy, pack);
      }
    },
  );
});

describe('a flipped byte', () => {
  it(`anywhere (seed ${SEED}): every load is exact or fails with a code`, async () => {
    const random = seededRandom(SEED);
    const files = Object.keys(await room.contents()).filter((name) => name !== 'dbup.lock');
    let refused = 0;
    for (let round = 0; round < 40; round++) {
      const path = join(room.pool, files[round % files.length]!);
      const bytes = await readFile(path);
      // Ends of files hold what everything else is found by.
      const span = round % 3 === 0 ? Math.min(200, bytes.length) : bytes.length;
      const at = bytes.length - 1 - Math.floor(random() * span);
      const flipped = Buffer.from(bytes);
      flipped[at]! ^= 1 << Math.floor(random() * 8);
      await writeFile(path, flipped);
      const results = await loadAll(
        `seed ${SEED}, byte ${at} of ${path}`,
        /^(POOL_(INCOMPLETE|DAMAGED|FORMAT_UNSUPPORTED)|SNAPSHOT_NOT_FOUND)$/,
      );
      if (results.some((code) => code !== 'NO_ERROR')) refused++;
      await writeFile(path, bytes);
    }
    // Most flips hit something that some version needs.
    expect(refused).toBeGreaterThan(10);
  });
});
