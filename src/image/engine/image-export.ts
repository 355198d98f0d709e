import { DbupError } from '../../core/errors.js';
import { type EngineConnection, wordsOf } from './engine-connection.js';
import { errorOf } from './load-answer.js';
import { printable } from './printable.js';

const TAR_BLOCK_BYTES = 512;
const TAIL_BYTES = 4096;

/**
 * Streams `GET /images/get`: the archive of the named images as the engine writes it. Each chunk belongs to
 * the consumer. Leaving the loop early closes the connection. The stream ends without an error only when the
 * engine ended it properly and it is a whole number of tar blocks.
 *
 * @throws DbupError `ENGINE_IMAGE_NOT_FOUND`, `ENGINE_ERROR` (refused, stopped in the middle, failed after
 *   it had begun), `INTERRUPTED`, what `connectionError` returns.
 */
export async function* exportImages(
  connection: EngineConnection,
  path: string,
  names: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const what = `the export of ${names.join(', ')}`;
  const response = await connection.openStream(path, signal);
  try {
    if (response.statusCode !== 200) {
      throw refusal(connection, what, response.statusCode ?? 0, await connection.readText(response, signal));
    }
    let sizeBytes = 0;
    let tail: Buffer = Buffer.alloc(0);
    const pieces = (response as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
    for (;;) {
      let next: IteratorResult<Buffer>;
      try {
        next = await pieces.next();
      } catch (error) {
        throw connection.readError(error, signal, what);
      }
      if (next.done === true) break;
      sizeBytes += next.value.length;
      tail = lastBytes(tail, next.value);
      yield next.value;
    }
    checkWholeArchive(connection, what, sizeBytes, tail);
  } finally {
    response.destroy();
  }
}

function lastBytes(tail: Buffer, piece: Buffer): Buffer {
  // Copied, because the piece is the consumer's from now on.
  const end = piece.subarray(-TAIL_BYTES);
  return Buffer.concat([tail.subarray(Math.max(0, tail.length + end.length - TAIL_BYTES)), end]);
}

/** docker appends its error as JSON to an archive it has begun to send, and then ends the stream properly. */
function checkWholeArchive(
  connection: EngineConnection,
  what: string,
  sizeBytes: number,
  tail: Buffer,
): void {
  if (sizeBytes > 0 && sizeBytes % TAR_BLOCK_BYTES === 0) return;
  const text = tail.toString('utf8');
  const start = text.lastIndexOf('{"errorDetail"');
  const said = start === -1 ? null : errorText(text.slice(start));
  throw new DbupError(
    'ENGINE_ERROR',
    `${connection.name} stopped in the middle of ${what}: ${said ?? `after ${sizeBytes} bytes, which is no whole archive`}`,
    { hint: 'Look at the log and the free disk space of the engine, then run the same command again.' },
  );
}

function errorText(json: string): string | null {
  try {
    const words = errorOf(JSON.parse(json) as Record<string, unknown>);
    return words === null ? null : printable(words);
  } catch {
    return null;
  }
}

function refusal(connection: EngineConnection, what: string, status: number, text: string): DbupError {
  let value: unknown = { message: text };
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: the text itself is the reason.
  }
  const said = wordsOf(value) ?? '';
  // podman answers 500, not 404, for an image it does not have.
  if (status === 404 || /image not known|no such image/i.test(said)) {
    return new DbupError('ENGINE_IMAGE_NOT_FOUND', `${connection.name} refused ${what}: ${said}`, {
      hint: 'List its images with `docker images` or `podman images`.',
    });
  }
  return connection.statusError(`asked for ${what}`, { status, value });
}
