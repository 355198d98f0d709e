/**
 * The name of one encoder with its level and variant, such as `go-6`. Frozen: the bytes an id stands for never change,
 * because recipes in pools name it. A different output, of a newer version of the original too, is a new id.
 */
export type EncoderId = string;

/**
 * Takes a piece of a compressed stream, in order. The view is valid during the call only, and must not be written to.
 * What it throws ends the call that emitted; the encoder must then be `reset` before it is used again.
 */
export type EmitBytes = (bytes: Uint8Array) => void;

/**
 * Makes one raw DEFLATE stream (RFC 1951), exactly as one particular original encoder would. The bytes depend on
 * the plain bytes and on where `flush` was called, never on how the plain bytes were divided among `write` calls.
 *
 * An encoder works in constant memory and owns it for good: keep few and `reset` them. It is no more thread-safe than
 * any object; encoders share nothing but compiled code. A `RangeError` is thrown for a call out of order, which is a
 * defect of the caller.
 */
export interface DeflateEncoder {
  /** Takes all of `plain`, which stays the caller's; any number of pieces may be emitted, also none. */
  write(plain: Uint8Array, emit: EmitBytes): void;
  /** Ends the stream: the last block and the alignment to a byte. Only `reset` may follow. */
  finish(emit: EmitBytes): void;
  /** What the original's sync flush does: everything written so far can be decoded from what was emitted so far. */
  flush(emit: EmitBytes): void;
  /**
   * Begins a new stream, whatever state the last one was in. A new encoder needs none.
   *
   * @param dictionary plain bytes the decoder already has, of which the encoder uses as many of the last as the
   *   original would; copied
   */
  reset(dictionary?: Uint8Array): void;
}
