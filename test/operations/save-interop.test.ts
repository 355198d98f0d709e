import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { configOf, idOf, podmanArchive, type SampleImage } from '../support/archive-layouts.js';
import { layerTar } from '../support/images.js';
import { PoolRoom } from '../support/pool-room.js';
import { concatBytes, randomTar, tarEnd, tarFile } from '../support/tar-builder.js';

const run = promisify(execFile);

function hasSkopeo(): boolean {
  try {
    execFileSync('skopeo', ['--version']);
    return true;
  } catch {
    return false;
  }
}

const image: SampleImage = {
  references: ['app:1.0'],
  layers: [
    layerTar(1, 2, 30_000),
    concatBytes([tarFile('etc/x', randomTar(3, { members: 2, maxFileBytes: 90 })), tarEnd()]),
  ],
};

async function skopeo(...words: string[]): Promise<string> {
  return (await run('skopeo', ['--insecure-policy', '--tmpdir', '/tmp', ...words])).stdout;
}

describe.skipIf(!hasSkopeo())('skopeo (skipped where it is not installed)', () => {
  it('reads what load writes, and save reads what it writes, whatever the way', async () => {
    await using room = await PoolRoom.create();
    const start = await room.file(podmanArchive(image), 'start.tar');
    await skopeo('copy', `docker-archive:${start}`, `oci-archive:${room.path('o.tar')}:app:1.0`);
    await skopeo('copy', `docker-archive:${start}`, `oci:${room.path('layout')}:app:1.0`);
    await skopeo(
      'copy',
      `docker-archive:${start}`,
      `oci:${room.path('zstd')}:app:1.0`,
      '--dest-compress-format',
      'zstd',
    );
    await skopeo(
      'copy',
      `oci:${room.path('layout')}:app:1.0`,
      `docker-archive:${room.path('d.tar')}:app:1.0`,
    );

    for (const source of [
      { kind: 'archive', path: start },
      { kind: 'archive', path: room.path('o.tar') },
      { kind: 'archive', path: room.path('d.tar') },
      { kind: 'oci-directory', path: room.path('layout') },
      { kind: 'oci-directory', path: room.path('zstd') },
    ] as const) {
      const { images } = await room.save(source, { as: 'app:1.0' });
      expect(images[0]!.imageId, source.path).toBe(idOf(image));
      const docker = await room.file(await room.load('app:1.0', 'docker-archive'), 'docker.tar');
      const oci = await room.file(await room.load('app:1.0', 'oci-archive'), 'oci.tar');
      const out = room.path(`out-${source.path.split('/').at(-1)}`);
      await room.loadIntoDirectory('app:1.0', out);
      for (const written of [`docker-archive:${docker}`, `oci-archive:${oci}`, `oci:${out}:1.0`]) {
        const config = await skopeo('inspect', '--config', '--raw', written);
        expect(config, written).toBe(Buffer.from(configOf(image)).toString());
        // Copying reads every layer and checks every digest.
        await skopeo('copy', written, `dir:${room.path('checked')}`);
      }
    }
  });
});
