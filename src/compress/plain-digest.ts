import { once } from 'node:events';
import type { Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import zstd from 'zstd-napi';
import { Sha256Stream } from '../hash/sha256.js';

export type Compression = 'gzip' | 'zstd';

/** How bytes that begin like `head` (4 and more of them) are compressed; null when they are not. */
export function detectCompression(head: Uint8Array): Compression | null {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  return null;
}

/** A transform from compressed to plain bytes; memory is bounded by the format's window whatever comes out. */
export function createInflater(compression: Compression): Transform {
  return compression === 'gzip' ? createGunzip({ chunkSize: 256 * 1024 }) : new zstd.DecompressStream();
}

/** What compressed bytes inflate to. */
export interface PlainDigest {
  digestHex: string;
  sizeBytes: number;
}

/** Inflates bytes as they pass and hashes what comes out, keeping nothing. */
export class PlainDigester {
  readonly #inflater: Transform;
  readonly #sha256 = new Sha256Stream();
  readonly #ended: Promise<void>;
  #sizeBytes = 0;
  #failed = false;

  constructor(compression: Compression) {
    this.#inflater = createInflater(compression);
    this.#inflater.on('data', (bytes: Uint8Array) => {
      this.#sha256.update(bytes);
      this.#sizeBytes += bytes.length;
    });
    this.#ended = new Promise((resolve) => {
      this.#inflater.once('end', resolve);
      this.#inflater.once('error', () => {
        this.#failed = true;
        resolve();
      });
    });
  }

  /** Takes a copy of `bytes`, waiting while the inflater is behind. */
  async write(bytes: Uint8Array): Promise<void> {
    if (this.#failed) return;
    if (this.#inflater.write(Buffer.from(bytes))) return;
    await Promise.race([once(this.#inflater, 'drain').catch(() => {}), this.#ended]);
  }

  /** null when the bytes were no sound compressed stream. */
  async finish(): Promise<PlainDigest | null> {
    if (!this.#failed) this.#inflater.end();
    await this.#ended;
    return this.#failed ? null : { digestHex: this.#sha256.hex(), sizeBytes: this.#sizeBytes };
  }
}
