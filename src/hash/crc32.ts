import zlib from 'node:zlib';

const SLICES = 8;
const REVERSED_POLYNOMIAL = 0xedb88320;

let tables: Int32Array | undefined;

/**
 * The CRC-32 of gzip (RFC 1952, section 8) of bytes that follow those with the checksum `before`.
 *
 * @returns an unsigned number
 */
export const crc32: (bytes: Uint8Array, before?: number) => number = nodesOwn() ?? crc32ByTables;

/** Node has it since 20.15 and 22.2, with the processor's instructions for it. */
function nodesOwn(): typeof crc32 | undefined {
  return (zlib as { crc32?: typeof crc32 }).crc32;
}

/** The same by tables, of which the n-th says what a byte does to the checksum n bytes later: eight bytes are taken at a time (Kounavis and Berry, 2005). */
export function crc32ByTables(bytes: Uint8Array, before = 0): number {
  tables ??= makeTables();
  let crc = ~before;
  let at = 0;
  for (const end = bytes.length - (SLICES - 1); at < end; at += SLICES) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      tables[1792 + (low & 255)]! ^
      tables[1536 + ((low >>> 8) & 255)]! ^
      tables[1280 + ((low >>> 16) & 255)]! ^
      tables[1024 + (low >>> 24)]! ^
      tables[768 + bytes[at + 4]!]! ^
      tables[512 + bytes[at + 5]!]! ^
      tables[256 + bytes[at + 6]!]! ^
      tables[bytes[at + 7]!]!;
  }
  for (; at < bytes.length; at++) crc = tables[(crc ^ bytes[at]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

function makeTables(): Int32Array {
  const tables = new Int32Array(256 * SLICES);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ REVERSED_POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256]!;
    tables[at] = tables[before & 255]! ^ (before >>> 8);
  }
  return tables;
}
