import { type ChunkerParameters, validateChunkerParameters } from '../chunk/chunker-parameters.js';
import { checkFormat, parsePoolJson } from './json-fields.js';

/** docs/format.md, "Pool descriptor". */
export const POOL_FORMAT = 1;
const KNOWN_FEATURES: readonly string[] = [];

/** What a pool says of itself, once, when it is made. */
export interface PoolDescriptor {
  format: number;
  /** 32 random hex digits; copies of a pool share it. */
  poolId: string;
  /** As in a snapshot. */
  createdAt: string;
  features: string[];
  chunker: ChunkerParameters;
}

export function encodeDescriptor(descriptor: PoolDescriptor): Uint8Array {
  return Buffer.from(`${JSON.stringify({ kind: 'dbup-pool', ...descriptor }, null, 2)}\n`);
}

/** @throws DbupError POOL_DAMAGED or POOL_FORMAT_UNSUPPORTED */
export function decodeDescriptor(bytes: Uint8Array, where: string): PoolDescriptor {
  const fields = parsePoolJson(bytes, where);
  fields.string('kind', /^dbup-pool$/);
  checkFormat(fields, POOL_FORMAT, KNOWN_FEATURES, where);
  return {
    format: POOL_FORMAT,
    poolId: fields.string('poolId', /^[0-9a-f]{32}$/),
    createdAt: fields.time('createdAt'),
    features: [],
    chunker: validateChunkerParameters(fields.raw('chunker')),
  };
}
