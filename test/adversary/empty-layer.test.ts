import { expect, it } from 'vitest';
import { classicDockerArchive, ociArchive, type SampleImage } from '../support/archive-layouts.js';
import { layerTar } from '../support/images.js';
import { PoolRoom } from '../support/pool-room.js';

const IMAGE: SampleImage = { references: ['app:1'], layers: [layerTar(1, 2, 20_000), new Uint8Array(0)] };

it.each([
  ['docker-archive', classicDockerArchive([IMAGE])],
  ['oci-archive', ociArchive([IMAGE], { packing: 'plain' })],
])(
  'an image with a layer of 0 bytes, saved from a %s, can be saved again from what load wrote',
  async (_, archive) => {
    await using room = await PoolRoom.create();
    await room.saveBytes(archive);
    const written = await room.load('app:1', 'oci-archive');
    await room.saveBytes(written, { as: 'again:1' });
    expect(await room.load('again:1', 'oci-archive')).toHaveLength(written.length);
    const classic = await room.load('app:1', 'docker-archive');
    await room.saveBytes(classic, { as: 'classic:1' });
    await room.loadIntoDirectory('app:1', room.path('layout'));
    await room.save({ kind: 'oci-directory', path: room.path('layout') }, { as: 'directory:1' });
    expect(await room.load('directory:1', 'docker-archive')).toHaveLength(
      (await room.load('again:1', 'docker-archive')).length,
    );
  },
);
