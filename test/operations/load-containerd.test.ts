import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import type { EngineClient } from '../../src/image/engine/engine-client.js';
import { type LoadOptions, load } from '../../src/operations/load.js';
import { idOf, podmanArchive, type SampleImage } from '../support/archive-layouts.js';
import { layerTar, sha256Of } from '../support/images.js';
import { codeOf, PoolRoom } from '../support/pool-room.js';
import { entriesIn, signedLayout, writeLayout } from '../support/signed-layout.js';

const image: SampleImage = { references: [], layers: [layerTar(1, 2, 4000)] };
const onArm: SampleImage = { ...image, config: { architecture: 'arm64' } };
const { builder, root, manifests } = signedLayout({ 'linux/amd64': image, 'linux/arm64': onArm });

/** Answers as docker with the containerd store does, keeping what it is sent; what it really does, test/interop shows. */
class ContainerdStore {
  readonly directory: string;
  /** What it says the image's id is; of the layout it was sent, where null. */
  answer: string | null = null;
  rootFsLayers: string[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  get client(): EngineClient {
    const self = this;
    const engine: Partial<EngineClient> = {
      usesContainerdStore: async () => true,
      knownChains: async () => [],
      async loadImage(tar) {
        const pieces: Buffer[] = [];
        for await (const piece of tar) pieces.push(Buffer.from(piece));
        await mkdir(self.directory, { recursive: true });
        await writeFile(join(self.directory, 'sent.tar'), Buffer.concat(pieces));
        execFileSync('tar', ['xf', join(self.directory, 'sent.tar'), '-C', self.directory]);
        return { messages: [], loaded: [] };
      },
      async inspectImage() {
        const id = self.answer ?? (await entriesIn(self.directory))[0]!.digest;
        return { id, rootFsLayers: self.rootFsLayers } as never;
      },
    };
    return engine as EngineClient;
  }
}

function loadInto(room: PoolRoom, store: ContainerdStore, options: LoadOptions = {}) {
  const sink = { kind: 'engine' as const, client: store.client };
  return room.with('read', (pool) => load(pool, 'app:1.0', sink, options, quietContext()));
}

describe("docker's containerd store", () => {
  it('is sent the index and the layers as they came, and no signatures to take for images', async () => {
    await using room = await PoolRoom.create();
    const path = await writeLayout(room.path('in'), builder.layout());
    await room.save({ kind: 'oci-directory', path }, { as: 'app:1.0' });
    const store = new ContainerdStore(room.path('store'));
    const result = await loadInto(room, store);
    expect(result).toMatchObject({ imageId: root.digest, platforms: ['linux/amd64', 'linux/arm64'] });
    expect(result.differences.map(({ kind }) => kind)).toEqual(['companions']);
    const entries = await entriesIn(store.directory);
    expect(entries.map(({ digest, annotations }) => [digest, annotations])).toEqual([
      [
        root.digest,
        {
          'io.containerd.image.name': 'docker.io/library/app:1.0',
          'org.opencontainers.image.ref.name': '1.0',
        },
      ],
    ]);
    const arm = manifests.get('linux/arm64')!;
    for (const digest of [root.digest, arm.digest]) {
      const blob = `blobs/sha256/${digest.slice(7)}`;
      expect(await readFile(join(store.directory, blob))).toEqual(Buffer.from(builder.files.get(blob)!));
    }
    const one = new ContainerdStore(room.path('one'));
    const chosen = await loadInto(room, one, { platforms: ['linux/arm64'] });
    expect(chosen).toMatchObject({ imageId: arm.digest, platforms: ['linux/arm64'] });
    expect((await entriesIn(one.directory))[0]!.digest).toBe(arm.digest);
  });

  it('that answers with another digest has not taken the image', async () => {
    await using room = await PoolRoom.create();
    const path = await writeLayout(room.path('in'), builder.layout());
    await room.save({ kind: 'oci-directory', path }, { as: 'app:1.0' });
    const store = new ContainerdStore(room.path('store'));
    store.answer = idOf(image);
    expect(await codeOf(loadInto(room, store))).toBe('ENGINE_IMAGE_DIFFERS');
  });

  it('is sent a docker-archive of an image that has no manifest', async () => {
    await using room = await PoolRoom.create();
    await room.saveBytes(podmanArchive({ ...image, references: ['app:1.0'] }));
    const store = new ContainerdStore(room.path('store'));
    store.answer = idOf(image);
    store.rootFsLayers = image.layers.map((layer) => `sha256:${sha256Of(layer)}`);
    expect(await loadInto(room, store)).toMatchObject({ imageId: idOf(image), differences: [] });
    const [entry] = JSON.parse(await readFile(join(store.directory, 'manifest.json'), 'utf8'));
    expect(entry.RepoTags).toEqual(['app:1.0']);
  });
});
