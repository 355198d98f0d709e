import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { quietContext } from '../../src/core/context.js';
import { showVersion } from '../../src/operations/show.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { type CompressedLayer, layoutOfLayers } from '../support/gzip-files.js';
import { dockerArchive, sha256Of } from '../support/images.js';
import { PoolRoom, treeOf } from '../support/pool-room.js';
import { concatBytes, tarEnd, tarFile } from '../support/tar-builder.js';

const isThere = (program: string, flag = '--version'): boolean => {
  try {
    execFileSync(program, [flag], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const layer = (seed: number): Uint8Array =>
  concatBytes([
    tarFile('usr/text', makeInput('text', seed, 250_000)),
    tarFile('usr/records', makeInput('records', seed, 150_000)),
    tarEnd(),
  ]);

const PYTHON = (level: number): string =>
  `import gzip,sys; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read(), ${level}))`;

/** The program, its words, and the family of encoders it has. */
const FILTERS: [string, string[], string][] = [
  ['gzip', ['-1'], 'gnu'],
  ['gzip', ['-n', '-6'], 'gnu'],
  ['gzip', ['-9'], 'gnu'],
  ['pigz', ['-n', '-6'], 'pigz'],
  ['pigz', ['--best', '--no-time'], 'pigz'],
  ['pigz', ['-p', '1', '-b', '256'], 'pigz'],
  ['python3', ['-c', PYTHON(6)], 'zlib'],
  ['python3', ['-c', PYTHON(9)], 'zlib'],
];

const GO_PROGRAM = `package main
import ("compress/gzip"; "io"; "os"; "strconv")
func main() {
	level, _ := strconv.Atoi(os.Args[1])
	writer, _ := gzip.NewWriterLevel(os.Stdout, level)
	io.Copy(writer, os.Stdin)
	writer.Close()
}
`;

/** Saves layers as a layout and has them come back; answers the family of each one's encoder. */
async function familiesOf(
  room: PoolRoom,
  layers: readonly CompressedLayer[],
): Promise<(string | undefined)[]> {
  const files = layoutOfLayers(layers);
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(room.path('in'), name)), { recursive: true });
    await writeFile(join(room.path('in'), name), bytes);
  }
  await room.save({ kind: 'oci-directory', path: room.path('in') });
  await room.loadIntoDirectory('app:1.0', room.path('out'));
  const tree = await treeOf(room.path('out'));
  for (const [name, bytes] of files)
    if (name.startsWith('blobs/')) expect(tree[name], name).toBe(sha256Of(bytes));
  const { images } = await room.with('read', (pool) => showVersion(pool, 'app:1.0', quietContext()));
  return images[0]!.layers.map(({ encoder }) => encoder?.split('-')[0]);
}

describe('layers of real programs are held open and come back exactly', () => {
  const installed = FILTERS.filter(([program]) => isThere(program));

  it.skipIf(installed.length === 0)(`of ${installed.map(([program]) => program).join(', ')}`, async () => {
    await using room = await PoolRoom.create();
    const layers = installed.map(([program, words], at) => {
      const plain = layer(at + 1);
      return { plain, compressed: new Uint8Array(execFileSync(program, words, { input: plain })) };
    });
    expect(await familiesOf(room, layers)).toEqual(installed.map(([, , family]) => family));
  });

  it.skipIf(!isThere('go', 'version'))(
    "of Go's compress/gzip",
    async () => {
      await using room = await PoolRoom.create();
      await writeFile(room.path('gz.go'), GO_PROGRAM);
      const env = { ...process.env, GOCACHE: room.path('go-cache'), GO111MODULE: 'off' };
      execFileSync('go', ['build', '-o', room.path('gz'), room.path('gz.go')], { env });
      const layers = [-1, 1, 9, 0].map((level, at) => {
        const plain = layer(at + 20);
        return {
          plain,
          compressed: new Uint8Array(execFileSync(room.path('gz'), [`${level}`], { input: plain })),
        };
      });
      expect(await familiesOf(room, layers)).toEqual(['go', 'go', 'go', 'go']);
    },
    60_000,
  );

  it.skipIf(!isThere('skopeo'))('of skopeo, whose manifest keeps its digest', async () => {
    await using room = await PoolRoom.create();
    const archive = dockerArchive({ references: ['app:1.0'], layers: [layer(30), layer(31)] });
    const skopeo = (...words: string[]): string =>
      execFileSync('skopeo', ['--insecure-policy', '--tmpdir', room.root, ...words]).toString();
    const path = room.path('layout');
    skopeo('copy', `docker-archive:${await room.file(archive, 'start.tar')}`, `oci:${path}:app:1.0`);
    const { images } = await room.save({ kind: 'oci-directory', path });
    expect(images[0]).toMatchObject({ layersVerbatim: 0, layerCount: 2 });
    // The same image saved plain shares all of its layers.
    const plain = await room.saveBytes(archive, { as: 'plain:1' });
    expect(plain.images[0]!.newPlainBytes).toBeLessThan(20_000);
    await room.loadIntoDirectory('app:1.0', room.path('out'));
    const digest = (directory: string): string => JSON.parse(skopeo('inspect', `oci:${directory}`)).Digest;
    expect(digest(room.path('out'))).toBe(digest(path));
    expect(await readFile(join(room.path('out'), 'oci-layout'), 'utf8')).toContain('1.0.0');
  });
});
