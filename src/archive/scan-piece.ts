/**
 * What the bytes of a file are that holds compressed ones. `frame` are its headers and directories, `contents` what is to be
 * kept as it is; `deflate` are bytes of the deflate stream that was begun, whose end may be guessed wrong.
 */
export type ScanPiece =
  | { kind: 'frame' | 'contents' | 'deflate'; bytes: Uint8Array }
  /** A stream begins: of a file in an archive, or with the header of a gzip file. `sizeBytes` is null if unknown. */
  | { kind: 'begin-deflate'; name: string; sizeBytes: number | null; header: Uint8Array | null }
  | { kind: 'end-deflate' }
  /** A file of the archive begins that is stored as it is. */
  | { kind: 'begin-stored'; name: string; sizeBytes: number };

/**
 * Takes a file apart as it passes. All its bytes come out, in order; views are valid until the next piece is asked for. It
 * believes headers and proves nothing: what it says is a deflate stream has to be tried. Never throws.
 */
export interface NestedScan {
  push(bytes: Uint8Array): Generator<ScanPiece>;
  /** The file has ended. */
  finish(): Generator<ScanPiece>;
}
