import fc from 'fast-check';
import { onlyDbupErrors } from '../oci/only-dbup-errors.js';

export const POOL_CODES = ['POOL_DAMAGED', 'POOL_FORMAT_UNSUPPORTED'] as const;

/** True when `decode` accepts; false for one of the two errors a pool file may raise; any other error escapes. */
export function acceptsOrRefuses(decode: () => unknown): boolean {
  return onlyDbupErrors(decode, POOL_CODES);
}

/** `bytes` changed at a few places, cut off or made longer. */
export function damaged(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const changed = fc
    .array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    .map((changes) => {
      const copy = new Uint8Array(bytes);
      for (const [at, value] of changes) copy[at] = value;
      return copy;
    });
  const words = fc
    .tuple(fc.nat(bytes.length - 1), fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff))
    .map(([at, value]) => {
      const copy = Buffer.from(bytes);
      for (let i = 0; i < 4 && at + i < copy.length; i++) copy[at + i] = (value >>> (8 * i)) & 255;
      return new Uint8Array(copy);
    });
  const cut = fc.nat(bytes.length).map((length) => bytes.slice(0, length));
  const longer = fc
    .uint8Array({ minLength: 1, maxLength: 100 })
    .map((tail) => new Uint8Array(Buffer.concat([bytes, tail])));
  return fc.oneof(changed, words, cut, longer);
}

/** 32 bytes that stand for a chunk id. */
export const ids: fc.Arbitrary<Uint8Array> = fc.uint8Array({ minLength: 32, maxLength: 32 });
export const hexIds: fc.Arbitrary<string> = ids
  .filter((id) => id.some((byte) => byte !== 0))
  .map((id) => Buffer.from(id).toString('hex'));
