import { createDebScan } from './nested-deb.js';
import { createGzipScan } from './nested-gzip.js';
import { createZipScan } from './nested-zip.js';
import type { NestedScan } from './scan-piece.js';

/** As much of a file's beginning as {@link createNestedScan} looks at. */
export const NESTED_HEAD_BYTES = 72;

/** A scan for a file that begins so; null when it is none that holds deflate streams. */
export function createNestedScan(head: Uint8Array, sizeBytes: number): NestedScan | null {
  return createZipScan(head) ?? createGzipScan(head, sizeBytes) ?? createDebScan(head);
}
