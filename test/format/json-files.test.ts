import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_CHUNKER_PARAMETERS } from '../../src/chunk/chunker-parameters.js';
import { LIMITS } from '../../src/core/limits.js';
import { decodeDescriptor, encodeDescriptor, type PoolDescriptor } from '../../src/format/descriptor.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  readCheckedSnapshot,
  type Snapshot,
} from '../../src/format/snapshot.js';
import { mutated, SEED } from '../oci/only-dbup-errors.js';
import { acceptsOrRefuses } from './only-pool-errors.js';

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const ID = 'cd'.repeat(32);

const DESCRIPTOR: PoolDescriptor = {
  format: 1,
  poolId: '0123456789abcdef0123456789abcdef',
  createdAt: '2026-01-02T03:04:05.678Z',
  features: [],
  chunker: DEFAULT_CHUNKER_PARAMETERS,
};

const SNAPSHOT: Snapshot = {
  reference: 'team/app:1.0',
  createdAt: '2026-01-02T03:04:05.678Z',
  host: 'builder',
  source: 'docker-archive:/tmp/ä\n.tar',
  imageId: DIGEST,
  root: { digest: DIGEST, mediaType: 'application/vnd.oci.image.index.v1+json', sizeBytes: 7 },
  images: [
    {
      platform: 'linux/amd64',
      configDigest: DIGEST,
      manifestDigest: DIGEST,
      layers: [{ digest: DIGEST, diffId: DIGEST }],
    },
  ],
  absent: [DIGEST],
  blobs: [{ digest: DIGEST, sizeBytes: 2 ** 53 - 1, mediaType: 'm', recipeId: ID }],
  archive: { dialect: 'oci-archive', sizeBytes: 1, recipeId: ID, imageCount: 2 },
  stats: { imageBytes: 1, newBytes: 2, newPlainBytes: 3 },
  rollbackOf: ID,
};

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
/** The encoded document with fields put in, or taken out when `undefined`. */
function withFields(bytes: Uint8Array, fields: object): Uint8Array {
  return Buffer.from(JSON.stringify({ ...JSON.parse(text(bytes)), ...fields }));
}
const snapshotWith = (fields: object) => () =>
  decodeSnapshot(withFields(encodeSnapshot(SNAPSHOT), fields), 's');
const descriptorWith = (fields: object) => () =>
  decodeDescriptor(withFields(encodeDescriptor(DESCRIPTOR), { checksum: undefined, ...fields }), 'd');
const refused = (code: string) => expect.objectContaining({ code });

describe('snapshot and descriptor', () => {
  it('come back as they were encoded', () => {
    expect(decodeDescriptor(encodeDescriptor(DESCRIPTOR), 'd')).toEqual(DESCRIPTOR);
    expect(decodeSnapshot(encodeSnapshot(SNAPSHOT), 's')).toEqual(SNAPSHOT);
    const { root: _root, archive: _archive, rollbackOf: _rollbackOf, ...small } = SNAPSHOT;
    expect(decodeSnapshot(encodeSnapshot(small), 's')).toEqual(small);
  });

  it('read the same once they were checked', () => {
    const { root: _root, archive: _archive, rollbackOf: _rollbackOf, ...small } = SNAPSHOT;
    for (const snapshot of [SNAPSHOT, small]) {
      const bytes = Buffer.from(JSON.stringify({ ...JSON.parse(text(encodeSnapshot(snapshot))), later: 1 }));
      expect(readCheckedSnapshot(bytes)).toEqual(decodeSnapshot(bytes, 's'));
    }
  });

  it('raise nothing but pool errors whatever is in them', () => {
    fc.assert(
      fc.property(mutated(text(encodeSnapshot(SNAPSHOT))), (bytes) => {
        acceptsOrRefuses(() => decodeSnapshot(bytes, 's'));
      }),
      { seed: SEED, numRuns: 3000 },
    );
    fc.assert(
      fc.property(mutated(text(encodeDescriptor(DESCRIPTOR))), (bytes) => {
        acceptsOrRefuses(() => decodeDescriptor(bytes, 'd'));
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it.each(['', '{', '[]', 'null', '"x"', '{}', '\ufeff{}', '\xff', `${'['.repeat(100_000)}`])(
    'refuse what is no document of theirs (%#)',
    (json) => {
      const bytes = Buffer.from(json, 'latin1');
      expect(() => decodeSnapshot(bytes, 's')).toThrow(refused('POOL_DAMAGED'));
      expect(() => decodeDescriptor(bytes, 'd')).toThrow(refused('POOL_DAMAGED'));
    },
  );

  it('ignore fields they do not know', () => {
    expect(snapshotWith({ note: { any: ['thing'] } })()).toEqual(SNAPSHOT);
    expect(descriptorWith({ colour: 'blue' })()).toEqual(DESCRIPTOR);
  });

  it('refuse what is nested deeper than a reader goes, and take the rest', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
    // The document itself is a level.
    const most = LIMITS.poolJsonDepth - 1;
    expect(snapshotWith({ note: nested(most) })()).toEqual(SNAPSHOT);
    expect(snapshotWith({ note: nested(most + 1) })).toThrow(/nested deeper than 64/);
    expect(descriptorWith({ note: nested(most + 1) })).toThrow(refused('POOL_DAMAGED'));
    expect(snapshotWith({ note: '[{'.repeat(500) })()).toEqual(SNAPSHOT);
    const brackets = Buffer.alloc(1_000_000, '[');
    expect(() => decodeSnapshot(brackets, 's')).toThrow(/nested deeper/);
  });

  it('refuse another format and an unknown feature as such, whatever else the document holds', () => {
    for (const fields of [
      { format: 2 },
      { format: 2, features: 'of another shape' },
      { format: 0, features: undefined },
      { features: ['delta'] },
    ]) {
      expect(snapshotWith(fields)).toThrow(refused('POOL_FORMAT_UNSUPPORTED'));
      expect(descriptorWith(fields)).toThrow(refused('POOL_FORMAT_UNSUPPORTED'));
    }
    for (const features of [undefined, 'delta', [{ toString: 1, valueOf: 1 }], Array(65).fill('x')]) {
      expect(snapshotWith({ features })).toThrow(refused('POOL_DAMAGED'));
      expect(descriptorWith({ features })).toThrow(refused('POOL_DAMAGED'));
    }
  });

  it.each([
    '2026-02-30T00:00:00.000Z',
    '2026-13-01T00:00:00.000Z',
    '2026-01-01T24:00:00.000Z',
    '2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00.000+01:00',
    '+010000-01-01T00:00:00.000Z',
  ])('refuse the time %s, which no clock says', (createdAt) => {
    expect(snapshotWith({ createdAt })).toThrow(refused('POOL_DAMAGED'));
    expect(descriptorWith({ createdAt })).toThrow(refused('POOL_DAMAGED'));
  });

  it.each(['', 'app', 'app:', ':1', 'a b:1', 'a\x1b[2Jb:1', 'ä:1', 'app:1.0~1', `a:${'t'.repeat(129)}`])(
    'refuse the reference %j',
    (reference) => {
      expect(snapshotWith({ reference })).toThrow(refused('POOL_DAMAGED'));
    },
  );

  it.each([
    { imageId: 'sha256:AB' },
    { blobs: [{ digest: DIGEST, sizeBytes: 1.5, mediaType: 'm', recipeId: ID }] },
    { blobs: [{ digest: DIGEST, sizeBytes: -1, mediaType: 'm', recipeId: ID }] },
    { blobs: [{ digest: DIGEST, sizeBytes: 2 ** 53, mediaType: 'm', recipeId: ID }] },
    { blobs: [{ digest: DIGEST, sizeBytes: 1, mediaType: 'm', recipeId: `${ID}0` }] },
    { absent: [{ toString: 1 }] },
    { archive: { ...SNAPSHOT.archive, dialect: 'zip' } },
    { archive: { ...SNAPSHOT.archive, imageCount: LIMITS.archiveImages + 1 } },
    { stats: undefined },
    { kind: 'dbup-pool' },
    { rollbackOf: 'x' },
  ])('refuse a snapshot with %j', (fields) => {
    expect(snapshotWith(fields)).toThrow(refused('POOL_DAMAGED'));
  });

  it.each(['algorithm', 'minBytes', 'avgBytes', 'maxBytes'])(
    'refuse a descriptor without chunker.%s',
    (field) => {
      const chunker = { ...DEFAULT_CHUNKER_PARAMETERS, [field]: undefined };
      expect(descriptorWith({ chunker })).toThrow(refused('POOL_FORMAT_UNSUPPORTED'));
    },
  );

  it('encode no snapshot that could not be read again', () => {
    const blob = SNAPSHOT.blobs[0]!;
    const most = { ...SNAPSHOT, blobs: Array(LIMITS.snapshotBlobs).fill(blob) };
    const bytes = encodeSnapshot(most);
    expect(bytes.length).toBeLessThanOrEqual(LIMITS.snapshotBytes);
    expect(decodeSnapshot(bytes, 's').blobs).toHaveLength(LIMITS.snapshotBlobs);
    const image = SNAPSHOT.images[0]!;
    const layers = Array(LIMITS.imageLayers).fill(image.layers[0]!);
    for (const tooLarge of [
      { ...SNAPSHOT, blobs: [...most.blobs, blob] },
      { ...SNAPSHOT, images: Array(LIMITS.archiveImages).fill({ ...image, layers }) },
    ]) {
      expect(() => encodeSnapshot(tooLarge)).toThrow(refused('INPUT_TOO_LARGE'));
    }
  });
});
