import { expect, it } from 'vitest';
import { encodeSnapshot } from '../../src/format/snapshot.js';
import { createPool } from '../../src/pool/create-pool.js';
import { writeDurably } from '../../src/store/durable-file.js';
import { nodeFileSystem } from '../../src/store/file-system.js';
import { PoolLayout } from '../../src/store/pool-layout.js';
import { sha256Of } from '../support/images.js';
import { CliRoom, ended } from '../support/run-dbup.js';

const ESCAPES = '\u001b]0;title\u0007\u001b[31m\u009b31m';

it('no text of a snapshot that came from elsewhere reaches the terminal as an escape', async () => {
  await using room = await CliRoom.create();
  const directory = room.path('pool');
  await createPool(directory);
  const digest = `sha256:${sha256Of(new Uint8Array(0))}`;
  const recipeId = digest.slice('sha256:'.length);
  const snapshot = encodeSnapshot({
    reference: 'app:1',
    createdAt: '2024-01-01T00:00:00.000Z',
    host: ESCAPES,
    source: ESCAPES,
    imageId: digest,
    root: { digest, mediaType: ESCAPES, sizeBytes: 0 },
    images: [{ platform: ESCAPES, configDigest: digest, layers: [{ digest, diffId: digest }] }],
    absent: [ESCAPES],
    blobs: [{ digest, sizeBytes: 0, mediaType: ESCAPES, recipeId }],
    stats: { imageBytes: 0, newBytes: 0, newPlainBytes: 0 },
  });
  const layout = new PoolLayout(directory);
  await writeDurably(nodeFileSystem, layout.temporaryDirectory, layout.snapshotsDirectory, snapshot);
  const platform = ['--platform', 'linux/arm64'];
  for (const words of [
    ['ls'],
    ['log', 'app:1'],
    ['show', 'app:1'],
    ['verify'],
    ['stats'],
    ['load', 'app:1', ...platform, '-o', room.path('o')],
  ]) {
    const { stdout, stderr } = await ended(room.start(words));
    expect(`${stdout}${stderr}`, words.join(' ')).not.toMatch(/[^\P{Cc}\n]/u);
    expect(`${stdout}${stderr}`, words.join(' ')).not.toBe('');
  }
});
