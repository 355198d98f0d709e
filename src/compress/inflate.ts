import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import zstd from 'zstd-napi/binding.js';

// The binding is CommonJS: its members are only found on the default export.
const { DCtx, DParameter, ResetDirective } = zstd;

export type Compression = 'gzip' | 'zstd';

/** Bytes of a stream's beginning that tell how it is compressed. */
export const COMPRESSION_MAGIC_BYTES = 4;

const GZIP_PIECE_BYTES = 256 * 1024;
const ZSTD_PIECE_BYTES = 256 * 1024;
/** Largest window a decoder accepts: 2^27 bytes, what `zstd -d` allows by default. */
const MAX_WINDOW_LOG = 27;
/** Decoding keeps the thread to itself; after so many bytes it lets signals and timers through. */
const ZSTD_TURN_BYTES = 16 * 1024 * 1024;

/** How bytes that begin like `head` ({@link COMPRESSION_MAGIC_BYTES} and more of them) are compressed; null when they are not. */
export function detectCompression(head: Uint8Array): Compression | null {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return 'zstd';
  return null;
}

/**
 * The plain bytes of a compressed stream, of all its gzip members or zstd frames. Memory is bounded by the
 * format's window whatever comes out: nothing more is inflated before the last piece was asked for.
 * Pieces of `source` must stay as they are until the next is asked for. Pieces given out are valid until the
 * next is asked for. Closing the generator closes `source`.
 * @throws Error of the decoder when the stream is damaged or cut off; what `source` throws
 */
export function inflate(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
): AsyncGenerator<Uint8Array> {
  return compression === 'gzip' ? gunzip(source) : unzstd(source);
}

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const inflater = createGunzip({ chunkSize: GZIP_PIECE_BYTES });
  const feeding = pipeline(copies(source), inflater);
  feeding.catch(() => {});
  try {
    for await (const piece of inflater) yield piece as Uint8Array;
  } finally {
    // Bytes after the last gzip member are never taken, so the feeding may only end by this.
    inflater.destroy();
    await feeding.catch(() => {});
  }
}

/** A stream keeps what it is given until it is its turn; the source uses its memory again at once. */
async function* copies(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of source) yield new Uint8Array(piece);
}

/**
 * The decoder that was used last. One may hold a window of 128 MiB, and is only let go of by the garbage collector: a new one for each
 * stream would take several of them.
 */
let idleContext: InstanceType<typeof DCtx> | null = null;

/** Decoded piece by piece into one buffer: the binding's own stream gathers all that one input piece unfolds to. */
async function* unzstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const context = idleContext ?? new DCtx();
  idleContext = null;
  try {
    context.reset(ResetDirective.sessionAndParameters);
    context.setParameter(DParameter.windowLogMax, MAX_WINDOW_LOG);
    yield* decoded(source, context);
  } finally {
    idleContext = context;
  }
}

async function* decoded(
  source: AsyncIterable<Uint8Array>,
  context: InstanceType<typeof DCtx>,
): AsyncGenerator<Uint8Array> {
  const output = new Uint8Array(ZSTD_PIECE_BYTES);
  let inFrame = false;
  let turnBytes = 0;
  for await (const piece of source) {
    let rest = piece;
    // A full output buffer may mean that more waits inside the decoder, also when all input is taken.
    for (let full = false; rest.length > 0 || full; ) {
      const [wanted, produced, consumed] = context.decompressStream(output, rest);
      inFrame = wanted !== 0;
      full = produced === output.length && inFrame;
      rest = rest.subarray(consumed);
      if (produced > 0) yield output.subarray(0, produced);
      turnBytes += produced;
      if (turnBytes < ZSTD_TURN_BYTES) continue;
      turnBytes = 0;
      await setImmediate();
    }
  }
  if (inFrame) throw new Error('the zstd stream is cut off');
}
