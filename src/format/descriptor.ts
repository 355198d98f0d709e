import { type ChunkerParameters, validateChunkerParameters } from '../chunk/chunker-parameters.js';
import { DbupError } from '../core/errors.js';
import { sha256Hex } from '../hash/sha256.js';
import { checkFormat, type JsonFields, parsePoolJson } from './json-fields.js';

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

/** Bytes of a descriptor that vouch for the others: what stands there while the checksum is computed. */
const NO_CHECKSUM = '0'.repeat(64);
const CHECKSUM = /^sha256:[0-9a-f]{64}$/;
const HEX_RUN = /[0-9a-fA-F]{64}/;

export function encodeDescriptor(descriptor: PoolDescriptor): Uint8Array {
  const document = { kind: 'dbup-pool', ...descriptor, checksum: `sha256:${NO_CHECKSUM}` };
  const text = `${JSON.stringify(document, null, 2)}\n`;
  return Buffer.from(text.replace(NO_CHECKSUM, sha256Hex(Buffer.from(text))));
}

/** As pools were made before there was a checksum. */
function encodeWithoutChecksum(descriptor: PoolDescriptor): Uint8Array {
  return Buffer.from(`${JSON.stringify({ kind: 'dbup-pool', ...descriptor }, null, 2)}\n`);
}

/** @throws DbupError POOL_DAMAGED or POOL_FORMAT_UNSUPPORTED */
export function decodeDescriptor(bytes: Uint8Array, where: string): PoolDescriptor {
  const fields = parsePoolJson(bytes, where);
  // Before all else: a flipped digit must not look like a newer format.
  checkDescriptorSum(fields, bytes, where);
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

/**
 * What speaks against a descriptor that can be read: nothing vouches for it, and no version of dbup wrote such a one
 * without a checksum. null when there is nothing.
 */
export function descriptorDoubt(bytes: Uint8Array, descriptor: PoolDescriptor): string | null {
  if (HEX_RUN.test(Buffer.from(bytes).toString('latin1'))) return null;
  return Buffer.compare(bytes, encodeWithoutChecksum(descriptor)) === 0
    ? null
    : 'it has no checksum, and is not as it was written before there was one';
}

/** Digits without a field of their name, too, are those of a checksum whose name was hit. */
function checkDescriptorSum(fields: JsonFields, bytes: Uint8Array, where: string): void {
  const text = Buffer.from(bytes).toString('latin1');
  const checksum = fields.raw('checksum');
  if (checksum === undefined && !HEX_RUN.test(text)) return;
  const digits =
    typeof checksum === 'string' && CHECKSUM.test(checksum) ? checksum.slice('sha256:'.length) : null;
  const isRight =
    digits !== null && sha256Hex(Buffer.from(text.replace(digits, NO_CHECKSUM), 'latin1')) === digits;
  if (isRight) return;
  throw new DbupError('POOL_DAMAGED', `${where} is damaged: its checksum is wrong`, {
    hint: 'Run `dbup repair`, or copy dbup-pool.json from another copy of this pool.',
    details: { where },
  });
}
