import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { DbupError } from '../../src/core/errors.js';
import { ReedSolomon } from '../../src/erasure/reed-solomon.js';
import {
  coveredBytes,
  decodeParityFrame,
  decodeParityMetadata,
  encodeParityFrame,
  encodeParityMetadata,
  PARITY_FRAME_BYTES,
  type ParitySet,
  parityFileBytes,
} from '../../src/format/parity.js';
import { chooseParityGeometry } from '../../src/pool/parity-geometry.js';
import { multiply, parityRows } from '../support/galois-oracle.js';
import { noise, seededRandom } from '../support/tar-builder.js';

const SEED = Number(process.env.DBUP_SEED ?? 71_003);

function sample(random: () => number): ParitySet {
  const members = Array.from({ length: Math.floor(random() * 4) }, (_, i) => ({
    name: Buffer.from(noise(1000 + i, 32)).toString('hex'),
    sizeBytes: 1 + Math.floor(random() * 100_000),
  }));
  const totalBytes = members.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const geometry = chooseParityGeometry(totalBytes, 1 + Math.floor(random() * 100));
  const copies = Array.from({ length: Math.floor(random() * 3) }, (_, i) => {
    const stored = noise(i, Math.floor(random() * 300));
    return {
      kind: i === 0 ? ('descriptor' as const) : ('snapshot' as const),
      name: Buffer.from(noise(2000 + i, 32)).toString('hex'),
      sizeBytes: stored.length,
      stored,
      isCompressed: false,
    };
  });
  const digests = new BigUint64Array((geometry.dataShards + geometry.parityShards) * geometry.stripes);
  digests.forEach((_, i) => {
    digests[i] = BigInt(Math.floor(random() * 2 ** 50));
  });
  return { ...geometry, sharePercent: 10, members, copies, digests };
}

describe('the metadata of parity files', () => {
  it('come back as they were', () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 50; round++) {
      const set = sample(random);
      const metadata = encodeParityMetadata(set);
      const frame = encodeParityFrame(metadata, parityFileBytes(set, metadata.length));
      expect(frame.length).toBe(PARITY_FRAME_BYTES);
      expect(decodeParityMetadata(metadata, decodeParityFrame(frame, 'x'), 'x'), `seed ${SEED}`).toEqual(set);
    }
  });

  it('are refused with any byte changed, and whatever they claim', () => {
    const random = seededRandom(SEED + 1);
    const codes = new Set<string>();
    for (let round = 0; round < 1000; round++) {
      const set = sample(random);
      let metadata = encodeParityMetadata(set);
      let frame = encodeParityFrame(metadata, parityFileBytes(set, metadata.length));
      const isResealed = round % 2 === 1;
      const target = isResealed || random() < 0.5 ? metadata : frame;
      const at = Math.floor(random() * Math.min(target.length, isResealed ? 120 : target.length));
      target[at]! ^= 1 << Math.floor(random() * 8);
      if (isResealed) {
        // Made by somebody who computes checksums: bounded, and never more than what was written.
        metadata = Uint8Array.from(metadata);
        frame = encodeParityFrame(metadata, parityFileBytes(set, metadata.length));
      }
      try {
        const decoded = decodeParityMetadata(metadata, decodeParityFrame(frame, 'x'), 'x');
        expect(isResealed, `seed ${SEED + 1}, round ${round}`).toBe(true);
        expect(coveredBytes(decoded)).toBeLessThanOrEqual(coveredBytes(set) * 2);
      } catch (error) {
        if (!(error instanceof DbupError)) throw error;
        codes.add(error.code);
      }
    }
    expect([...codes]).toEqual(['POOL_DAMAGED']);
  });
});

describe('the code', () => {
  it('is the one that the document fixes', () => {
    const random = seededRandom(SEED + 2);
    for (const [k, m] of [
      [1, 1],
      [3, 2],
      [17, 5],
      [128, 19],
      [200, 55],
    ] as const) {
      const cellBytes = 16;
      const shards = new Uint8Array((k + m) * cellBytes);
      shards.set(noise(k, k * cellBytes));
      ReedSolomon.load().encode(shards, k, m);
      const rows = parityRows(k, m);
      for (let check = 0; check < 20; check++) {
        const p = Math.floor(random() * m);
        const b = Math.floor(random() * cellBytes);
        let expected = 0;
        for (let j = 0; j < k; j++) expected ^= multiply(rows[p]![j]!, shards[j * cellBytes + b]!);
        expect(shards[(k + p) * cellBytes + b], `k ${k}, m ${m}, seed ${SEED + 2}`).toBe(expected);
      }
    }
  });

  it('gives back any shards that are lost, up to as many as there is parity, again and again', () => {
    const random = seededRandom(SEED + 3);
    const code = ReedSolomon.load();
    for (let round = 0; round < 15; round++) {
      const k = 1 + Math.floor(random() * 128);
      const m = 1 + Math.floor(random() * 60);
      const bytes = 16 * (1 + Math.floor(random() * 8));
      const shards = new Uint8Array((k + m) * bytes);
      shards.set(noise(round, k * bytes));
      code.encode(shards, k, m);
      const whole = shards.slice();
      const present = new Array<boolean>(k + m).fill(true);
      for (let lost = 0; lost < m; ) {
        const shard = Math.floor(random() * (k + m));
        if (!present[shard]) continue;
        present[shard] = false;
        shards.fill(0, shard * bytes, (shard + 1) * bytes);
        lost++;
      }
      code.reconstruct(shards, k, m, present);
      const same = Buffer.compare(shards.subarray(0, k * bytes), whole.subarray(0, k * bytes));
      expect(same, `seed ${SEED + 3}, round ${round}`).toBe(0);
    }
  });
});

describe('the golden pool', () => {
  it('has the parity that the document says of the packs that are there', async () => {
    const pool = fileURLToPath(new URL('../../fixtures/pools/sound-parity/', import.meta.url));
    const [name] = await readdir(`${pool}parity`);
    const file = await readFile(`${pool}parity/${name}`);
    const u32 = (at: number): number => file.readUInt32LE(at);
    const [k, m, c, s, packCount] = [u32(64), u32(68), u32(72), u32(76), u32(84)] as const;
    const packs = await Promise.all(
      Array.from({ length: packCount }, (_, i) =>
        readFile(`${pool}packs/${file.toString('hex', 96 + i * 40, 128 + i * 40)}`),
      ),
    );
    expect(packCount).toBe(2);
    const data = Buffer.alloc(k * s * c);
    Buffer.concat(packs).copy(data);
    const parityAt = 64 + u32(16);
    expect(file.length).toBe(2 * parityAt + m * s * c);
    const rows = parityRows(k, m);
    const random = seededRandom(SEED + 4);
    for (let check = 0; check < 200; check++) {
      const [p, at] = [Math.floor(random() * m), Math.floor(random() * s * c)];
      let expected = 0;
      for (let j = 0; j < k; j++) expected ^= multiply(rows[p]![j]!, data[j * s * c + at]!);
      expect(file[parityAt + p * s * c + at], `shard ${p}, byte ${at}`).toBe(expected);
    }
  });
});

describe('the geometry', () => {
  it('holds what it must, leaves room for the share, and wastes little', () => {
    for (const total of [1, 63, 64, 1000, 20_000, 400_000, 5e6, 34e6, 122e6, 1.1e9]) {
      for (const share of [1, 5, 10, 33, 50, 99, 100]) {
        const geometry = chooseParityGeometry(total, share);
        const { dataShards, parityShards, cellBytes, stripes } = geometry;
        expect(dataShards + parityShards).toBeLessThanOrEqual(255);
        expect(coveredBytes(geometry)).toBeGreaterThanOrEqual(total);
        // One range of the share, wherever it begins, and a cell more.
        const hit = Math.ceil((total * share) / 100 / (stripes * cellBytes)) + 1;
        expect(parityShards, `${total} bytes, ${share} %`).toBeGreaterThanOrEqual(Math.min(hit, dataShards));
        if (total > 100_000) expect(coveredBytes(geometry) / total).toBeLessThan(1.05);
      }
    }
  });
});
