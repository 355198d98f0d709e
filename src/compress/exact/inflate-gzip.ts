import { LIMITS } from '../../core/limits.js';
import { findGzipHeader, GZIP_TRAILER_BYTES, isGzip } from './gzip-header.js';
import { Inflater } from './inflate/inflater.js';
import { inflateMember, type ReadAt } from './inflate-member.js';

/** The beginning of a file from `position` on that a header and the magic of what follows lie in. */
export async function readHeader(readAt: ReadAt, position: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(LIMITS.gzipHeaderBytes);
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
 * @param onEnd told where the deflate stream of each member ends, after its last piece
 * @throws Error with one of zlib's codes, `Z_...`, when it does not inflate; what `readAt` throws
 */
export async function* inflateGzip(
  readAt: ReadAt,
  onEnd: (endAt: number) => void = () => {},
): AsyncGenerator<Uint8Array> {
  const inflater = new Inflater();
  for (let at = 0; ; ) {
    const head = await readHeader(readAt, at);
    if (at > 0 && !isGzip(head)) return;
    const header = findGzipHeader(head);
    if (header === null) throw Object.assign(new Error('there is no gzip header'), { code: 'Z_DATA_ERROR' });
    const endAt = yield* inflateMember(readAt, at + header.length, inflater);
    onEnd(endAt);
    at = endAt + GZIP_TRAILER_BYTES;
  }
}
