import { createCipheriv, createHash } from 'node:crypto';
import {
  closeSync,
  cpSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dockerArchive, layerTar, sha256Of } from '../support/images.js';
import { CliRoom, namesIn, type ProgramRun } from '../support/run-dbup.js';
import {
  ascii,
  concatBytes,
  tarDirectory,
  tarEnd,
  tarFile,
  tarHeader,
  tarPadding,
} from '../support/tar-builder.js';
import { SmallDisk } from './small-disk.js';

const report = process.env.DBUP_CRASH_REPORT;
const MB = 1_000_000;
/** What nothing compresses, so that the pool grows by what the image has. */
const LONG_MB = Number(process.env.DBUP_FULL_DISK_MB ?? 1000);
const IMAGE =
  report === undefined ? { files: 6, fileBytes: 2 * MB } : { files: LONG_MB / 8, fileBytes: 8 * MB };
/** Bytes free at the first moments; the others are spread evenly. */
const MARGINS = report === undefined ? [20_000] : [0, 20_000, 200_000];
const STEPS = report === undefined ? 2 : 22;
const KIND = report === undefined ? 'tmpfs' : 'ext4';
const IMAGE_BYTES = IMAGE.files * IMAGE.fileBytes;

interface Step {
  freeBytes: number;
  outcome: string;
}

describe('a disk that is full', () => {
  test(`at ${MARGINS.length + STEPS + 1} moments of a save of ${IMAGE_BYTES / MB} MB: a clear error, nothing lost, and a retry succeeds`, {
    timeout: 3 * 3_600_000,
  }, async (context) => {
    const disk = await SmallDisk.mount(KIND, Math.ceil(IMAGE_BYTES * 1.2) + 24 * MB);
    if (typeof disk === 'string') {
      console.log(`skipped, no file system of its own: ${disk}`);
      return context.skip();
    }
    await using _ = disk;
    await using room = await CliRoom.create({
      DBUP_POOL: join(disk.path, 'pool'),
      DBUP_CACHE_DIR: join(disk.path, 'cache'),
    });
    const kept = dockerArchive({ references: ['kept:1'], layers: [layerTar(9, 2, 40_000)] });
    await room.json(['save', '-i', await room.file('kept.tar', kept)]);
    cpSync(join(disk.path, 'pool'), room.path('baseline'), { recursive: true });
    const archive = room.path('large.tar');
    const sha256 = writeLargeArchive(archive);
    const poolBytes = await savedWithRoom(room, archive);

    const runs: Step[] = [];
    const evenly = Array.from({ length: STEPS }, (_, i) => Math.floor((poolBytes * (i + 0.5)) / STEPS));
    for (const [i, freeBytes] of [...MARGINS, ...evenly, poolBytes + 2 * MB].entries()) {
      startOver(room, disk);
      await disk.leaveFree(freeBytes);
      const run = await room.run(['--json', '--progress', 'none', 'save', '-i', archive]);
      const outcome = run.exitCode === 0 ? 'saved' : errorCode(run);
      runs.push({ freeBytes, outcome });
      const what = `${freeBytes} bytes free: ${run.stderr}`;
      if (run.exitCode !== 0) {
        expect({ outcome, exitCode: run.exitCode }, what).toEqual({ outcome: 'DISK_FULL', exitCode: 5 });
        expect(await namesIn(join(disk.path, 'pool/snapshots')), what).toHaveLength(1);
      }
      // While the disk is still full.
      expect(await room.loadVerdict('kept:1', kept), what).toBe('exact');
      expect((await room.run(['verify', '--read-data'])).exitCode, what).toBe(0);
      // What the error's hint says: gc gives back what the save had stored.
      if (i % 3 === 0 && run.exitCode !== 0) {
        const gc = await room.run(['gc']);
        expect(gc.exitCode, `${what}\n${gc.stderr}`).toBe(0);
        expect(bytesBelow(join(disk.path, 'pool')), what).toBe(bytesBelow(room.path('baseline')));
      }
      disk.makeRoom();
      await room.json(['save', '-i', archive]);
      await room.json(['gc']);
      expect(await namesIn(join(disk.path, 'pool/tmp')), what).toEqual([]);
      expect(await loadedSha256(room), what).toBe(sha256);
      expect(await room.loadVerdict('kept:1', kept), what).toBe('exact');
    }
    const outcomes = new Set(runs.map(({ outcome }) => outcome));
    expect(outcomes, 'both must occur').toEqual(new Set(['DISK_FULL', 'saved']));
    const figures = { fileSystem: KIND, imageBytes: IMAGE_BYTES, poolBytes, runs };
    if (report !== undefined) writeFileSync(join(report, 'full-disk.json'), JSON.stringify(figures));
  });
});

/** Puts the pool back to what it was with one version, and the catalog away. */
function startOver(room: CliRoom, disk: SmallDisk): void {
  disk.makeRoom();
  rmSync(join(disk.path, 'pool'), { recursive: true });
  rmSync(join(disk.path, 'cache'), { recursive: true, force: true });
  cpSync(room.path('baseline'), join(disk.path, 'pool'), { recursive: true });
}

/** Of the files in a directory and below it. What else has become fuller on the disk is the catalog, which is none of the pool. */
function bytesBelow(directory: string): number {
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  const files = names.map((name) => statSync(join(directory, name))).filter((info) => info.isFile());
  return files.reduce((sum, { size }) => sum + size, 0);
}

/** What the pool needs for it. */
async function savedWithRoom(room: CliRoom, archive: string): Promise<number> {
  return (await room.json<{ new_bytes: number }>(['save', '-i', archive])).new_bytes;
}

/** The error's code as `--json` tells it. */
function errorCode({ stdout, stderr }: ProgramRun): string {
  for (const text of [stdout, ...stderr.split('\n'), stderr]) {
    try {
      const { error } = JSON.parse(text) as { error?: { code?: string } };
      if (error?.code !== undefined) return error.code;
    } catch {
      // Not the line that has it.
    }
  }
  return `no code in: ${stdout}${stderr}`;
}

async function loadedSha256(room: CliRoom): Promise<string> {
  const out = room.path('large-out.tar');
  await room.json(['load', 'large:1', '-o', out]);
  const hash = createHash('sha256').update(readFileSync(out)).digest('hex');
  rmSync(out);
  return hash;
}

/** A docker-archive of one layer, written piece by piece. @returns its SHA-256 */
function writeLargeArchive(path: string): string {
  const layer = function* (): Generator<Uint8Array> {
    for (let i = 0; i < IMAGE.files; i++) {
      yield tarHeader(`data/file-${i}`, IMAGE.fileBytes);
      yield keystream(i, IMAGE.fileBytes);
      yield tarPadding(IMAGE.fileBytes);
    }
    yield tarEnd();
  };
  const layerHash = createHash('sha256');
  let layerBytes = 0;
  for (const piece of layer()) {
    layerHash.update(piece);
    layerBytes += piece.length;
  }
  const diffId = layerHash.digest('hex');
  const config = ascii(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
    }),
  );
  const configName = `blobs/sha256/${sha256Of(config)}`;
  const layerName = `blobs/sha256/${diffId}`;
  const manifest = [{ Config: configName, RepoTags: ['large:1'], Layers: [layerName] }];
  const head = [tarDirectory('blobs/'), tarDirectory('blobs/sha256/'), tarFile(configName, config)];
  const hash = createHash('sha256');
  const file = openSync(path, 'w');
  const write = (piece: Uint8Array): void => {
    hash.update(piece);
    writeSync(file, piece);
  };
  write(concatBytes([...head, tarHeader(layerName, layerBytes)]));
  for (const piece of layer()) write(piece);
  const tail = [tarFile('manifest.json', ascii(JSON.stringify(manifest))), tarEnd()];
  write(concatBytes([tarPadding(layerBytes), ...tail]));
  closeSync(file);
  return hash.digest('hex');
}

/** Bytes that look like nothing, the same for the same number. */
function keystream(number: number, length: number): Uint8Array {
  const key = createHash('sha256').update(`full disk ${number}`).digest();
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(new Uint8Array(length));
}
