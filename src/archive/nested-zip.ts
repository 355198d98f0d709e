import type { NestedScan, ScanPiece } from './scan-piece.js';

/** PKWARE's APPNOTE, sections 4.3.7 (local file header) and 4.3.9 (data descriptor). */
const SIGNATURE = { header: 0x04034b50, descriptor: 0x08074b50, directory: 0x02014b50 } as const;
const SIGNATURE_BYTES = 4;
const HEADER_BYTES = 30;
const DESCRIPTOR_BYTES = 16;
const DESCRIPTOR_MARK = Uint8Array.of(0x50, 0x4b, 0x07, 0x08);
/** From a descriptor's signature to the end of the compressed size in it. */
const MARK_BYTES = 12;
const FLAGS = { encrypted: 1, descriptor: 8 } as const;
const METHOD = { stored: 0, deflate: 8 } as const;
/** Sizes that stand elsewhere, in files of 4 GiB and more. */
const ZIP64 = 0xffffffff;
const MAX_NAME_BYTES = 1024;
/** Archives that are stored in archives; deeper ones are contents. */
const MAX_DEPTH = 3;

/** A scan of a ZIP archive that begins with its first file; null when it is none. */
export function createZipScan(head: Uint8Array, depth = 1): NestedScan | null {
  if (head.length < SIGNATURE_BYTES || depth > MAX_DEPTH) return null;
  return Buffer.from(head).readUInt32LE(0) === SIGNATURE.header ? new ZipScan(depth) : null;
}

type State =
  | { kind: 'signature' }
  | { kind: 'header' }
  /** Name and extra field. */
  | { kind: 'name'; leftBytes: number }
  | { kind: 'descriptor'; leftBytes: number }
  | { kind: 'data'; as: 'contents' | 'deflate' | 'archive'; leftBytes: number }
  /** Until a descriptor says that it is that of the bytes before it. */
  | { kind: 'deflate-of-unknown-size' }
  | { kind: 'rest'; as: 'contents' | 'frame' };

class ZipScan implements NestedScan {
  readonly #depth: number;
  #state: State = { kind: 'signature' };
  /** Of a signature, header, name; or the last bytes of a stream of unknown size. */
  #held: Buffer = Buffer.alloc(0);
  #header: Buffer = Buffer.alloc(0);
  #streamBytes = 0;
  #inner: NestedScan | null = null;

  constructor(depth: number) {
    this.#depth = depth;
  }

  *push(bytes: Uint8Array): Generator<ScanPiece> {
    for (let rest = bytes; rest.length > 0; ) rest = yield* this.#step(rest);
  }

  *finish(): Generator<ScanPiece> {
    const state = this.#state;
    if (this.#inner) yield* this.#inner.finish();
    if (state.kind === 'deflate-of-unknown-size') {
      if (this.#held.length > 0) yield { kind: 'deflate', bytes: this.#held };
      yield { kind: 'end-deflate' };
    } else if (state.kind === 'data' && state.as === 'deflate') yield { kind: 'end-deflate' };
    else if (this.#held.length > 0 && state.kind !== 'name') yield { kind: 'frame', bytes: this.#held };
  }

  /** @returns what it did not take */
  *#step(bytes: Uint8Array): Generator<ScanPiece, Uint8Array> {
    const state = this.#state;
    switch (state.kind) {
      case 'signature':
        if (this.#gather(bytes, SIGNATURE_BYTES)) yield* this.#signature();
        return bytes.subarray(this.#takenBytes);
      case 'header':
        if (this.#gather(bytes, HEADER_BYTES)) yield* this.#endHeader();
        return bytes.subarray(this.#takenBytes);
      case 'name': {
        const piece = bytes.subarray(0, state.leftBytes);
        state.leftBytes -= piece.length;
        this.#gather(piece, MAX_NAME_BYTES);
        yield { kind: 'frame', bytes: piece };
        if (state.leftBytes === 0) yield* this.#beginData();
        return bytes.subarray(piece.length);
      }
      case 'descriptor': {
        const piece = bytes.subarray(0, state.leftBytes);
        state.leftBytes -= piece.length;
        if (state.leftBytes === 0) this.#next();
        yield { kind: 'frame', bytes: piece };
        return bytes.subarray(piece.length);
      }
      case 'data':
        return yield* this.#data(state, bytes);
      case 'deflate-of-unknown-size':
        return yield* this.#search(bytes);
      case 'rest':
        yield { kind: state.as, bytes };
        return bytes.subarray(bytes.length);
    }
  }

  #takenBytes = 0;

  /** Adds to what is held up to `byteCount`. @returns true when so many are there */
  #gather(bytes: Uint8Array, byteCount: number): boolean {
    const piece = bytes.subarray(0, Math.max(0, byteCount - this.#held.length));
    this.#takenBytes = piece.length;
    if (piece.length > 0) this.#held = Buffer.concat([this.#held, piece]);
    return this.#held.length >= byteCount;
  }

  #next(): void {
    this.#held = Buffer.alloc(0);
    this.#state = { kind: 'signature' };
  }

  *#signature(): Generator<ScanPiece> {
    const signature = this.#held.readUInt32LE(0);
    if (signature === SIGNATURE.header) {
      this.#state = { kind: 'header' };
      return;
    }
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    if (signature === SIGNATURE.descriptor) {
      this.#state = { kind: 'descriptor', leftBytes: DESCRIPTOR_BYTES - SIGNATURE_BYTES };
      yield { kind: 'frame', bytes: held };
    } else {
      this.#state = { kind: 'rest', as: signature === SIGNATURE.directory ? 'frame' : 'contents' };
      yield { kind: this.#state.as, bytes: held };
    }
  }

  *#endHeader(): Generator<ScanPiece> {
    const header = this.#held;
    this.#header = header;
    this.#held = Buffer.alloc(0);
    yield { kind: 'frame', bytes: header };
    const leftBytes = header.readUInt16LE(26) + header.readUInt16LE(28);
    if (leftBytes > 0) this.#state = { kind: 'name', leftBytes };
    else yield* this.#beginData();
  }

  *#beginData(): Generator<ScanPiece> {
    const header = this.#header;
    const name = this.#held.toString('utf8', 0, Math.min(this.#held.length, header.readUInt16LE(26)));
    this.#held = Buffer.alloc(0);
    const flags = header.readUInt16LE(6);
    const method = header.readUInt16LE(8);
    const sizeBytes = header.readUInt32LE(18);
    const isDeflate = method === METHOD.deflate && (flags & FLAGS.encrypted) === 0;
    if (sizeBytes === ZIP64) this.#state = { kind: 'rest', as: 'contents' };
    else if (sizeBytes > 0) {
      const as = isDeflate ? 'deflate' : 'contents';
      this.#state = { kind: 'data', as, leftBytes: sizeBytes };
      if (isDeflate) yield { kind: 'begin-deflate', name, sizeBytes, header: null };
      else {
        if (method === METHOD.stored) this.#state.as = 'archive';
        yield { kind: 'begin-stored', name, sizeBytes };
      }
    } else if ((flags & FLAGS.descriptor) === 0) this.#next();
    else if (isDeflate) {
      this.#state = { kind: 'deflate-of-unknown-size' };
      this.#streamBytes = 0;
      yield { kind: 'begin-deflate', name, sizeBytes: null, header: null };
    } else this.#state = { kind: 'rest', as: 'contents' };
  }

  *#data(state: State & { kind: 'data' }, bytes: Uint8Array): Generator<ScanPiece, Uint8Array> {
    let piece = bytes.subarray(0, state.leftBytes);
    const rest = bytes.subarray(piece.length);
    state.leftBytes -= piece.length;
    if (state.as === 'archive' && !this.#inner) {
      // What is stored may be an archive itself, as libraries are in the jar of an application.
      piece = this.#held = Buffer.concat([this.#held, piece]);
      if (piece.length < SIGNATURE_BYTES && state.leftBytes > 0) return rest;
      this.#held = Buffer.alloc(0);
      this.#inner = createZipScan(piece, this.#depth + 1);
      if (!this.#inner) state.as = 'contents';
    }
    if (this.#inner) yield* this.#inner.push(piece);
    else if (state.as === 'deflate') yield { kind: 'deflate', bytes: piece };
    else yield { kind: 'contents', bytes: piece };
    if (state.leftBytes > 0) return rest;
    if (this.#inner) yield* this.#inner.finish();
    this.#inner = null;
    const isDeflate = state.as === 'deflate';
    this.#next();
    if (isDeflate) yield { kind: 'end-deflate' };
    return rest;
  }

  /** Looks for a descriptor whose compressed size is that of the bytes before it. */
  *#search(bytes: Uint8Array): Generator<ScanPiece, Uint8Array> {
    const window =
      this.#held.length > 0
        ? Buffer.concat([this.#held, bytes])
        : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#held = Buffer.alloc(0);
    let end = 0;
    for (;;) {
      const at = window.indexOf(DESCRIPTOR_MARK, end);
      if (at < 0) {
        // Its beginning may be at the end of the window.
        end = Math.max(end, window.length - (DESCRIPTOR_MARK.length - 1));
        break;
      }
      end = at;
      if (at + MARK_BYTES > window.length) break;
      if (window.readUInt32LE(at + 8) === (this.#streamBytes + at) % 2 ** 32) {
        if (at > 0) yield { kind: 'deflate', bytes: window.subarray(0, at) };
        this.#next();
        yield { kind: 'end-deflate' };
        return window.subarray(at);
      }
      end = at + 1;
    }
    end = Math.max(0, Math.min(end, window.length));
    this.#streamBytes += end;
    this.#held = Buffer.from(window.subarray(end));
    if (end > 0) yield { kind: 'deflate', bytes: window.subarray(0, end) };
    return bytes.subarray(bytes.length);
  }
}
