/**
 * Tars built by hand, byte by byte, with no tar library: what they hold is what is written here, also where
 * it is wrong. Everything is deterministic.
 */
export interface TarHeaderOptions {
  /** One character, `'0'` by default. */
  type?: string;
  linkName?: string;
  mode?: number;
  mtime?: number | Uint8Array;
  /** In place of the octal field `sizeBytes` gives: exactly these bytes (12 at most). */
  sizeField?: Uint8Array;
  /** `ustar\0` + `00`, `ustar ` + ` \0`, or nothing. `ustar` by default. */
  format?: 'ustar' | 'gnu' | 'v7';
  prefix?: string;
  checksum?: 'unsigned' | 'signed' | 'bad';
  /** Bytes set last, before the checksum: position and what goes there. */
  patches?: [at: number, bytes: Uint8Array][];
}

export interface TarFileOptions extends TarHeaderOptions {
  /** The byte the padding is made of, 0 by default. */
  paddingByte?: number;
}

export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function concatBytes(parts: Iterable<Uint8Array>): Uint8Array {
  return new Uint8Array(Buffer.concat([...parts]));
}

/** A generator of numbers in [0, 1), the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** `length` bytes that look like nothing: no run of them occurs anywhere else. */
export function noise(seed: number, length: number): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => Math.floor(random() * 256));
}

export function octal(value: number, digits: number): Uint8Array {
  return ascii(`${value.toString(8).padStart(digits, '0')}\0`);
}

/** A 12-byte base-256 field: two's complement, the top bit set as the mark. */
export function base256(value: bigint): Uint8Array {
  const field = new Uint8Array(12);
  for (let at = 11, rest = value; at >= 0; at--, rest >>= 8n) field[at] = Number(rest & 0xffn);
  field[0] = field[0]! | 0x80;
  return field;
}

/** One header block. `name` may hold any bytes; what exceeds a field is cut. */
export function tarHeader(
  name: string | Uint8Array,
  sizeBytes: number,
  options: TarHeaderOptions = {},
): Uint8Array {
  const block = new Uint8Array(512);
  const put = (at: number, length: number, bytes: Uint8Array) => block.set(bytes.subarray(0, length), at);
  const { mtime = 0, format = 'ustar' } = options;
  put(0, 100, typeof name === 'string' ? ascii(name) : name);
  put(100, 8, octal(options.mode ?? 0o644, 7));
  put(108, 8, octal(0, 7));
  put(116, 8, octal(0, 7));
  put(124, 12, options.sizeField ?? octal(sizeBytes, 11));
  put(136, 12, typeof mtime === 'number' ? octal(mtime, 11) : mtime);
  block[156] = (options.type ?? '0').charCodeAt(0);
  put(157, 100, ascii(options.linkName ?? ''));
  if (format !== 'v7') put(257, 8, ascii(format === 'ustar' ? 'ustar\x0000' : 'ustar  \0'));
  put(345, 155, ascii(options.prefix ?? ''));
  for (const [at, bytes] of options.patches ?? []) put(at, 512 - at, bytes);
  setChecksum(block, 0, options.checksum);
  return block;
}

/** Makes the block at `offset` a header again (or, with `bad`, surely none) after its bytes were changed. */
export function setChecksum(
  bytes: Uint8Array,
  offset: number,
  kind: 'unsigned' | 'signed' | 'bad' = 'unsigned',
): void {
  bytes.fill(0x20, offset + 148, offset + 156);
  let sum = kind === 'bad' ? 1 : 0;
  for (let at = offset; at < offset + 512; at++) {
    sum += kind === 'signed' ? (bytes[at]! << 24) >> 24 : bytes[at]!;
  }
  bytes.set(ascii(`${Math.max(sum, 0).toString(8).padStart(6, '0')}\0 `), offset + 148);
}

export function tarPadding(sizeBytes: number, paddingByte = 0): Uint8Array {
  return new Uint8Array((512 - (sizeBytes % 512)) % 512).fill(paddingByte);
}

/** A header, the content and its padding. */
export function tarFile(
  name: string | Uint8Array,
  bytes: Uint8Array,
  options: TarFileOptions = {},
): Uint8Array {
  return concatBytes([
    tarHeader(name, bytes.length, options),
    bytes,
    tarPadding(bytes.length, options.paddingByte),
  ]);
}

export function tarDirectory(name: string, options: TarHeaderOptions = {}): Uint8Array {
  return tarHeader(name, 0, { mode: 0o755, ...options, type: '5' });
}

export function tarLink(
  name: string,
  linkName: string,
  type: '1' | '2' = '2',
  options: TarHeaderOptions = {},
): Uint8Array {
  return tarHeader(name, 0, { ...options, type, linkName });
}

/** The end marker: two zero blocks, or as many as asked for. */
export function tarEnd(blocks = 2): Uint8Array {
  return new Uint8Array(512 * blocks);
}

/** A GNU long name (`L`) or long link name (`K`), which belongs before its member. */
export function gnuLong(type: 'L' | 'K', name: string): Uint8Array {
  return tarFile('././@LongLink', ascii(`${name}\0`), { type, format: 'gnu' });
}

/** PAX records, each with its length in front. */
export function paxBody(records: Iterable<readonly [key: string, value: string]>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [key, value] of records) {
    const rest = ascii(` ${key}=${value}\n`);
    let length = rest.length + 1;
    while (rest.length + String(length).length > length) length++;
    parts.push(ascii(String(length)), rest);
  }
  return concatBytes(parts);
}

/** A PAX extended header, which belongs before its member; with type `g` a global one. */
export function paxHeader(
  records: Iterable<readonly [key: string, value: string]>,
  type: 'x' | 'g' | 'X' = 'x',
): Uint8Array {
  return tarFile('PaxHeaders/0', paxBody(records), { type });
}

/** An old GNU sparse file: header, as many extension blocks as asked for, and what is stored of it. */
export function gnuSparseFile(
  name: string,
  stored: Uint8Array,
  extensionBlocks: number,
  options: TarFileOptions = {},
): Uint8Array {
  // A map of one region per block, and an end region, is enough to be read by GNU tar.
  const regions = 1 + extensionBlocks;
  const region = (index: number): Uint8Array => {
    const start = index * 65_536;
    const size = index < regions - 1 ? 512 : stored.length - 512 * (regions - 1);
    return concatBytes([octal(start, 11), octal(size, 11)]);
  };
  const realSize = (regions - 1) * 65_536 + stored.length - 512 * (regions - 1);
  const header = tarHeader(name, stored.length, {
    ...options,
    type: 'S',
    format: 'gnu',
    patches: [
      [386, region(0)],
      [482, Uint8Array.of(extensionBlocks > 0 ? 1 : 0)],
      [483, octal(realSize, 11)],
    ],
  });
  const extensions = Array.from({ length: extensionBlocks }, (_, index) => {
    const block = new Uint8Array(512);
    block.set(region(index + 1), 0);
    block[504] = index + 1 < extensionBlocks ? 1 : 0;
    return block;
  });
  return concatBytes([header, ...extensions, stored, tarPadding(stored.length, options.paddingByte)]);
}

/** A well-formed tar of files, directories, links and long names, the same for the same seed. */
export function randomTar(seed: number, options: { members: number; maxFileBytes: number }): Uint8Array {
  const random = seededRandom(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const parts: Uint8Array[] = [];
  for (let index = 0; index < options.members; index++) {
    const name = `tree/${below(5)}/member-${index}`;
    switch (below(10)) {
      case 0:
        parts.push(tarDirectory(`${name}/`));
        break;
      case 1:
        parts.push(tarLink(name, `../${below(9)}`, below(2) === 0 ? '1' : '2'));
        break;
      case 2: {
        const longName = `${name}/${'long'.repeat(20 + below(60))}`;
        parts.push(
          gnuLong('L', longName),
          tarFile(longName, noise(below(2 ** 31), below(2000)), { format: 'gnu' }),
        );
        break;
      }
      case 3:
        parts.push(
          paxHeader([
            ['mtime', '1.5'],
            ['path', `${name}-ü`],
          ]),
          tarFile(name, noise(below(2 ** 31), below(2000))),
        );
        break;
      default:
        parts.push(tarFile(name, noise(below(2 ** 31), below(options.maxFileBytes + 1))));
    }
  }
  return concatBytes([...parts, tarEnd()]);
}
