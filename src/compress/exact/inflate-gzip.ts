import { LIMITS } from '../../core/limits.js';
import { findGzipHeader, GZIP_TRAILER_BYTES, isGzip } from './gzip-header.js';
import { Inflater } from './inflate/inflater.js';
import { inflateMember, type ReadAt } from './inflate-member.js';

/**
 * The beginning of a file from `position` on that a header and the magic of what follows lie in.
 * @param bytes where it is read to: room for {@link LIMITS.gzipHeaderBytes}
 * @returns a view of it
 */
export async function readHeader(readAt: ReadAt, position: number, bytes: Uint8Array): Promise<Uint8Array> {
  let done = 0;
  while (done < bytes.length) {
    const count = await readAt(bytes.subarray(done), position + done);
    if (count === 0) break;
    done += count;
  }
  return bytes.subarray(0, done);
}

/**
 * The plain bytes of all members of a gzip file, as {@link proveGzip} divides it, each piece valid until the next is asked
 * for. Checksums are not looked at.
 * @param onEnd told where the deflate stream of each member ends, after its last piece, and waited for
 * @throws Error with one of zlib's codes, `Z_...`, when it does not inflate or has more members than a recipe holds; what
 *   `readAt` throws
 */
export async function* inflateGzip(
  readAt: ReadAt,
  onEnd: (endAt: number) => void | Promise<void> = () => {},
): AsyncGenerator<Uint8Array> {
  const inflater = new Inflater();
  const headBytes = new Uint8Array(LIMITS.gzipHeaderBytes);
  for (let at = 0, members = 0; ; members++) {
    const head = await readHeader(readAt, at, headBytes);
    if (at > 0 && !isGzip(head)) return;
    const header = findGzipHeader(head);
    if (header === null) throw cannotInflate('there is no gzip header');
    if (members >= LIMITS.gzipMembers) throw cannotInflate('there are too many gzip members');
    const endAt = yield* inflateMember(readAt, at + header.length, inflater);
    await onEnd(endAt);
    at = endAt + GZIP_TRAILER_BYTES;
  }
}

function cannotInflate(message: string): Error {
  return Object.assign(new Error(message), { code: 'Z_DATA_ERROR' });
}
