import { createHash, type Hash, hash } from 'node:crypto';

/** Bytes of a SHA-256 digest. */
export const SHA256_BYTES = 32;

/** The SHA-256 of `bytes` as 64 lower-case hex digits. */
export function sha256Hex(bytes: Uint8Array): string {
  return hash('sha256', bytes);
}

/** The SHA-256 of `bytes`, 32 fresh bytes owned by the caller. */
export function sha256(bytes: Uint8Array): Uint8Array {
  return Buffer.from(hash('sha256', bytes), 'hex');
}

/**
 * Writes the SHA-256 of `bytes` into `out` at `offset`.
 * Asking `hash` for a string and decoding it is about 1 µs a call cheaper than asking for a Buffer.
 */
export function sha256Into(bytes: Uint8Array, out: Buffer, offset: number): void {
  out.write(hash('sha256', bytes), offset, SHA256_BYTES, 'hex');
}

/** A SHA-256 fed piece by piece; `hex()` ends it. */
export class Sha256Stream {
  readonly #hash: Hash;

  constructor(hash: Hash = createHash('sha256')) {
    this.#hash = hash;
  }

  /** Another one that has been fed the same and goes its own way. */
  copy(): Sha256Stream {
    return new Sha256Stream(this.#hash.copy());
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  hex(): string {
    return this.#hash.digest('hex');
  }
}

const HEX_PATTERN = /^[0-9a-f]{64}$/;

/** True for 64 lower-case hex digits: the only form in which dbup names a pool file or a chunk. */
export function isSha256Hex(text: string): boolean {
  return HEX_PATTERN.test(text);
}
