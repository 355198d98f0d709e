import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { listImages, listVersions } from '../../src/operations/list.js';
import { reindex } from '../../src/operations/reindex.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { rollback } from '../../src/operations/rollback.js';
import { showVersion } from '../../src/operations/show.js';
import { stats } from '../../src/operations/stats.js';
import { tagVersion } from '../../src/operations/tag.js';
import { dockerArchive, imageVersions, layerTar, sha256Of } from '../support/images.js';
import { SmallPool } from './small-pool.js';

const context = quietContext();

describe('versions of a pool', () => {
  let pool: SmallPool;
  const versions = imageVersions('app:1.0', 1, 3, { base: 90_000, application: 60_000 });
  const other = dockerArchive({
    references: ['other:latest'],
    layers: [layerTar(50, 1, 40_000)],
    config: {
      config: { Env: ['A=1'], Cmd: ['run'], ExposedPorts: { '80/tcp': {} }, Labels: { a: 'b' }, User: 'me' },
    },
  });

  beforeAll(async () => {
    pool = await SmallPool.create();
    for (const version of versions) await pool.save(version);
    await pool.save(other);
  });
  afterAll(async () => pool[Symbol.asyncDispose]());

  it('lists images and versions without any pack', async () => {
    await pool.with('read', async (open) => {
      const noPacks = { ...open.layout, packsDirectory: '/nowhere' };
      const blind = { ...open, layout: Object.assign(Object.create(open.layout), noPacks) };
      const { images, unusable } = await listImages(blind, context);
      expect(unusable).toEqual([]);
      expect(images.map(({ reference, versionCount }) => [reference, versionCount])).toEqual([
        ['app:1.0', 3],
        ['other:latest', 1],
      ]);
      const log = await listVersions(blind, 'app:1.0~1', context);
      expect(log.map(({ address }) => address)).toEqual(['app:1.0', 'app:1.0~1', 'app:1.0~2']);
      expect(log[0]!.newBytes).toBeLessThan(log[2]!.newBytes / 2);
      expect(log[0]!.imageBytes).toBe(versions[2]!.length);
      expect(images[0]!.current).toEqual(log[0]);
      await expect(listVersions(blind, 'none', context)).rejects.toMatchObject({
        code: 'SNAPSHOT_NOT_FOUND',
      });
    });
  });

  it('shows layers and config of one version', async () => {
    const shown = await pool.with('read', (open) => showVersion(open, 'other', context));
    expect(shown).toMatchObject({ address: 'other:latest', complete: true, missingChunks: 0, absent: [] });
    expect(shown.archive).toEqual({ dialect: 'docker-archive', sizeBytes: other.length, imageCount: 1 });
    const [image] = shown.images;
    const layer = layerTar(50, 1, 40_000);
    expect(image!.layers).toEqual([
      expect.objectContaining({ diffId: `sha256:${sha256Of(layer)}`, sizeBytes: layer.length }),
    ]);
    expect(image!.config).toMatchObject({
      os: 'linux',
      architecture: 'amd64',
      env: ['A=1'],
      cmd: ['run'],
      exposedPorts: ['80/tcp'],
      labels: { a: 'b' },
      user: 'me',
    });
  });

  it('measures what versions share', async () => {
    const result = await pool.with('read', (open) => stats(open, 'app:1.0~2', context));
    expect(result.pool).toMatchObject({ snapshots: 4, references: 2, garbageBytes: expect.any(Number) });
    expect(result.pool.garbageBytes!).toBeLessThan(100);
    expect(result.pool.imageBytesTotal).toBe(
      [...versions, other].reduce((sum, { length }) => sum + length, 0),
    );
    expect(result.pool.dedupRatio).toBeGreaterThan(1.5);
    const { data, skeleton, recipe, footerBytes } = result.pool.byKind;
    expect(data.storedBytes + skeleton.storedBytes + recipe.storedBytes + footerBytes).toBe(
      result.pool.packBytes,
    );
    const { storedBytes, uniqueBytes, sharedBytes, plainBytes } = result.version!;
    expect(uniqueBytes + sharedBytes).toBe(storedBytes);
    expect(uniqueBytes).toBeGreaterThan(0);
    // The base layer is shared.
    expect(sharedBytes).toBeGreaterThan(80_000);
    expect(plainBytes).toBeLessThanOrEqual(versions[0]!.length + 5000);
  });

  it('tags, once', async () => {
    await pool.with('append', async (open) => {
      const tagged = await tagVersion(open, 'app:1.0~1', 'app:stable', context);
      expect(tagged).toMatchObject({ address: 'app:stable', newBytes: 0, alreadyTagged: false });
      const again = await tagVersion(open, 'app:1.0~1', 'app:stable', context);
      expect(again).toMatchObject({ snapshotId: tagged.snapshotId, alreadyTagged: true });
    });
    expect((await pool.load('app:stable')).equals(versions[1]!)).toBe(true);
  });

  it('rolls back by appending, also when the clock has gone back', async () => {
    const early = quietContext({ now: () => 0 });
    const before = await pool.with('read', (open) => listVersions(open, 'app:1.0', context));
    const { version, rolledBackTo } = await pool.with('append', (open) =>
      rollback(open, 'app:1.0', undefined, early),
    );
    expect(rolledBackTo).toBe(before[1]!.snapshotId);
    expect(version).toMatchObject({ address: 'app:1.0', rollbackOf: before[1]!.snapshotId, newBytes: 0 });
    const after = await pool.with('read', (open) => listVersions(open, 'app:1.0', context));
    expect(after.slice(1).map(({ snapshotId }) => snapshotId)).toEqual(
      before.map(({ snapshotId }) => snapshotId),
    );
    expect((await pool.load('app:1.0')).equals(versions[1]!)).toBe(true);
    const oldest = before[2]!;
    const { snapshotId } = oldest;
    for (const to of [
      '~3',
      snapshotId,
      snapshotId.slice(0, 8),
      `@${snapshotId.slice(0, 8)}`,
      'app:1.0~3',
      oldest.imageId,
    ]) {
      const again = await pool.with('append', async (open) => {
        const result = await rollback(open, 'app:1.0', to, early);
        const plan = { keep: [], remove: [result.version], unreadable: [] };
        await executeRemoval(open, plan, context);
        return result;
      });
      expect([to, again.rolledBackTo]).toEqual([to, snapshotId]);
    }
    await pool.with('append', async (open) => {
      await expect(rollback(open, 'app:1.0', '~0', context)).rejects.toMatchObject({ code: 'USAGE' });
      await expect(rollback(open, 'app:1.0', 'other', context)).rejects.toMatchObject({ code: 'USAGE' });
      await expect(rollback(open, 'app:1.0', '~9', context)).rejects.toMatchObject({
        code: 'SNAPSHOT_NOT_FOUND',
      });
      await expect(rollback(open, 'app:1.0', 'ffffffff', context)).rejects.toMatchObject({
        code: 'SNAPSHOT_NOT_FOUND',
      });
    });
  });

  it('forgets what is named and says what stays', async () => {
    const plan = await pool.with('read', (open) => planRemoval(open, { addresses: ['app:1.0~0'] }, context));
    expect(plan.remove.map(({ address }) => address)).toEqual(['app:1.0']);
    expect(plan.keep.map(({ version }) => version.address)).toEqual(['app:1.0~1', 'app:1.0~2', 'app:1.0~3']);
    const whole = await pool.with('read', (open) =>
      planRemoval(open, { addresses: ['app:1.0', 'app:stable'] }, context),
    );
    expect([whole.remove.length, whole.keep.length]).toEqual([5, 0]);
    await pool.with('append', async (open) => {
      expect(await executeRemoval(open, plan, context)).toEqual({ removed: 1 });
      expect(await executeRemoval(open, plan, context)).toEqual({ removed: 0 });
    });
    expect((await pool.load('app:1.0')).equals(versions[2]!)).toBe(true);
  });

  it('forgets by rules, each reference by itself', async () => {
    await pool.with('append', async (open) => {
      const keep = { last: 1 };
      const all = await planRemoval(open, { addresses: [], keep }, context);
      const reasons = new Map(all.keep.map((kept) => [kept.version.address, kept.reasons]));
      expect(Object.fromEntries(reasons)).toEqual({
        'other:latest': ['last'],
        'app:stable': ['last'],
        'app:1.0': ['last'],
      });
      expect(all.remove.map(({ address }) => address)).toEqual(['app:1.0~1', 'app:1.0~2']);
      const filtered = { last: 1, references: ['other'] };
      const few = await planRemoval(open, { addresses: [], keep: filtered }, context);
      expect([few.keep.length, few.remove.length]).toEqual([1, 0]);
      const named = await planRemoval(open, { addresses: ['app:1.0'], keep }, context);
      expect([named.keep.length, named.remove.length]).toEqual([1, 2]);
      for (const request of [
        { addresses: [] },
        { addresses: [], keep: { last: 0 } },
        { addresses: ['app:1.0~1'], keep },
      ]) {
        await expect(planRemoval(open, request, context)).rejects.toMatchObject({ code: 'USAGE' });
      }
    });
  });

  it('makes the catalog anew', async () => {
    const files = await readdir(join(pool.directory, 'packs'));
    const result = await pool.with('read', (open) => reindex(open, context));
    expect(result).toMatchObject({ packs: files.length, unusable: [], catalogPath: null });
    expect(result.chunks).toBeGreaterThan(10);
  });
});
