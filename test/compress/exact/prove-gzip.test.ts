import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createEncoder } from '../../../src/compress/exact/encoder-registry.js';
import { GzipRebuilder } from '../../../src/compress/exact/gzip-rebuilder.js';
import { inflateGzip } from '../../../src/compress/exact/inflate-gzip.js';
import { type GzipProof, probeGzip, proveGzip } from '../../../src/compress/exact/prove-gzip.js';
import { LIMITS } from '../../../src/core/limits.js';
import { type EncoderSpec, encoderName } from '../../../src/format/encoder-spec.js';
import { compressedFile } from '../../support/compressed-file.js';
import { makeInput } from '../../support/deflate-inputs.mjs';
import { collectBytes, sha256Hex } from '../../support/deflate-vectors.js';
import { GO_6, GO_HEADER, gzipBy, gzipOfTwoLevels, PGZIP_HEADER } from '../../support/gzip-files.js';
import { ascii, concatBytes, seededRandom } from '../../support/tar-builder.js';

const plain = makeInput('tar', 4, 300_000);
const prove = (bytes: Uint8Array, last: EncoderSpec | null = null): Promise<GzipProof> =>
  proveGzip(compressedFile(bytes), { last });

async function inflated(bytes: Uint8Array): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of inflateGzip(compressedFile(bytes).read)) pieces.push(piece.slice());
  return Buffer.concat(pieces);
}

/** What a proof claims, carried out. */
async function rebuilt(bytes: Uint8Array, proof: GzipProof): Promise<Uint8Array> {
  if (!proof.exact) throw new Error(`it is ${proof.reason}`);
  const { members, trailing } = proof;
  const all = await inflated(bytes);
  return collectBytes((emit) => {
    const rebuilder = new GzipRebuilder(members, trailing);
    for (let at = 0; at < all.length; at += 70_001) rebuilder.write(all.subarray(at, at + 70_001), emit);
    rebuilder.finish(emit);
  });
}

async function expectExact(bytes: Uint8Array): Promise<GzipProof & { exact: true }> {
  const proof = await prove(bytes);
  if (!proof.exact) throw new Error(`it is ${proof.reason}`);
  expect(Buffer.from(await rebuilt(bytes, proof)).equals(bytes)).toBe(true);
  expect(proof.digestHex).toBe(sha256Hex(bytes));
  return proof;
}

const unixHeader = (xfl: number) => Uint8Array.of(0x1f, 0x8b, 8, 8, 1, 2, 3, 4, xfl, 3, 97, 46, 116, 0);
/** What no encoder of ours makes. */
const UNKNOWN = { memLevel: 3 };
const NPM_HEADER = Uint8Array.of(...GO_HEADER.subarray(0, 8), 2, 255);
const ENCODERS: [EncoderSpec, Uint8Array][] = [
  [GO_6, GO_HEADER],
  [{ family: 'go', level: 1 }, Uint8Array.of(...GO_HEADER.subarray(0, 8), 4, 255)],
  [{ family: 'go', level: 10 }, GO_HEADER],
  [{ family: 'klauspost', level: 6, variant: '1.18.2' }, GO_HEADER],
  [{ family: 'klauspost', level: 3, variant: '1.18.1' }, PGZIP_HEADER],
  [{ family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 2 ** 18 }, PGZIP_HEADER],
  [{ family: 'pgzip', level: 5, variant: '1.14.3', blockBytes: 77_777 }, PGZIP_HEADER],
  [{ family: 'zlib', level: 6, memLevel: 8 }, Uint8Array.of(...GO_HEADER.subarray(0, 9), 0)],
  [{ family: 'zlib', level: 9, memLevel: 9 }, unixHeader(2)],
  [{ family: 'gnu', level: 6 }, unixHeader(0)],
  [{ family: 'pigz', level: 9, flags: 0, blockBytes: 2 ** 17 }, unixHeader(2)],
  [{ family: 'pigz', level: 6, flags: 2, blockBytes: 2 ** 17 }, unixHeader(0)],
  [{ family: 'chromium', level: 9, hash: 'product', memLevel: 8 }, NPM_HEADER],
  [{ family: 'chromium', level: 6, hash: 'crc', memLevel: 8 }, GO_HEADER],
];

describe('a gzip file', () => {
  it.each(ENCODERS.map(([spec, header]) => [encoderName(spec), spec, header] as const))(
    'of %s is found and made again',
    async (_, spec, header) => {
      const bytes = gzipBy(spec, plain, header);
      expect(gunzipSync(bytes).equals(plain)).toBe(true);
      const { members } = await expectExact(bytes);
      // Another one that makes the same of these bytes is as good.
      expect(members.map(({ encoder }) => encoder.family)).toEqual([spec.family]);
      expect(await probeGzip(compressedFile(bytes), { last: null })).toEqual(members[0]!.encoder);
    },
  );

  it('of several members, with empty ones among them and bytes behind, is made again', async () => {
    const members = [
      gzipBy(GO_6, new Uint8Array(0)),
      gzipBy(GO_6, plain.subarray(0, 1000)),
      gzipBy({ family: 'gnu', level: 9 }, plain, unixHeader(2)),
      gzipBy({ family: 'go', level: 0 }, new Uint8Array(0)),
    ];
    for (const trailing of ['', 'behind', '\0\0\0']) {
      const proof = await expectExact(concatBytes([...members, ascii(trailing)]));
      expect(proof.members.map(({ plainBytes }) => plainBytes)).toEqual([0, 1000, plain.length, 0]);
      expect(Buffer.from(proof.trailing).toString()).toBe(trailing);
    }
  });

  it('is found whichever encoder made the one before', async () => {
    const bytes = gzipBy(GO_6, plain);
    for (const [last] of ENCODERS) expect((await prove(bytes, last)).exact).toBe(true);
  });

  it('of an encoder nobody knows is left as it is', async () => {
    expect(await prove(gzipSync(makeInput('text', 5, 200_000), UNKNOWN))).toEqual({
      exact: false,
      reason: 'unknown-encoder',
    });
  });

  it('of one encoder at first and another later is left as it is', async () => {
    const long = makeInput('records', 6, 2_500_000);
    const bytes = gzipOfTwoLevels(long);
    expect(gunzipSync(bytes).equals(long)).toBe(true);
    expect(await probeGzip(compressedFile(bytes), { last: null })).toMatchObject({ family: 'pgzip' });
    expect(await prove(bytes)).toEqual({ exact: false, reason: 'differs-late' });
  });

  it('that is damaged anywhere is left as it is, or made again as it is', async () => {
    const bytes = gzipBy(GO_6, plain.subarray(0, 2_000));
    const random = seededRandom(11);
    let exact = 0;
    for (let run = 0; run < 24; run++) {
      const changed = new Uint8Array(bytes);
      // Half of the changes hit header and trailer.
      const at = run % 2 ? Math.floor(random() * bytes.length) : (run % 20) - 8;
      changed[(at + bytes.length) % bytes.length]! ^= 1 << Math.floor(random() * 8);
      const proof = await prove(changed);
      if (!proof.exact) continue;
      exact++;
      expect(Buffer.from(await rebuilt(changed, proof)).equals(changed)).toBe(true);
    }
    expect(exact).toBeGreaterThan(0);
    for (const length of [0, 1, 9, 10, 11, 100, bytes.length - 9, bytes.length - 8, bytes.length - 1]) {
      expect(await prove(bytes.subarray(0, length)), `${length} bytes`).toEqual({
        exact: false,
        reason: 'damaged',
      });
    }
  }, 60_000);

  it('of many members that a few encoders made in turn is found without a search for each', async () => {
    const three = [ENCODERS[0]!, ENCODERS[7]!, ENCODERS[9]!].map(([spec, header]) =>
      gzipBy(spec, plain.subarray(0, 700), header),
    );
    const bytes = concatBytes(Array.from({ length: 120 }, (_, i) => three[i % 3]!));
    let tries = 0;
    const proof = await proveGzip(compressedFile(bytes), { last: null, onTry: () => tries++ });
    expect(proof).toMatchObject({ exact: true, digestHex: sha256Hex(bytes) });
    expect(tries).toBeGreaterThan(120);
    expect(tries).toBeLessThan(3 * 120 + 150);
  });

  it('of very many members with ever other encoders is given up after a number of tries', async () => {
    // Texts on which these make different bytes.
    const text = makeInput('text', 9, 3000);
    const members = [9, 6, 3, 1, 5, 4].flatMap((level) => [
      gzipBy({ family: 'gnu', level }, text, unixHeader(0)),
      gzipBy({ family: 'go', level }, text, unixHeader(0)),
    ]);
    const bytes = concatBytes(Array.from({ length: 200 }, (_, i) => members[i % members.length]!));
    const tried: EncoderSpec[] = [];
    const onTry = (encoder: EncoderSpec) => tried.push(encoder);
    expect(await proveGzip(compressedFile(bytes), { last: null, onTry, maxFailedTries: 100 })).toEqual({
      exact: false,
      reason: 'too-complex',
    });
    expect(tried.length).toBeGreaterThanOrEqual(100);
    // Those that were right come on top.
    expect(tried.length).toBeLessThan(100 + 200);
    expect(await prove(concatBytes(members.slice(0, 3)))).toMatchObject({ exact: true });
  });

  it('of more members than a recipe holds is left as it is, and looked at no further', async () => {
    const empty = gzipSync(new Uint8Array(0));
    const bytes = concatBytes(Array.from({ length: LIMITS.gzipMembers + 1 }, () => empty));
    expect(await prove(bytes)).toEqual({ exact: false, reason: 'too-complex' });
    await expect(inflated(bytes)).rejects.toThrow('there are too many gzip members');

    const members = bytes.subarray(0, empty.length * 1000);
    const proof = await expectExact(members);
    expect(proof.members.length).toBe(1000);
    // A header that is kept holds nothing of what it was read with.
    for (const { header } of proof.members) expect(header.buffer.byteLength).toBe(header.length);
  });

  it('of longer headers than a recipe holds is left as it is', async () => {
    const withName = (number: number): Uint8Array => {
      const member = gzipSync(ascii(`${number}`));
      const name = ascii(`${number}`.padEnd(4000, '-'));
      const flag = Uint8Array.of(8);
      const parts = [member.subarray(0, 3), flag, member.subarray(4, 10), name, Uint8Array.of(0)];
      return concatBytes([...parts, member.subarray(10)]);
    };
    const members = Array.from({ length: 1050 }, (_, i) => withName(i));
    expect(await prove(concatBytes(members))).toEqual({ exact: false, reason: 'too-complex' });
    expect((await expectExact(concatBytes(members.slice(0, 1000)))).members.length).toBe(1000);
  });

  it('is given up when nobody wants the answer any more', async () => {
    const bytes = gzipBy(GO_6, plain);
    await expect(proveGzip(compressedFile(bytes), { last: null, isCancelled: () => true })).rejects.toThrow(
      'cancelled',
    );
  });
});

it.each<EncoderSpec>([
  { family: 'go', level: 11 },
  { family: 'zlib', level: 0, memLevel: 8 },
  { family: 'zlib', level: 6, memLevel: 7 },
  { family: 'klauspost', level: 9, variant: '1.14.0' },
  { family: 'pgzip', level: 5, variant: '1.15.10', blockBytes: 16_384 },
  { family: 'pigz', level: 6, flags: 8, blockBytes: 2 ** 17 },
  { family: 'pigz', level: 6, flags: 0, blockBytes: 1000 },
])('there is no encoder %o', (spec) => {
  expect(() => createEncoder(spec)).toThrow(RangeError);
});
