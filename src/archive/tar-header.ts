/** The size of everything in a tar: headers, and what contents are padded to. */
export const TAR_BLOCK_BYTES = 512;

/** Byte positions inside a header block (POSIX.1-1988 ustar; GNU tar's `struct oldgnu_header`). */
const NAME_START = 0;
const NAME_END = 100;
const SIZE_START = 124;
const SIZE_END = 136;
const CHECKSUM_START = 148;
const CHECKSUM_END = 156;
const TYPE_AT = 156;
const LINK_NAME_START = 157;
const LINK_NAME_END = 257;
const MAGIC_AT = 257;
const PREFIX_START = 345;
const PREFIX_END = 500;

const NUL = 0x00;
const SPACE = 0x20;
const DIGIT_0 = 0x30;
const DIGIT_7 = 0x37;
const NOT_UNDERSTOOD = -1;

/** Memory for one block, seen as bytes and as words: a checksum by words takes a quarter of the time. */
export class TarBlock {
  readonly bytes: Uint8Array = new Uint8Array(TAR_BLOCK_BYTES);
  readonly words: Uint32Array = new Uint32Array(this.bytes.buffer);
}

/**
 * True when the block carries its own checksum: the sum of all 512 bytes, those of the checksum field counted
 * as spaces, taken as unsigned or (as some old tars did) as signed bytes, equals the octal number in bytes
 * 148-155. A block of zeros is no header.
 */
export function isTarHeader(block: TarBlock): boolean {
  const { bytes, words } = block;
  const expected = parseOctal(bytes, CHECKSUM_START, CHECKSUM_END, NOT_UNDERSTOOD);
  if (expected === NOT_UNDERSTOOD) return false;
  // Two lanes of 16 bits in each sum: 128 words of at most 255 a lane stay below 2^15.
  let evenSums = 0;
  let oddSums = 0;
  for (let index = 0; index < TAR_BLOCK_BYTES / 4; index++) {
    const word = words[index]!;
    evenSums = (evenSums + (word & 0x00ff00ff)) | 0;
    oddSums = (oddSums + ((word >>> 8) & 0x00ff00ff)) | 0;
  }
  let sum = (evenSums & 0xffff) + (evenSums >>> 16) + (oddSums & 0xffff) + (oddSums >>> 16);
  for (let at = CHECKSUM_START; at < CHECKSUM_END; at++) sum += SPACE - bytes[at]!;
  if (sum === expected) return true;
  // A signed sum is the unsigned one less 256 for each high byte: few blocks get this far.
  if (expected > sum || (sum - expected) % 256 !== 0) return false;
  let highBytes = 0;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) highBytes += bytes[at]! >>> 7;
  for (let at = CHECKSUM_START; at < CHECKSUM_END; at++) highBytes -= bytes[at]! >>> 7;
  return sum - 256 * highBytes === expected;
}

/**
 * The size field of a header, in bytes, or -1 when it is not understood.
 * Octal (see {@link parseOctal}; a blank field is 0) or, when the first byte has its top bit set, base-256:
 * a big-endian two's complement number in the other 95 bits. Negative ones and those above 2^53-1 are -1.
 */
export function tarSizeField(header: Uint8Array): number {
  const first = header[SIZE_START]!;
  if (first < 0x80) return parseOctal(header, SIZE_START, SIZE_END, 0);
  if (first >= 0xc0) return NOT_UNDERSTOOD;
  let value = first & 0x3f;
  for (let at = SIZE_START + 1; at < SIZE_END; at++) {
    value = value * 256 + header[at]!;
    if (value > Number.MAX_SAFE_INTEGER) return NOT_UNDERSTOOD;
  }
  return value;
}

/** The type flag of a header, as a byte. */
export function tarTypeField(header: Uint8Array): number {
  return header[TYPE_AT]!;
}

/** The member name of a header, with the prefix of POSIX ustar (magic `ustar\0`) in front. */
export function tarNameField(header: Uint8Array): string {
  const name = decodeTarName(header, NAME_START, NAME_END);
  if (!hasUstarMagic(header) || header[PREFIX_START] === NUL) return name;
  return `${decodeTarName(header, PREFIX_START, PREFIX_END)}/${name}`;
}

/** The link target of a header; empty when there is none. */
export function tarLinkNameField(header: Uint8Array): string {
  return decodeTarName(header, LINK_NAME_START, LINK_NAME_END);
}

/** The bytes from `start` to the first NUL or `end`, as UTF-8; malformed sequences become U+FFFD. */
export function decodeTarName(bytes: Uint8Array, start: number, end: number): string {
  let stop = start;
  while (stop < end && bytes[stop] !== NUL) stop++;
  if (stop === start) return '';
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, stop - start).toString('utf8');
}

/**
 * Reads an octal field: any spaces and NULs, then digits up to a space, a NUL or the end of the field; what
 * follows is not looked at. `blank` is the answer for a field of spaces and NULs only, -1 for anything else.
 */
function parseOctal(bytes: Uint8Array, start: number, end: number, blank: number): number {
  let at = start;
  while (at < end && (bytes[at] === SPACE || bytes[at] === NUL)) at++;
  if (at === end) return blank;
  let value = 0;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    if (byte >= DIGIT_0 && byte <= DIGIT_7) value = value * 8 + (byte - DIGIT_0);
    else if (byte === SPACE || byte === NUL) break;
    else return NOT_UNDERSTOOD;
  }
  return value;
}

function hasUstarMagic(header: Uint8Array): boolean {
  return (
    header[MAGIC_AT] === 0x75 &&
    header[MAGIC_AT + 1] === 0x73 &&
    header[MAGIC_AT + 2] === 0x74 &&
    header[MAGIC_AT + 3] === 0x61 &&
    header[MAGIC_AT + 4] === 0x72 &&
    header[MAGIC_AT + 5] === NUL
  );
}
