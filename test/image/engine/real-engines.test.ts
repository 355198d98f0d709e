import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { extract, pack } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseEndpoint } from '../../../src/image/engine/endpoint.js';
import { EngineClient, knownPrefixLength } from '../../../src/image/engine/engine-client.js';
import {
  buildScratchImage,
  type EngineKind,
  engineAvailable,
  type RunningEngine,
  startDockerd,
  startPodman,
} from '../../support/engines.js';

interface Member {
  name: string;
  type: string;
  linkname: string;
  content: Buffer;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of source) pieces.push(piece);
  return Buffer.concat(pieces);
}

async function* inPieces(bytes: Uint8Array, sizeBytes = 7000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += sizeBytes) yield bytes.subarray(at, at + sizeBytes);
}

async function membersOf(tar: Buffer): Promise<Member[]> {
  const members: Member[] = [];
  const reader = extract();
  reader.end(tar);
  for await (const entry of reader) {
    const pieces: Buffer[] = [];
    for await (const piece of entry) pieces.push(piece as Buffer);
    const { name, type, linkname } = entry.header;
    members.push({ name, type: type ?? '', linkname: linkname ?? '', content: Buffer.concat(pieces) });
  }
  return members;
}

async function tarOf(members: readonly Member[]): Promise<Buffer> {
  const writer = pack();
  for (const member of members) writer.entry({ name: member.name }, member.content);
  writer.finalize();
  return await collect(writer as AsyncIterable<Uint8Array>);
}

interface ManifestEntry {
  Config: string;
  RepoTags: string[];
  Layers: string[];
}

function manifestOf(members: readonly Member[]): ManifestEntry {
  const manifest = members.find((member) => member.name === 'manifest.json')!;
  return (JSON.parse(manifest.content.toString()) as ManifestEntry[])[0]!;
}

/** Config, manifest and the layer files from `from` on: what a load needs when the engine has the others. */
function withoutBaseLayers(members: readonly Member[], from: number): Member[] {
  const { Config, Layers } = manifestOf(members);
  const wanted = new Set([Config, 'manifest.json', ...Layers.slice(from)]);
  return members.filter((member) => wanted.has(member.name) && member.type === 'file');
}

const BASE = [{ 'etc/os': 'base' }, { 'bin/tool': 'x'.repeat(300_000) }];

describe.each<[EngineKind, () => Promise<RunningEngine>]>([
  ['docker', startDockerd],
  ['podman', startPodman],
])(
  'a real %s',
  (kind, start) => {
    const available = engineAvailable(kind);
    let engine: RunningEngine;
    let client: EngineClient;

    beforeAll(async () => {
      if (!available) return;
      engine = await start();
      client = new EngineClient(parseEndpoint(engine.host, '--host'));
    }, 120_000);

    afterAll(async () => {
      client?.close();
      await engine?.stop();
    }, 60_000);

    const test = it.skipIf(!available);

    test('tells what it is', async () => {
      expect(await client.version()).toEqual({
        apiVersion: expect.stringMatching(/^1\.\d+$/) as string,
        engineVersion: expect.stringMatching(/^\d+\.\d+/) as string,
        kind,
      });
    });

    test('exports an image and takes it back as the same image', async () => {
      const id = await buildScratchImage(engine.socketPath, 'dbup.test/round:1', {
        layers: [...BASE, { 'app/a': 'one' }],
        instructions: ['ENV ROUND=1'],
      });
      const before = await client.inspectImage('dbup.test/round:1');
      expect(before).toMatchObject({ id, repoTags: ['dbup.test/round:1'], os: 'linux' });
      expect(before?.rootFsLayers).toHaveLength(3);
      expect(before?.config).toMatchObject({ Env: expect.arrayContaining(['ROUND=1']) as string[] });
      expect(before?.sizeBytes).toBeGreaterThanOrEqual(300_000);
      const archive = await collect(client.exportImage(['dbup.test/round:1']));

      await client.removeImage('dbup.test/round:1');
      expect(await client.inspectImage('dbup.test/round:1')).toBeNull();
      expect(await client.inspectImage(id)).toBeNull();

      const answer = await client.loadImage(inPieces(archive));
      expect(answer.loaded).toEqual(['dbup.test/round:1']);
      const after = await client.inspectImage('dbup.test/round:1');
      expect(after?.id).toBe(id);
      expect(after?.rootFsLayers).toEqual(before?.rootFsLayers);
    });

    test('exports several images in one archive', async () => {
      for (const tag of ['1', '2']) {
        await buildScratchImage(engine.socketPath, `dbup.test/several:${tag}`, {
          layers: [...BASE, { 'app/a': tag }],
        });
      }
      const names = ['dbup.test/several:1', 'dbup.test/several:2'];
      const members = await membersOf(await collect(client.exportImage(names)));
      const manifest = members.find((member) => member.name === 'manifest.json')!;
      const entries = JSON.parse(manifest.content.toString()) as ManifestEntry[];
      expect(entries.flatMap((entry) => entry.RepoTags).sort()).toEqual(names);
    });

    test('names and forgets images', async () => {
      const id = await buildScratchImage(engine.socketPath, 'dbup.test/named:1', {
        layers: [{ n: 'named' }],
      });
      await client.tagImage(id, 'dbup.test/other:2');
      const listed = (await client.listImages()).find((image) => image.id === id);
      expect(listed?.repoTags.sort()).toEqual(['dbup.test/named:1', 'dbup.test/other:2']);
      await client.removeImage('dbup.test/named:1');
      expect((await client.inspectImage(id))?.repoTags).toEqual(['dbup.test/other:2']);
    });

    test('says when it has no such image', async () => {
      const missing = { code: 'ENGINE_IMAGE_NOT_FOUND' };
      expect(await client.inspectImage('dbup.test/none:1')).toBeNull();
      await expect(collect(client.exportImage(['dbup.test/none:1']))).rejects.toMatchObject(missing);
      await expect(client.removeImage('dbup.test/none:1')).rejects.toMatchObject(missing);
      await expect(client.tagImage('dbup.test/none:1', 'dbup.test/x:1')).rejects.toMatchObject(missing);
    });

    test('says in its own words why an archive cannot be loaded', async () => {
      const garbage = inPieces(Buffer.alloc(5_000_000, 'no tar '));
      await expect(client.loadImage(garbage)).rejects.toMatchObject({
        code: 'ENGINE_ERROR',
        message: expect.stringMatching(/tar|archive|payload|header/i) as string,
      });
    });

    test('loads nothing when the source fails at the very end of the archive', async () => {
      const id = await buildScratchImage(engine.socketPath, 'dbup.test/late:1', { layers: [{ late: 'x' }] });
      const archive = await collect(client.exportImage(['dbup.test/late:1']));
      await client.removeImage('dbup.test/late:1');
      const wrong = new Error('the last digest is wrong');
      async function* source(): AsyncGenerator<Uint8Array> {
        yield* inPieces(archive);
        throw wrong;
      }
      await expect(client.loadImage(source())).rejects.toBe(wrong);
      // A load that went through would have been seen: this one, begun later, is.
      await client.loadImage(inPieces(await tarOf(await otherImage())));
      expect(await client.inspectImage(id)).toBeNull();
    });

    async function otherImage(): Promise<Member[]> {
      await buildScratchImage(engine.socketPath, 'dbup.test/marker:1', { layers: [{ marker: 'm' }] });
      const members = await membersOf(await collect(client.exportImage(['dbup.test/marker:1'])));
      await client.removeImage('dbup.test/marker:1');
      return withoutBaseLayers(members, 0);
    }

    test('docker accepts an archive without the layers it has; podman wants all', async () => {
      const name = 'dbup.test/partial:2';
      await buildScratchImage(engine.socketPath, 'dbup.test/partial:1', {
        layers: [...BASE, { 'app/a': '1' }],
      });
      const exported = await membersOf(await collect(client.exportImage(['dbup.test/partial:1'])));
      await buildOnBase(exported, name);
      const { id, rootFsLayers } = (await client.inspectImage(name))!;
      const whole = await collect(client.exportImage([name]));
      const members = await membersOf(whole);
      await client.removeImage(name);

      const chains = await client.knownChains();
      if (kind === 'podman') {
        expect(chains).toEqual([]);
        const partial = await tarOf(withoutBaseLayers(members, 2));
        await expect(client.loadImage(inPieces(partial))).rejects.toThrow(/layer tarfiles are missing/);
        return;
      }
      const known = knownPrefixLength(chains, rootFsLayers);
      expect(known).toBe(2);
      const partial = await tarOf(withoutBaseLayers(members, known));
      expect(partial.length).toBeLessThan(50_000);
      expect((await client.loadImage(inPieces(partial))).loaded).toEqual([name]);
      expect((await client.inspectImage(name))?.id).toBe(id);
      const again = await membersOf(await collect(client.exportImage([name])));
      expect(layerContents(again)).toEqual(layerContents(members));

      // One layer too few is refused, and leaves no image behind.
      await client.removeImage(name);
      const tooFew = await tarOf(withoutBaseLayers(members, known + 1));
      await expect(client.loadImage(inPieces(tooFew))).rejects.toThrow(/no such file/);
      expect(await client.inspectImage(name)).toBeNull();
    });

    /** A second image on the same two base layers: loaded, since two builds on podman never share a layer. */
    async function buildOnBase(exported: Member[], name: string): Promise<void> {
      const entry = manifestOf(exported);
      const other = await buildScratchImage(engine.socketPath, 'dbup.test/donor:1', {
        layers: [{ 'app/a': 'donor' }],
      });
      const donor = await membersOf(await collect(client.exportImage(['dbup.test/donor:1'])));
      const layer = donor.find((member) => member.name === manifestOf(donor).Layers[0])!;
      const config = JSON.parse(
        exported.find((member) => member.name === entry.Config)!.content.toString(),
      ) as { rootfs: { diff_ids: string[] } };
      const donorImage = (await client.inspectImage(other))!;
      config.rootfs.diff_ids = [...config.rootfs.diff_ids.slice(0, 2), donorImage.rootFsLayers[0]!];
      const base = entry.Layers.slice(0, 2).map((path) => exported.find((member) => member.name === path)!);
      const manifest = [
        { Config: 'config.json', RepoTags: [name], Layers: [...base.map((file) => file.name), 'new.tar'] },
      ];
      const file = (path: string, content: Buffer): Member => ({
        name: path,
        type: 'file',
        linkname: '',
        content,
      });
      const archive = await tarOf([
        ...base,
        file('new.tar', layer.content),
        file('config.json', Buffer.from(JSON.stringify(config))),
        file('manifest.json', Buffer.from(JSON.stringify(manifest))),
      ]);
      expect((await client.loadImage(inPieces(archive))).loaded).toEqual([name]);
    }

    test('is reached over ssh, by the words the docker client uses', async () => {
      const dir = await mkdtemp(join(tmpdir(), 'dbup-ssh-'));
      const path = process.env.PATH;
      try {
        // Stands for ssh and the other host: runs the remote command here, as ssh would through a shell.
        const script = '#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift 2\nexec sh -c "$*"\n';
        await writeFile(join(dir, 'ssh'), script);
        await chmod(join(dir, 'ssh'), 0o755);
        process.env.PATH = `${dir}:${path}`;
        const id = await buildScratchImage(engine.socketPath, 'dbup.test/ssh:1', { layers: BASE });
        using remote = new EngineClient(
          parseEndpoint(`ssh://me@elsewhere${engine.socketPath}`, 'CONTAINER_HOST', { remoteClient: kind }),
        );
        const archive = await collect(remote.exportImage(['dbup.test/ssh:1']));
        await remote.removeImage('dbup.test/ssh:1');
        await remote.loadImage(inPieces(archive));
        expect((await remote.inspectImage('dbup.test/ssh:1'))?.id).toBe(id);

        using lost = new EngineClient(
          parseEndpoint('ssh://me@elsewhere/no/such.sock', 'CONTAINER_HOST', { remoteClient: kind }),
        );
        await expect(lost.version()).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' });
      } finally {
        process.env.PATH = path;
        await rm(dir, { recursive: true, force: true });
      }
    });
  },
  120_000,
);

/** The files the manifest names as layers, links followed. */
function layerContents(members: readonly Member[]): Buffer[] {
  return manifestOf(members).Layers.map((path) => {
    const member = members.find((candidate) => candidate.name === path)!;
    if (member.type !== 'symlink') return member.content;
    const target = join(path, '..', member.linkname);
    return members.find((candidate) => candidate.name === target)!.content;
  });
}
