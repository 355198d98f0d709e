import { DbupError } from '../core/errors.js';

/**
 * How a pool's streams are cut into chunks. Part of the pool format: two pools whose parameters differ share no
 * chunks. All sizes in bytes; `64 <= minBytes < avgBytes < maxBytes <= 4 MiB`, and `avgBytes` is a power of two.
 */
export interface ChunkerParameters {
  algorithm: 'xgear-1';
  /** No chunk but the last of a stream is shorter. */
  minBytes: number;
  /** Where the cut test loosens; chunks of random bytes average a fifth more. */
  avgBytes: number;
  /** No chunk is longer; runs of one byte are cut here and nowhere else. */
  maxBytes: number;
}

export const DEFAULT_CHUNKER_PARAMETERS: Readonly<ChunkerParameters> = Object.freeze({
  algorithm: 'xgear-1',
  minBytes: 16 * 1024,
  avgBytes: 64 * 1024,
  maxBytes: 512 * 1024,
});

/** The kernel reads 24 bytes back from a cut, in steps of 16: this many stay inside the chunk. */
const SMALLEST_MIN_BYTES = 64;
const LARGEST_MAX_BYTES = 4 * 1024 * 1024;

/**
 * Checks parameters that came from a pool descriptor (or anywhere) and returns a copy with only the known fields.
 *
 * @throws DbupError POOL_FORMAT_UNSUPPORTED for another algorithm, a missing field or a number out of range
 */
export function validateChunkerParameters(value: unknown): ChunkerParameters {
  if (typeof value !== 'object' || value === null) throw unsupported('they are not an object', {});
  const { algorithm, minBytes, avgBytes, maxBytes } = value as Record<string, unknown>;
  if (algorithm !== 'xgear-1') {
    throw unsupported(`the algorithm is ${printable(algorithm)}, known is "xgear-1"`, {
      algorithm: printable(algorithm),
    });
  }
  if (!Number.isSafeInteger(minBytes) || !Number.isSafeInteger(avgBytes) || !Number.isSafeInteger(maxBytes)) {
    throw unsupported('minBytes, avgBytes and maxBytes must be whole numbers', {});
  }
  const parameters = { algorithm, minBytes, avgBytes, maxBytes } as ChunkerParameters;
  const sizes = {
    minBytes: parameters.minBytes,
    avgBytes: parameters.avgBytes,
    maxBytes: parameters.maxBytes,
  };
  if (
    sizes.minBytes < SMALLEST_MIN_BYTES ||
    sizes.avgBytes <= sizes.minBytes ||
    sizes.maxBytes <= sizes.avgBytes ||
    sizes.maxBytes > LARGEST_MAX_BYTES
  ) {
    throw unsupported(
      `${sizes.minBytes}/${sizes.avgBytes}/${sizes.maxBytes} breaks ` +
        `${SMALLEST_MIN_BYTES} <= minBytes < avgBytes < maxBytes <= ${LARGEST_MAX_BYTES}`,
      sizes,
    );
  }
  if (!Number.isInteger(Math.log2(sizes.avgBytes))) {
    throw unsupported(`avgBytes ${sizes.avgBytes} is not a power of two`, sizes);
  }
  return parameters;
}

function unsupported(why: string, details: Record<string, unknown>): DbupError {
  return new DbupError('POOL_FORMAT_UNSUPPORTED', `chunker parameters cannot be used: ${why}`, {
    hint: 'The pool may have been written by a newer dbup: update dbup, or check the pool descriptor.',
    details,
  });
}

function printable(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : typeof value;
}
