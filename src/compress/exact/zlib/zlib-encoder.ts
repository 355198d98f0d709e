import { type ChromiumHash, UnknownEncoderError } from '../../../format/encoder-spec.js';
import type { DeflateEncoder } from '../deflate-encoder.js';
import { createKernelEncoder } from '../kernel-encoder.js';
import { instantiateKernel, type KernelSet } from '../kernel-set.js';
import { createResumableEncoder, type ResumableEncoder, type StateKernel } from '../resumable-encoder.js';
import { ZLIB_DEFLATE_WASM_BASE64 } from './kernels/zlib-deflate-wasm.generated.js';

/** A level of zlib, gzip or pigz that compresses. Their default is 6. */
export type ZlibLevel = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9;

/** zlib or GNU gzip. Levels 4 to 9 have states. */
export type ZlibEncoder = ResumableEncoder;

/** What zlib's deflateInit2 is given; the window is 32 KiB and the strategy the default one. */
export interface ZlibParameters {
  readonly level: ZlibLevel;
  /** 8 is zlib's default and what nearly all who use it have; 9 makes blocks of up to 32,767 tokens. */
  readonly memLevel: 8 | 9;
}

/** How {@link ZlibKernel.flushAs} ends what was written so far. */
export const ZLIB_FLUSH_KINDS = { sync: 0, pigz: 1, pigzIndependent: 2 } as const;

/** The kernel behind zlib, GNU gzip and pigz. */
export interface ZlibKernel extends StateKernel {
  configure(level: number, memLevel: number, isGnu: boolean, hashKind: number): void;
  flushAs(kind: number): number;
}

let compiledModule: WebAssembly.Module | undefined;

/** A kernel that is ready for a stream, with 2 MiB of memory of its own, or with that of a set. */
export function createZlibKernel(
  { level, memLevel }: ZlibParameters,
  { isGnu = false, hashKind = 0 } = {},
  kernels?: KernelSet,
): ZlibKernel {
  if (!Number.isInteger(level) || level < 1 || level > 9)
    throw new UnknownEncoderError(`there is no level ${level}`);
  if (memLevel !== 8 && memLevel !== 9) throw new UnknownEncoderError(`memLevel ${memLevel} is not known`);
  compiledModule ??= new WebAssembly.Module(Buffer.from(ZLIB_DEFLATE_WASM_BASE64, 'base64'));
  const kernel =
    kernels?.instanceOf<ZlibKernel>(compiledModule) ?? instantiateKernel<ZlibKernel>(compiledModule);
  kernel.configure(level, memLevel, isGnu, hashKind);
  kernel.reset(0);
  return kernel;
}

/**
 * zlib as all its versions from 1.2.6 on make it; without flushes and dictionaries, those from 1.1.4 on.
 *
 * @throws UnknownEncoderError when there is no such level or memLevel
 */
export function createZlibEncoder(parameters: ZlibParameters, kernels?: KernelSet): ZlibEncoder {
  return createResumableEncoder(createZlibKernel(parameters, {}, kernels));
}

/**
 * GNU gzip without the gzip header and trailer: zlib's search with blocks of other lengths, and its own ways near the
 * end of the input. It has no `flush`.
 *
 * @throws UnknownEncoderError when there is no such level; RangeError by `flush`, and by `reset` with a dictionary
 */
export function createGnuGzipEncoder(
  { level }: { readonly level: ZlibLevel },
  kernels?: KernelSet,
): ZlibEncoder {
  return withoutFlush(
    createResumableEncoder(createZlibKernel({ level, memLevel: 8 }, { isGnu: true }, kernels)),
    'GNU gzip',
  );
}

/** `crc` has 15 bits whatever the memLevel. */
const CHROMIUM_HASH_KINDS = { crc: 1, product: 2, crc16: 3 } as const;

/**
 * Chromium's zlib, which Node has: the search is zlib's, but which strings share a chain and thus count against its length is
 * not. `crc` is what it made on processors with an instruction for CRC-32C (x86-64 with SSE 4.2, arm64), `crc16` the
 * same for a while with 16 bits at memLevel 9, `product` what it makes everywhere since. It has no `flush`.
 *
 * @throws UnknownEncoderError when there is no such level or memLevel; RangeError by `flush`, and by `reset` with a dictionary
 */
export function createChromiumEncoder(
  parameters: ZlibParameters & { hash: ChromiumHash },
  kernels?: KernelSet,
): DeflateEncoder {
  const hashKind = CHROMIUM_HASH_KINDS[parameters.hash];
  return withoutFlush(
    createKernelEncoder(createZlibKernel(parameters, { hashKind }, kernels)),
    "Chromium's zlib",
  );
}

/** For originals whose flushes and dictionaries nobody uses. */
function withoutFlush<Encoder extends DeflateEncoder>(encoder: Encoder, name: string): Encoder {
  return {
    ...encoder,
    flush() {
      throw new RangeError(`${name} does not flush`);
    },
    reset(dictionary?: Uint8Array) {
      if (dictionary && dictionary.length > 0) throw new RangeError(`${name} takes no dictionary`);
      encoder.reset();
    },
  };
}
