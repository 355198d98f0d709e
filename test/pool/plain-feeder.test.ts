import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { inflateGzip } from '../../src/compress/exact/inflate-gzip.js';
import { type GzipProof, proveGzip } from '../../src/compress/exact/prove-gzip.js';
import type { EncoderSpec } from '../../src/format/encoder-spec.js';
import { GzipWorkers } from '../../src/pool/gzip-workers.js';
import { FedPlain, type FeedJob, PlainFeeder } from '../../src/pool/plain-feeder.js';
import { compressedFile } from '../support/compressed-file.js';
import { makeInput } from '../support/deflate-inputs.mjs';
import { GO_6, GO_HEADER, gzipBy, gzipOfTwoLevels, PGZIP_HEADER } from '../support/gzip-files.js';
import { deflateBy } from '../support/nested-files.js';
import { concatBytes } from '../support/tar-builder.js';

const PLAIN = makeInput('tar', 9, 3_000_000);
const PGZIP: EncoderSpec = { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 77_777 };
const ZLIB: EncoderSpec = { family: 'zlib', level: 6, memLevel: 8 };

/** Reads a few bytes at a time, so that pieces are cut elsewhere. */
const sparingly = (bytes: Uint8Array) => (into: Uint8Array, position: number) =>
  compressedFile(bytes).read(into.subarray(0, 5_003), position);

/** Both ends in one thread. @param change what becomes of the plain bytes on the way */
async function proveFed(bytes: Uint8Array, change = (piece: Uint8Array) => piece): Promise<GzipProof> {
  const feed = new FedPlain();
  const feeder = new PlainFeeder((job) => feed.give({ type: 'feed', feed: 0, ...job }));
  const feeding = (async () => {
    const pieces = inflateGzip(sparingly(bytes), (endAt) => feeder.endMember(endAt));
    try {
      for await (const piece of pieces) await feeder.write(change(piece));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toMatch(/^Z_/);
    }
    await feeder.finish();
  })();
  try {
    return await proveGzip(compressedFile(bytes), { last: null, feed, checkpointEveryBytes: 300_000 });
  } finally {
    feed.close();
    await feeding;
  }
}

const proveAlone = (bytes: Uint8Array): Promise<GzipProof> =>
  proveGzip(compressedFile(bytes), { last: null, checkpointEveryBytes: 300_000 });

describe('a gzip file whose plain bytes are handed over', () => {
  it.each([
    ['Go', gzipBy(GO_6, PLAIN)],
    ['pgzip', gzipBy(PGZIP, PLAIN, PGZIP_HEADER)],
    ['zlib', gzipBy(ZLIB, PLAIN, Uint8Array.of(...GO_HEADER.subarray(0, 9), 0))],
    [
      'several members',
      concatBytes([
        gzipBy(GO_6, new Uint8Array(0)),
        gzipBy(GO_6, PLAIN.subarray(0, 700_000)),
        gzipBy(PGZIP, PLAIN.subarray(1, 1_500_000), PGZIP_HEADER),
        gzipBy(GO_6, PLAIN.subarray(0, 1)),
        Uint8Array.of(0, 0, 0),
      ]),
    ],
  ])('by %s is found to be what it is found to be without', async (_, bytes) => {
    const fed = await proveFed(bytes);
    expect(fed).toMatchObject({ exact: true });
    expect((fed as GzipProof & { exact: true }).checkpoints.length).toBeGreaterThan(3);
    expect(fed).toEqual(await proveAlone(bytes));
  });

  it('is not taken for one that is made again where they are others', async () => {
    const bytes = gzipBy(GO_6, PLAIN);
    let passed = 0;
    const changed = (piece: Uint8Array): Uint8Array => {
      const at = 250_000 - passed;
      passed += piece.length;
      if (at < 0 || at >= piece.length) return piece;
      const copy = piece.slice();
      copy[at]! ^= 1;
      return copy;
    };
    expect(await proveFed(bytes, changed)).toEqual({ exact: false, reason: 'differs-late' });
    expect(passed).toBe(PLAIN.length);
  });

  it('that turns out to be of another encoder is gone through again without them', async () => {
    expect(await proveFed(gzipOfTwoLevels(PLAIN))).toEqual({ exact: false, reason: 'differs-late' });
  });

  it('that does not inflate is damaged', async () => {
    const bytes = gzipBy(GO_6, PLAIN);
    for (const length of [bytes.length - 9, bytes.length - 200_000])
      expect(await proveFed(bytes.subarray(0, length))).toEqual({ exact: false, reason: 'damaged' });
  });
});

describe('handing over', () => {
  it('waits for the thread when it is some MiB ahead, and no more when that has had enough', async () => {
    const sent: FeedJob[] = [];
    const feed = new FedPlain();
    const feeder = new PlainFeeder((job) => {
      sent.push({ type: 'feed', feed: 0, ...job });
      return feed.give(sent.at(-1)!);
    });
    let written = 0;
    const writing = (async () => {
      for (; written < 40; written++) await feeder.write(makeInput('noise', written, 300_000));
    })();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(sent.length).toBe(8);
    expect(written).toBeLessThan(20);
    expect(Buffer.from((await feed.next()) as Uint8Array)).toEqual(
      Buffer.from(makeInput('noise', 0, 300_000).subarray(0, 256 * 1024)),
    );
    feed.close();
    await writing;
    expect(sent.length).toBeLessThan(12);
    await feeder.finish();
    expect(await feed.next()).toBeNull();
  });

  it('does so for members without any bytes, too', async () => {
    const feed = new FedPlain();
    const stretchCounts: number[] = [];
    const feeder = new PlainFeeder((job) => {
      stretchCounts.push(job.stretches.length);
      return feed.give({ type: 'feed', feed: 0, ...job });
    });
    let ended = 0;
    const ending = (async () => {
      for (; ended < 100_000; ended++) await feeder.endMember(ended);
    })();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(stretchCounts).toEqual(Array.from({ length: 8 }, () => 4096));
    expect(ended).toBeLessThan(8 * 4096);
    expect([await feed.next(), await feed.next()]).toEqual([0, 1]);
    feed.close();
    await ending;
    expect(stretchCounts.length).toBe(8);
    await feeder.finish();
  });
});

describe('in the only thread', () => {
  let directory: string;
  let workers: GzipWorkers;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'dbup-feed-'));
    workers = new GzipWorkers(1);
  });

  afterEach(async () => {
    await workers.close();
    await rm(directory, { recursive: true });
  });

  async function begin(bytes: Uint8Array) {
    const path = join(directory, 'layer');
    await writeFile(path, bytes);
    const task = workers.prove({ path, offsetBytes: 0, sizeBytes: bytes.length }, null);
    expect(await task.likely).toEqual(GO_6);
    return task;
  }

  it('a file waits for its bytes while streams of files in it are looked at', async () => {
    const bytes = gzipBy(GO_6, PLAIN);
    const task = await begin(bytes);
    const feeder = task.feed()!;
    const stream = deflateBy(ZLIB, PLAIN.subarray(0, 50_000));
    const source = new Uint8Array(new SharedArrayBuffer(stream.length));
    source.set(stream);
    for await (const piece of inflateGzip(compressedFile(bytes).read, (endAt) => feeder.endMember(endAt))) {
      await feeder.write(piece);
      const found = await workers.proveParts({
        type: 'prove-parts',
        source,
        streams: [{ offsetBytes: 0, sizeBytes: stream.length, header: null }],
        plain: new Uint8Array(new SharedArrayBuffer(100_000)),
        likely: [ZLIB],
        maySearch: true,
      });
      expect(found.streams[0]).toMatchObject({ encoder: ZLIB, plainBytes: 50_000 });
    }
    await feeder.finish();
    expect(await task.proof).toMatchObject({ exact: true, plainBytes: PLAIN.length });
    expect(task.isRunning).toBe(false);
  });

  it('a proof ends when nobody wants it any more, wherever it is', async () => {
    const bytes = gzipBy(GO_6, PLAIN);
    const idle = await begin(bytes);
    idle.cancel();
    expect(await idle.proof).toMatchObject({ exact: false });
    expect(idle.feed()).toBeNull();

    const fed = await begin(bytes);
    await fed.feed()!.write(PLAIN.subarray(0, 2_000_000));
    fed.cancel();
    await Promise.allSettled([fed.proof]);

    const alone = await begin(bytes);
    alone.start();
    expect(alone.feed()).toBeNull();
    expect(await alone.proof).toMatchObject({ exact: true });
  });
});
