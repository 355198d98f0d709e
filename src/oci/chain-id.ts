import { sha256Hex } from '../hash/sha256.js';
import { type Digest, digestFromHex } from './digest.js';

/**
 * The ChainID of each layer: the name of that layer together with all below it, in the order of `diffIds`.
 * By OCI's config specification, "Layer ChainID": the first is the diffID itself, each further one is the
 * SHA-256 of the text "<ChainID below> <diffID>".
 */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  let below: Digest | undefined;
  for (const diffId of diffIds) {
    below = below === undefined ? diffId : digestFromHex(sha256Hex(Buffer.from(`${below} ${diffId}`)));
    chain.push(below);
  }
  return chain;
}
