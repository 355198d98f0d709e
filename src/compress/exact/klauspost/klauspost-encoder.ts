import {
  KLAUSPOST_VARIANTS,
  type KlauspostVariant,
  UnknownEncoderError,
} from '../../../format/encoder-spec.js';
import type { DeflateEncoder } from '../deflate-encoder.js';
import { createKernelEncoder, type EncoderKernel } from '../kernel-encoder.js';
import { instantiateKernel, type KernelSet } from '../kernel-set.js';
import { KLAUSPOST_FLATE_WASM_BASE64 } from './kernels/klauspost-flate-wasm.generated.js';

/**
 * As the original counts them. Its default, -1, is 5; that of Go's `compress/flate` from Go 1.27 on, which is the same
 * code otherwise, is 6.
 */
export type KlauspostLevel = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** Which encoder it is. */
export interface KlauspostParameters {
  readonly level: KlauspostLevel;
  readonly variant: KlauspostVariant;
}

/** Every variant changed something for every level, but for these. The first releases' levels 3 and 7 to 9 are left out. */
const UNCHANGED: Readonly<Record<KlauspostLevel, readonly KlauspostVariant[]>> = {
  1: ['1.15.10', '1.15.15', '1.18.0', '1.20.3', 'go1.27'],
  2: ['1.15.10', '1.15.15', '1.18.0', '1.20.3', 'go1.27'],
  3: ['1.14.0', '1.14.2', '1.15.10', '1.15.15', '1.18.0', '1.20.3', 'go1.27'],
  4: ['1.15.10', '1.15.11', '1.15.15', '1.20.3', 'go1.27'],
  5: ['1.15.11', '1.15.15', '1.18.0', '1.20.3', 'go1.27'],
  6: ['1.15.11', '1.15.15', '1.18.0', '1.20.3', 'go1.27'],
  7: ['1.14.0', '1.15.0', '1.15.10', '1.15.11', '1.18.0', 'go1.27'],
  8: ['1.14.0', '1.15.0', '1.15.10', '1.15.11', '1.18.0', 'go1.27'],
  9: ['1.14.0', '1.15.0', '1.15.10', '1.15.11', '1.18.0'],
};

/** The variants whose output at this level differs from each other's, the newest first. */
export function klauspostVariants(level: KlauspostLevel): KlauspostVariant[] {
  return KLAUSPOST_VARIANTS.filter((variant) => !UNCHANGED[level].includes(variant)).reverse();
}

interface KlauspostKernel extends EncoderKernel {
  configure(level: number, generation: number): void;
}

let compiledModule: WebAssembly.Module | undefined;

/**
 * The encoder of package flate of github.com/klauspost/compress, with 2.5 MiB of memory of its own, or with that of a set.
 *
 * @throws UnknownEncoderError when this level of that variant is not one of {@link klauspostVariants}
 */
export function createKlauspostEncoder(
  { level, variant }: KlauspostParameters,
  kernels?: KernelSet,
): DeflateEncoder {
  if (!klauspostVariants(level).includes(variant)) {
    throw new UnknownEncoderError(`klauspost level ${level} has no variant ${variant}`);
  }
  compiledModule ??= new WebAssembly.Module(Buffer.from(KLAUSPOST_FLATE_WASM_BASE64, 'base64'));
  const kernel =
    kernels?.instanceOf<KlauspostKernel>(compiledModule) ??
    instantiateKernel<KlauspostKernel>(compiledModule);
  kernel.configure(level, KLAUSPOST_VARIANTS.indexOf(variant));
  return createKernelEncoder(kernel);
}
