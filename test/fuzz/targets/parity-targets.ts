import {
  decodeParityFrame,
  decodeParityMetadata,
  encodeParityFrame,
  encodeParityMetadata,
  PARITY_FRAME_BYTES,
  type ParitySet,
  parityFileBytes,
} from '../../../src/format/parity.js';
import { encodeSnapshot, readCheckedSnapshot } from '../../../src/format/snapshot.js';
import { xxh64 } from '../../../src/hash/xxh64.js';
import { makeCopy, openCopy } from '../../../src/pool/parity-file.js';
import { tinySnapshot } from '../../format/tiny-image.js';
import { accepts, type FuzzTarget } from '../fuzz-target.js';
import { edge, maybeMutated } from '../mutate.js';

const SNAPSHOT = encodeSnapshot(readCheckedSnapshot(Buffer.from(tinySnapshot())));
const SETS: readonly ParitySet[] = [set(2, 3, 1), set(0, 0, 0), set(7, 2, 4)];

function set(dataShards: number, parityShards: number, stripes: number): ParitySet {
  const cells = (dataShards + parityShards) * stripes;
  return {
    dataShards,
    parityShards,
    cellBytes: dataShards === 0 ? 0 : 4096,
    stripes,
    sharePercent: 50,
    members: dataShards === 0 ? [] : [{ name: 'ab'.repeat(32), sizeBytes: 3000 }],
    copies: [makeCopy('snapshot', SNAPSHOT), makeCopy('descriptor', new Uint8Array(40).fill(7))],
    digests: new BigUint64Array(cells).fill(77n),
  };
}

/** A frame, and the metadata that it vouches for. */
export const parityTarget: FuzzTarget = {
  name: 'parity',
  runs: 'frame and metadata of parity files, checksums right, and the copies of snapshots in them',
  inputs: 60_000,
  shortInputs: 500,
  make(random) {
    const sound = random.pick(SETS);
    const metadata = Buffer.from(maybeMutated(random, encodeParityMetadata(sound)));
    if (random.percent(50) && metadata.length >= 32) {
      const at = random.pick([0, 4, 8, 12, 16, 20, 24, 28]);
      metadata.writeUInt32LE(Number(edge(random) & 0xffffffffn), at);
    }
    const fileBytes = random.percent(90)
      ? parityFileBytes(sound, metadata.length)
      : Number(edge(random) % 2n ** 53n);
    const frame = Buffer.from(encodeParityFrame(metadata, fileBytes));
    if (random.percent(15)) {
      frame[random.below(PARITY_FRAME_BYTES)] = random.below(256);
      if (random.percent(70)) frame.writeBigUInt64LE(xxh64(frame.subarray(0, 56)), 56);
    }
    return new Uint8Array(Buffer.concat([frame, metadata]));
  },
  run: (bytes) =>
    accepts(() => {
      const frame = decodeParityFrame(bytes.subarray(0, PARITY_FRAME_BYTES), 'fuzz');
      const { copies, members } = decodeParityMetadata(bytes.subarray(PARITY_FRAME_BYTES), frame, 'fuzz');
      if (members.some(({ sizeBytes }) => !(sizeBytes >= 1))) throw new TypeError('an empty pack is covered');
      for (const copy of copies.slice(0, 8)) openCopy(copy);
    }),
};
