import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type OperationContext, quietContext } from '../../src/core/context.js';
import { type LoadSink, load } from '../../src/operations/load.js';
import { createPool } from '../../src/pool/create-pool.js';
import { SmallPool } from '../operations/small-pool.js';
import { dockerArchive, layerTar } from '../support/images.js';

const LAYER = layerTar(1, 2, 150_000);
const APP = dockerArchive({ references: ['app:1'], layers: [LAYER] });

describe('load from a pool with two copies of a layer, the first of them damaged', () => {
  /** Two pools had saved the image, one of them after another with the same layer, before they became one. */
  async function twoCopies(): Promise<SmallPool> {
    for (let seed = 2; ; seed++) {
      const room = await SmallPool.create();
      await createPool(room.directory);
      await using other = await room.copy();
      await room.save(APP);
      await other.save(dockerArchive({ references: ['other:1'], layers: [LAYER, layerTar(seed, 1, 2000)] }));
      const packs = join(room.directory, 'packs');
      const [first] = await readdir(packs);
      const [second] = await readdir(join(other.directory, 'packs'));
      if (first! > second!) {
        await room[Symbol.asyncDispose]();
        continue;
      }
      await other.save(APP);
      for (const name of ['packs', 'snapshots']) {
        await cp(join(other.directory, name), join(room.directory, name), { recursive: true });
      }
      const bytes = await readFile(join(packs, first!));
      bytes[5000]! ^= 1;
      await writeFile(join(packs, first!), bytes);
      return room;
    }
  }

  const outcomeOf = async (room: SmallPool, sink: LoadSink, context: OperationContext) =>
    room
      .with('read', (pool) => load(pool, 'app:1', sink, {}, context))
      .then(
        () => 'loaded',
        (error: { code?: string }) => error.code,
      );

  it('uses the good one, and says so', async () => {
    await using room = await twoCopies();
    const warnings: string[] = [];
    const context = quietContext({
      report: (event) => void (event.type === 'warning' && warnings.push(event.message)),
    });
    const path = join(room.root, 'out.tar');
    expect(await outcomeOf(room, { kind: 'file', path, format: 'saved' }, context)).toBe('loaded');
    expect(await readFile(path)).toEqual(Buffer.from(APP));
    expect(warnings).toEqual([expect.stringContaining('damaged')]);
    const directory = join(room.root, 'layout');
    expect(await outcomeOf(room, { kind: 'oci-directory', path: directory }, quietContext())).toBe('loaded');
  });

  it('does not begin again on a stream that has had bytes', async () => {
    await using room = await twoCopies();
    const stream = new PassThrough();
    stream.resume();
    expect(await outcomeOf(room, { kind: 'stream', stream, format: 'saved' }, quietContext())).toBe(
      'POOL_DAMAGED',
    );
  });
});
