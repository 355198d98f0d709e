import { type OperationContext, throwIfInterrupted } from '../core/context.js';

/** Passes the bytes of a whole task through, telling how many and stopping when interrupted. */
export async function* reporting(
  bytes: AsyncIterable<Uint8Array>,
  task: string,
  subject: string,
  totalBytes: number,
  context: OperationContext,
  counter: { bytes: number } = { bytes: 0 },
): AsyncGenerator<Uint8Array> {
  context.report({ type: 'start', task, subject, totalBytes });
  yield* counting(bytes, task, totalBytes, context, counter);
  context.report({ type: 'end', task });
}

/** The same of a part of a task that has begun; `counter` is that of the whole. */
export async function* counting(
  bytes: AsyncIterable<Uint8Array>,
  task: string,
  totalBytes: number,
  { report, signal }: OperationContext,
  counter: { bytes: number },
): AsyncGenerator<Uint8Array> {
  for await (const piece of bytes) {
    throwIfInterrupted(signal);
    yield piece;
    counter.bytes += piece.length;
    report({ type: 'bytes', task, doneBytes: counter.bytes, totalBytes });
  }
}
