import type { CompressedFile } from './byte-comparer.js';
import { Inflater } from './inflate/inflater.js';

/** Reads at a position of a compressed file; 0 at its end. */
export type ReadAt = (into: Uint8Array, position: number) => number | Promise<number>;

/**
 * The plain bytes of one raw deflate stream that begins at `start`, a piece at a time, each valid until the next is asked
 * for. Memory is bounded whatever comes out.
 * @returns where the stream ends
 * @throws Error with one of zlib's codes, `Z_...`, when it is damaged or cut off; what `readAt` throws
 */
export async function* inflateMember(
  readAt: ReadAt,
  start: number,
  inflater = new Inflater(),
): AsyncGenerator<Uint8Array, number> {
  inflater.reset();
  for (let position = start; !inflater.hasEnded; ) {
    const piece = inflater.next();
    if (piece) {
      yield piece;
      continue;
    }
    if (inflater.hasEnded) break;
    const room = inflater.inputRoom();
    const count = await readAt(room, position);
    position += count;
    inflater.supply(count);
  }
  return start + inflater.takenBytes;
}

/**
 * The same of a file that never makes its reader wait.
 * @param inflater used until the generator has ended
 */
export function* inflateMemberNow(
  file: CompressedFile,
  start: number,
  inflater: Inflater,
): Generator<Uint8Array, number> {
  inflater.reset();
  for (let position = start; !inflater.hasEnded; ) {
    const piece = inflater.next();
    if (piece) {
      yield piece;
      continue;
    }
    if (inflater.hasEnded) break;
    const count = file.read(inflater.inputRoom(), position);
    position += count;
    inflater.supply(count);
  }
  return start + inflater.takenBytes;
}
