import { type EncoderSpec, PIGZ_FLAGS, UnknownEncoderError } from '../../format/encoder-spec.js';
import type { DeflateEncoder } from './deflate-encoder.js';
import { DoesNotFitError } from './does-not-fit-error.js';
import { createGoEncoder, type GoLevel } from './go/go-encoder.js';
import type { KernelSet } from './kernel-set.js';
import { createKlauspostEncoder, type KlauspostLevel } from './klauspost/klauspost-encoder.js';
import { createPgzipEncoder } from './pgzip/pgzip-encoder.js';
import { createPigzEncoder } from './pigz/pigz-encoder.js';
import {
  createChromiumEncoder,
  createGnuGzipEncoder,
  createZlibEncoder,
  type ZlibLevel,
} from './zlib/zlib-encoder.js';

const ALL_PIGZ_FLAGS = PIGZ_FLAGS.independent | PIGZ_FLAGS.single | PIGZ_FLAGS.syncMarkers;

/**
 * The encoder that a recipe names, ready for a stream, with a few MiB of memory of its own or with that of a set.
 *
 * @throws UnknownEncoderError when there is none with these parameters; DoesNotFitError for one that wants more than them
 */
export function createEncoder(spec: EncoderSpec, kernels?: KernelSet): DeflateEncoder {
  const { level } = spec;
  const highest = spec.family === 'go' ? 10 : 9;
  if (level > highest || (level < 1 && spec.family !== 'go'))
    throw new UnknownEncoderError(`no level ${level}`);
  switch (spec.family) {
    case 'go':
      return createGoEncoder({ level: (level === 10 ? -2 : level) as GoLevel }, kernels);
    case 'klauspost':
      return createKlauspostEncoder({ level: level as KlauspostLevel, variant: spec.variant }, kernels);
    case 'pgzip': {
      const { variant, blockBytes } = spec;
      return createPgzipEncoder({ level: level as KlauspostLevel, variant, blockBytes }, kernels);
    }
    case 'zlib':
      return createZlibEncoder({ level: level as ZlibLevel, memLevel: spec.memLevel as 8 | 9 }, kernels);
    case 'gnu':
      return createGnuGzipEncoder({ level: level as ZlibLevel }, kernels);
    case 'pigz':
      return createPigz(spec, kernels);
    case 'corrected':
      throw new DoesNotFitError('a corrected stream wants its corrections');
    case 'chromium': {
      const { hash, memLevel } = spec;
      return createChromiumEncoder({ level: level as ZlibLevel, memLevel: memLevel as 8 | 9, hash }, kernels);
    }
  }
}

function createPigz(
  { level, blockBytes, flags }: EncoderSpec & { family: 'pigz' },
  kernels?: KernelSet,
): DeflateEncoder {
  if ((flags & ~ALL_PIGZ_FLAGS) !== 0) throw new UnknownEncoderError(`pigz has no flags ${flags}`);
  const parameters = {
    level: level as ZlibLevel,
    blockBytes,
    isIndependent: (flags & PIGZ_FLAGS.independent) !== 0,
    isSingle: (flags & PIGZ_FLAGS.single) !== 0,
    hasSyncMarkers: (flags & PIGZ_FLAGS.syncMarkers) !== 0,
  };
  return createPigzEncoder(parameters, kernels);
}
