import { createEncoder } from '../../src/compress/exact/encoder-registry.js';
import type { EncoderSpec } from '../../src/format/encoder-spec.js';
import { crc32 } from '../../src/hash/crc32.js';
import { collectBytes } from './deflate-vectors.js';
import { ascii, concatBytes } from './tar-builder.js';

export const ZLIB_6: EncoderSpec = { family: 'zlib', level: 6, memLevel: 8 };

/** One deflate stream, as an encoder makes it. */
export function deflateBy(spec: EncoderSpec, plain: Uint8Array): Uint8Array {
  const bytes = collectBytes((emit) => {
    const encoder = createEncoder(spec);
    encoder.write(plain, emit);
    encoder.finish(emit);
  });
  return new Uint8Array(bytes);
}

export interface ZipEntry {
  name: string;
  plain: Uint8Array;
  /** Its deflate stream; without one it is stored. */
  deflate?: Uint8Array;
  /** Sizes follow the data, as Java writes them. */
  hasDescriptor?: boolean;
}

export function deflated(name: string, plain: Uint8Array, options: Partial<ZipEntry> = {}): ZipEntry {
  return { name, plain, deflate: deflateBy(ZLIB_6, plain), ...options };
}

/** A ZIP archive, byte by byte (PKWARE's APPNOTE). @param time of all entries: what a new build changes */
export function zipOf(entries: readonly ZipEntry[], time = 0x5a8f21): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, plain, deflate, hasDescriptor = false } of entries) {
    const data = deflate ?? plain;
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(hasDescriptor ? 8 : 0, 2);
    common.writeUInt16LE(deflate ? 8 : 0, 4);
    common.writeUInt32LE(time, 6);
    const sizes = Buffer.alloc(12);
    sizes.writeUInt32LE(crc32(plain, 0), 0);
    sizes.writeUInt32LE(data.length, 4);
    sizes.writeUInt32LE(plain.length, 8);
    common.writeUInt16LE(name.length, 22);
    const inDirectory = Buffer.from(common);
    sizes.copy(inDirectory, 10);
    if (!hasDescriptor) sizes.copy(common, 10);
    const local = concatBytes([ascii('PK\x03\x04'), common, ascii(name), data]);
    const descriptor = hasDescriptor ? concatBytes([ascii('PK\x07\x08'), sizes]) : new Uint8Array(0);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(at, 10);
    directory.push(ascii('PK\x01\x02\x14\x00'), inDirectory, rest, ascii(name));
    parts.push(local, descriptor);
    at += local.length + descriptor.length;
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(concatBytes(directory).length, 8);
  end.writeUInt32LE(at, 12);
  return concatBytes([...parts, ...directory, ascii('PK\x05\x06'), end]);
}

/** A Debian package of these members (deb(5)). */
export function debOf(members: readonly [name: string, bytes: Uint8Array][]): Uint8Array {
  const parts = [ascii('!<arch>\n')];
  for (const [name, bytes] of [['debian-binary', ascii('2.0\n')] as const, ...members]) {
    const header = `${name.padEnd(16)}${'1700000000'.padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}`;
    parts.push(ascii(`${header}${String(bytes.length).padEnd(10)}\`\n`), bytes);
    if (bytes.length % 2 === 1) parts.push(ascii('\n'));
  }
  return concatBytes(parts);
}
