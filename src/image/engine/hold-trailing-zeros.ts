const ZEROS = new Uint8Array(64 * 1024);

/**
 * Passes a stream through, but keeps each run of zero bytes back until a non-zero byte follows or the source
 * has ended well. A tar ends with zero blocks, so a reader cannot see a complete archive before the source
 * has finished without an error: what the source finds wrong at its very end still comes in time.
 * Only the length of the run is kept. The pieces belong to the consumer until it asks for the next.
 */
export async function* holdTrailingZeros(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let heldBytes = 0;
  for await (const chunk of source) {
    const contentEnd = endOfContent(chunk);
    if (contentEnd > 0) {
      yield* zeros(heldBytes);
      heldBytes = 0;
      yield chunk.subarray(0, contentEnd);
    }
    heldBytes += chunk.length - contentEnd;
  }
  yield* zeros(heldBytes);
}

function endOfContent(chunk: Uint8Array): number {
  let end = chunk.length;
  while (end > 0 && chunk[end - 1] === 0) end--;
  return end;
}

function* zeros(count: number): Generator<Uint8Array> {
  for (let left = count; left > 0; left -= ZEROS.length)
    yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}
