import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodeFrame } from '../../src/compress/exact/tokens/correction-frame.js';
import { StreamTaker } from '../../src/compress/exact/tokens/take-apart.js';
import { TOKEN_MODELS } from '../../src/compress/exact/tokens/token-models.js';
import { CorrectedStreams } from '../../tools/dbup-corrections.mjs';
import { compressedFile } from '../support/compressed-file.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { ODD_TARS } from '../support/odd-tars.js';
import { entriesIn, signedLayout, writeLayout } from '../support/signed-layout.js';
import { concatBytes, noise, randomTar, tarEnd, tarFile } from '../support/tar-builder.js';
import { sha256Hex, writePool } from './hand-made-pool.js';
import { dockerArchive, ociArchive } from './image-builder.js';
import { leanPack, packNames } from './lean-pack.js';
import { LEFT_OVER } from './make-golden-pools.js';
import {
  extractArchive,
  loadArchive,
  runExtract,
  saveArchiveBytes,
  saveSource,
  withDirectory,
} from './pool-run.js';

/** A megabyte in which the chunker finds cuts, so that streams have list nodes. */
const BIG = concatBytes([
  tarFile('big', noise(7, 3_000_000)),
  tarFile('zeros', new Uint8Array(900_000)),
  tarEnd(),
]);

/** A layer whose files differ a little from version to version. */
function release(version: number): Uint8Array {
  const binary = noise(11, 400_000);
  for (let at = version; at < binary.length; at += 5003) binary[at] = (binary[at]! + version) & 255;
  const text = Buffer.from(`release ${version}\n${'the same line in all of them\n'.repeat(900)}`);
  return concatBytes([tarFile('binary', binary), tarFile('text', new Uint8Array(text)), tarEnd()]);
}

/** A layer of text whose lines move about from version to version. */
function rewritten(version: number): Uint8Array {
  const order = noise(version, 6000);
  const lines = Array.from({ length: 6000 }, (_, i) => `setting ${(i * 7919) % 6007} is ${i % 13}\n`);
  const groups = Array.from({ length: 1500 }, (_, i) => lines.slice(i * 4, i * 4 + 4).join(''));
  groups.sort(
    (a, b) =>
      order[a.length + (Number.parseInt(a.slice(8), 10) % 5000)]! -
      order[b.length + (Number.parseInt(b.slice(8), 10) % 5000)]!,
  );
  return concatBytes([tarFile('settings', new Uint8Array(Buffer.from(groups.join('')))), tarEnd()]);
}

async function agree(pool: string, reference: string, saved: Uint8Array): Promise<void> {
  expect(sha256Hex(await extractArchive(pool, reference)), `extract ${reference}`).toBe(sha256Hex(saved));
  expect(sha256Hex(await loadArchive(pool, reference)), `load ${reference}`).toBe(sha256Hex(saved));
}

/** Makes an OCI layout directory out of an OCI archive built here, whose members are plain files. */
async function unpackLayout(directory: string, archive: Uint8Array): Promise<void> {
  const bytes = Buffer.from(archive);
  await mkdir(join(directory, 'blobs', 'sha256'), { recursive: true });
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    const name = bytes.toString('latin1', at, bytes.indexOf(0, at));
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8);
    if (!name.endsWith('/'))
      await writeFile(join(directory, name), bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
}

describe('the independent reader', () => {
  it('gives back what dbup gives back: versions, a shared layer, an OCI archive, streams with list nodes', async () => {
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      const one = dockerArchive({
        reference: 'app:1',
        layers: [BIG, randomTar(1, { members: 40, maxFileBytes: 9000 })],
      });
      const two = dockerArchive({
        reference: 'app:1',
        layers: [BIG, randomTar(2, { members: 40, maxFileBytes: 9000 })],
      });
      const oci = ociArchive({
        reference: 'quay.io/team/oci:2',
        layers: [randomTar(3, { members: 30, maxFileBytes: 40_000 })],
      });
      for (const bytes of [one, two, oci]) await saveArchiveBytes(pool, bytes);
      await agree(pool, 'app:1', two);
      await agree(pool, 'app:1~1', one);
      await agree(pool, 'quay.io/team/oci:2', oci);
      const list = runExtract(pool);
      expect(list.exitCode).toBe(0);
      expect(list.stdout.trim().split('\n')).toHaveLength(3);
    });
  });

  it('reads blocks that lean on one another, three packs deep, and says which base is not there', async () => {
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      const versions = [1, 2, 3].map((version) =>
        dockerArchive({ reference: 'app:1', layers: [release(version)] }),
      );
      const texts = [1, 2].map((version) =>
        dockerArchive({ reference: 'text:1', layers: [rewritten(version)] }),
      );
      const names: string[] = [];
      for (const bytes of [...versions, ...texts]) {
        const before = new Set(await packNames(pool).catch(() => []));
        await saveArchiveBytes(pool, bytes);
        names.push(...(await packNames(pool)).filter((name) => !before.has(name)));
      }
      expect(names).toHaveLength(5);
      // From the top: what is leaned on must not get deeper than what leans on it.
      const forms = await leanPack(pool, names[2]!, names[1]!, 2);
      forms.push(...(await leanPack(pool, names[1]!, names[0]!, 1)));
      forms.push(...(await leanPack(pool, names[4]!, names[3]!, 1)));
      expect([...new Set(forms)].sort()).toEqual([1, 2]);
      await agree(pool, 'text:1', texts[1]!);
      for (let back = 0; back < 3; back++) await agree(pool, `app:1~${back}`, versions[2 - back]!);
      await rm(join(pool, 'packs', names[0]!));
      const run = runExtract(pool, 'app:1', join(directory, 'out'));
      expect(run).toMatchObject({ exitCode: 13, stderr: expect.stringContaining('lacks chunk') });
      await expect(loadArchive(pool, 'app:1')).rejects.toMatchObject({ code: 'POOL_INCOMPLETE' });
    });
  });

  it('gives back an archive of several images, when asked for it whole', async () => {
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      const shared = randomTar(4, { members: 10, maxFileBytes: 5000 });
      const archive = dockerArchive(
        { reference: 'a:1', layers: [shared] },
        { reference: 'b:1', layers: [shared, randomTar(5, { members: 5, maxFileBytes: 5000 })] },
      );
      await saveArchiveBytes(pool, archive);
      await agree(pool, 'a:1', archive);
      await agree(pool, 'b:1', archive);
      expect(runExtract(pool, 'a:1', join(directory, 'x'))).toMatchObject({ exitCode: 2 });
    });
  });

  it('agrees on every odd tar as a layer', { timeout: 120_000 }, async () => {
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      // One image of all: a layer each, so that one save and two loads do.
      const archive = dockerArchive({ reference: 'odd:1', layers: ODD_TARS.map(({ bytes }) => bytes) });
      await saveArchiveBytes(pool, archive);
      await agree(pool, 'odd:1', archive);
    });
  });

  it('agrees on archives that end oddly', async () => {
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      const image = dockerArchive({
        reference: 'end:1',
        layers: [randomTar(6, { members: 3, maxFileBytes: 900 })],
      });
      const ends = [image.subarray(0, -2048), image.subarray(0, -2000), concatBytes([image, noise(9, 777)])];
      for (let i = 0; i < ends.length; i++) {
        await saveArchiveBytes(pool, ends[i]!, { as: `end:${i}` });
        await agree(pool, `end:${i}`, ends[i]!);
      }
    });
  });

  it('lists what is about an image in the layout it writes', async () => {
    await withDirectory(async (directory) => {
      const [pool, out] = [join(directory, 'pool'), join(directory, 'out')];
      const layers = [randomTar(9, { members: 3, maxFileBytes: 900 })];
      const { builder } = signedLayout({ 'linux/amd64': { references: [], layers } });
      const layout = await writeLayout(join(directory, 'layout'), builder.layout());
      const { images } = await saveSource(pool, { kind: 'oci-directory', path: layout });
      expect(runExtract(pool, images[0]!.reference, out)).toMatchObject({ exitCode: 0 });
      expect((await entriesIn(out)).slice(1)).toEqual(builder.entries.slice(1));
      for (const [name, bytes] of builder.files)
        expect(sha256Hex(await readFile(join(out, name)))).toBe(sha256Hex(bytes));
    });
  });

  it('writes an image without an archive as an OCI layout', async () => {
    await withDirectory(async (directory) => {
      const [pool, layout, out] = ['pool', 'layout', 'out'].map((name) => join(directory, name)) as [
        string,
        string,
        string,
      ];
      const archive = ociArchive({
        reference: 'lay:1',
        layers: [randomTar(8, { members: 5, maxFileBytes: 900 })],
      });
      await unpackLayout(layout, archive);
      const { images } = await saveSource(pool, { kind: 'oci-directory', path: layout });
      const { reference } = images[0]!;
      expect(runExtract(pool, reference, out)).toMatchObject({ exitCode: 0 });
      const index = JSON.parse(await readFile(join(out, 'index.json'), 'utf8'));
      const hex = index.manifests[0].digest.slice('sha256:'.length);
      const manifest = await readFile(join(out, 'blobs', 'sha256', hex));
      expect(sha256Hex(manifest)).toBe(hex);
      for (const { digest, size } of JSON.parse(manifest.toString()).layers) {
        const bytes = await readFile(join(out, 'blobs', 'sha256', digest.slice('sha256:'.length)));
        expect([`sha256:${sha256Hex(bytes)}`, bytes.length]).toEqual([digest, size]);
      }
    });
  });

  it('refuses content that the walk never asks for', async () => {
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      await writePool(pool, LEFT_OVER);
      const run = runExtract(pool, 'hello:1', join(directory, 'out'));
      expect(run).toMatchObject({ exitCode: 4, stderr: expect.stringContaining('content left over') });
    });
  });

  it('says what it wants and what is not there', async () => {
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      await saveArchiveBytes(pool, dockerArchive({ reference: 'x:1', layers: [tarEnd()] }));
      expect(runExtract().exitCode).toBe(2);
      expect(runExtract(pool, 'x:1').exitCode).toBe(2);
      expect(runExtract(pool, 'y:1', join(directory, 'y')).exitCode).toBe(12);
      expect(runExtract(pool, 'x:1~1', join(directory, 'y')).exitCode).toBe(12);
    });
  });

  it('makes every kind of deflate stream again with the corrections of every model', () => {
    const { Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants;
    const settings = [
      { level: 0 },
      { strategy: Z_FIXED },
      { strategy: Z_HUFFMAN_ONLY },
      { strategy: Z_RLE, memLevel: 1 },
      { level: 9, memLevel: 3 },
    ];
    for (const [i, model] of TOKEN_MODELS.entries()) {
      const plains = settings.map((_, at) => makeInput(at % 2 ? 'tar' : 'mixture', i, 20_000 + at));
      const members = settings.map((options, at) => deflateRawSync(plains[at]!, options));
      // Probabilities go on from member to member.
      const taker = new StreamTaker(compressedFile(concatBytes(members)), model);
      const frames: Uint8Array[] = [];
      for (let at = 0, end: number | null = 0; at < concatBytes(members).length; at = end) {
        taker.begin(at);
        for (end = null; end === null; ) {
          const piece = taker.step()!;
          if (piece.frame) frames.push(encodeFrame(piece.frame));
          end = piece.endAt;
        }
      }
      const streams = new CorrectedStreams(i + 1, Buffer.concat(frames));
      for (const [at, member] of members.entries())
        expect(sha256Hex(streams.member(Buffer.from(plains[at]!))), `${model.name} ${at}`).toBe(
          sha256Hex(member),
        );
    }
  });

  it('shares nothing with dbup', async () => {
    const imported: string[] = [];
    for (const name of ['dbup-extract.mjs', 'dbup-corrections.mjs']) {
      const source = await readFile(new URL(`../../tools/${name}`, import.meta.url), 'utf8');
      imported.push(...[...source.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, one]) => one!));
    }
    expect(imported.length).toBeGreaterThan(3);
    expect(imported.filter((name) => !name.startsWith('node:'))).toEqual(['./dbup-corrections.mjs']);
  });
});
