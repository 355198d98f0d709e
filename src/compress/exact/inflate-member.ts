import { createInflateRaw } from 'node:zlib';

const INPUT_BYTES = 64 * 1024;
const OUTPUT_BYTES = 256 * 1024;

/** Reads at a position of a compressed file; 0 at its end. */
export type ReadAt = (into: Uint8Array, position: number) => number | Promise<number>;

/**
 * The plain bytes of one raw deflate stream that begins at `start`, a piece at a time; memory is bounded whatever comes
 * out. Pieces are the caller's.
 * @returns where the stream ends
 * @throws Error of zlib when it is damaged or cut off; what `readAt` throws
 */
export async function* inflateMember(readAt: ReadAt, start: number): AsyncGenerator<Uint8Array, number> {
  const inflater = createInflateRaw({ chunkSize: OUTPUT_BYTES });
  feed(inflater, readAt, start).catch((error: Error) => inflater.destroy(error));
  try {
    for await (const piece of inflater) yield piece as Uint8Array;
  } finally {
    inflater.destroy();
  }
  return start + inflater.bytesWritten;
}

/** What comes after the stream is not taken: the last write is then never answered, and this ends with the inflater. */
async function feed(
  inflater: ReturnType<typeof createInflateRaw>,
  readAt: ReadAt,
  start: number,
): Promise<void> {
  const buffer = new Uint8Array(INPUT_BYTES);
  for (let position = start; !inflater.destroyed; ) {
    const count = await readAt(buffer, position);
    if (count === 0) {
      inflater.end();
      return;
    }
    position += count;
    await new Promise<void>((resolve) => {
      inflater.write(buffer.subarray(0, count), () => resolve());
    });
  }
}
