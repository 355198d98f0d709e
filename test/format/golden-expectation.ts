import { type PoolFiles, sha256Hex, writePool } from './hand-made-pool.js';

/** What `expected.json` beside the pools says of one of them. */
export interface Expectation {
  /** SHA-256 of the saved archive of each version, by address. */
  archives: Record<string, string>;
  /** The error code where loading fails, by address; `open` for opening the pool itself. */
  errors: Record<string, string>;
  /** Of versions with gzip layers, by address: SHA-256 of the saved archive, and of each layer's plain tar. */
  gzip?: Record<string, { archive: string; plain: string[] }>;
}

export type Maker = (directory: string) => Promise<Expectation>;

export const ok = (archives: Record<string, Uint8Array>): Expectation => ({
  archives: Object.fromEntries(
    Object.entries(archives).map(([address, bytes]) => [address, sha256Hex(bytes)]),
  ),
  errors: {},
});
export const fails = (code: string, address = 'hello:1'): Expectation => ({
  archives: {},
  errors: { [address]: code },
});

export const fromFiles =
  (files: PoolFiles, expectation: Expectation): Maker =>
  async (directory) => {
    await writePool(directory, files);
    return expectation;
  };
