import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import {
  isTarHeader,
  TAR_BLOCK_BYTES,
  TarBlock,
  tarLinkNameField,
  tarNameField,
  tarSizeField,
  tarTypeField,
} from './tar-header.js';
import { nameValue, parsePaxRecords } from './tar-pax.js';

/** One member of a tar, as its headers describe it. Names are for people: nothing is decided by them. */
export interface TarMember {
  /** 0 for the first member of the tar. */
  index: number;
  /** The name as stored, not made safe: it may be empty, absolute or climb with `..`. */
  name: string;
  /** The type flag, one character (code point 0-255); the NUL of old tars is reported as `'0'`. */
  type: string;
  /** Content bytes the member has in the tar (for sparse files: what is stored, not what it unfolds to). */
  sizeBytes: number;
  /** The target of a link; empty when the headers name none. */
  linkName: string;
}

/** In `block`, bytes of padding and then of one 512-byte block pass; the other names speak for themselves. */
type State = 'block' | 'sparse-block' | 'extension-body' | 'content';

const FLAG_0 = 0x30;
const FLAG_1 = 0x31;
const FLAG_6 = 0x36;
const FLAG_K = 0x4b;
const FLAG_L = 0x4c;
const FLAG_S = 0x53;
const FLAG_X = 0x58;
const FLAG_g = 0x67;
const FLAG_x = 0x78;
/** The "another block follows" flag: in an old GNU sparse header, and in each of its extension blocks. */
const SPARSE_HEADER_FLAG_AT = 482;
const SPARSE_BLOCK_FLAG_AT = 504;

/**
 * Tells the *skeleton* of a tar from its *content* (the bytes of its files), byte by byte.
 *
 * The same walk runs over the original bytes when a tar is saved and over the skeleton alone when it is
 * loaded, asking for content where content was. So every decision rests on skeleton bytes already passed, and
 * on nothing else. The rules below are part of the pool format: a different decision on any input would
 * rebuild other bytes.
 *
 * 1. A tar is read in blocks of 512 bytes. A block is a **header** if its checksum holds (unsigned or signed;
 *    see `isTarHeader`) and its size field is understood (octal, blank, or base-256 in 0..2^53-1; see
 *    `tarSizeField`). Any other block is **opaque**: it is skeleton, and the block after it is tried as a header.
 *    Zero blocks and damaged headers are opaque. The end marker ends nothing: a header after it counts.
 * 2. A header of type `x`, `X`, `L`, `K` or `g` is an **extension**: a body of as many bytes as its size field
 *    says and the padding follow, all skeleton. Bodies up to `LIMITS.tarExtensionBytes` are read: PAX records
 *    of `x` and `X` (see `parsePaxRecords`: `size`, `path`, `linkpath`, `GNU.sparse.name`), the name of `L`,
 *    the link name of `K`. Longer bodies, and all of `g`, say nothing.
 * 3. Any other header is a **member**. What the extensions before it said applies to it, the last of each kind
 *    (`x` and `X` are one kind) in place of all earlier ones; a PAX name goes before one of `L` or `K`. An
 *    opaque block between takes all of it back. So does a body that is not read, for its kind.
 * 4. A member of type `1` to `6` has no content. After the header of a member of type `S` whose byte 482 is not
 *    0, extension blocks follow as skeleton, up to and with the first whose byte 504 is 0. Then a member of
 *    any type but `1` to `6` has as many content bytes as the PAX `size`, or else its size field, says.
 * 5. Content, and the body of an extension, are padded to a multiple of 512; padding is skeleton, whatever it
 *    holds. The next block follows.
 *
 * The input may end anywhere. No input makes the walk throw, and its memory is bounded by
 * `LIMITS.tarExtensionBytes`. It keeps no reference to the bytes it is given.
 */
export class TarWalk {
  readonly #onMember: ((member: TarMember) => void) | undefined;
  #state: State = 'block';
  /** Bytes that remain of an extension body or of content. */
  #leftBytes = 0;
  /** Bytes of padding that come before the next block. */
  #paddingBytes = 0;
  /** The block being gathered; it changes places with that of the member when it turns out to be a header. */
  #block = new TarBlock();
  #blockFill = 0;

  #extensionType = 0;
  /** Where a body that comes in pieces is gathered; kept, and grown to at most `LIMITS.tarExtensionBytes`. */
  #body = new Uint8Array(0);
  #bodyFill = 0;
  #bodyIsRead = false;

  #paxSizeBytes: number | null = null;
  #paxPath: string | null = null;
  #paxLinkPath: string | null = null;
  #longName: string | null = null;
  #longLinkName: string | null = null;

  /** The parts of the latest member, made into a `TarMember` when someone asks. */
  #member: TarMember | null = null;
  #memberCount = 0;
  #memberHeader = new TarBlock();
  #memberSizeBytes = 0;
  #memberName: string | null = null;
  #memberLinkName: string | null = null;

  /** `onMember` is called once for each member, in order, inside the call that completes its header block. */
  constructor(onMember?: (member: TarMember) => void) {
    this.#onMember = onMember;
  }

  /** What the next bytes of the tar are. */
  get kind(): 'skeleton' | 'content' {
    return this.#state === 'content' ? 'content' : 'skeleton';
  }

  /** How many bytes of that kind come, at the least, before the kind may change. Always 1 or more. */
  get remainingBytes(): number {
    return this.#state === 'content' || this.#state === 'extension-body'
      ? this.#leftBytes
      : this.#paddingBytes + TAR_BLOCK_BYTES - this.#blockFill;
  }

  /**
   * The member whose header passed last: whose content comes while `kind` is `content`. Null before the first.
   * Names are decoded at the first access, so a walk that asks for none pays for none.
   */
  get member(): TarMember | null {
    if (this.#member === null && this.#memberCount > 0) {
      const header = this.#memberHeader.bytes;
      const flag = tarTypeField(header);
      this.#member = {
        index: this.#memberCount - 1,
        name: this.#memberName ?? tarNameField(header),
        type: String.fromCharCode(flag === 0 ? FLAG_0 : flag),
        sizeBytes: this.#memberSizeBytes,
        linkName: this.#memberLinkName ?? tarLinkNameField(header),
      };
    }
    return this.#member;
  }

  /**
   * These skeleton bytes passed: 1 to `remainingBytes` of them. How a tar is cut into calls makes no difference.
   *
   * @throws DbupError `INTERNAL` when content is due or the count is out of range
   */
  skeleton(bytes: Uint8Array): void {
    const length = bytes.length;
    if (this.#state === 'content' || length < 1 || length > this.remainingBytes) {
      throw misuse('skeleton', length, this);
    }
    if (this.#state === 'extension-body') {
      this.#passBody(bytes);
      return;
    }
    const padding = Math.min(this.#paddingBytes, length);
    this.#paddingBytes -= padding;
    this.#block.bytes.set(padding === 0 ? bytes : bytes.subarray(padding), this.#blockFill);
    this.#blockFill += length - padding;
    if (this.#blockFill === TAR_BLOCK_BYTES) {
      this.#blockFill = 0;
      this.#endBlock();
    }
  }

  /**
   * That many content bytes passed: 1 to `remainingBytes`.
   *
   * @throws DbupError `INTERNAL` when skeleton is due or the count is out of range
   */
  content(byteCount: number): void {
    if (this.#state !== 'content' || !(byteCount >= 1 && byteCount <= this.#leftBytes)) {
      throw misuse('content', byteCount, this);
    }
    this.#leftBytes -= byteCount;
    if (this.#leftBytes === 0) this.#state = 'block';
  }

  #endBlock(): void {
    const { bytes } = this.#block;
    if (this.#state === 'sparse-block') {
      if (bytes[SPARSE_BLOCK_FLAG_AT] === 0) this.#beginContent();
      return;
    }
    const sizeBytes = isTarHeader(this.#block) ? tarSizeField(bytes) : -1;
    if (sizeBytes === -1) {
      this.#forgetExtensions();
      return;
    }
    const flag = tarTypeField(bytes);
    if (isExtension(flag)) this.#beginBody(flag, sizeBytes);
    else this.#beginMember(flag, sizeBytes);
  }

  #beginMember(flag: number, sizeBytes: number): void {
    const header = this.#block;
    this.#block = this.#memberHeader;
    this.#memberHeader = header;
    this.#memberSizeBytes = flag >= FLAG_1 && flag <= FLAG_6 ? 0 : (this.#paxSizeBytes ?? sizeBytes);
    this.#memberName = this.#paxPath ?? this.#longName;
    this.#memberLinkName = this.#paxLinkPath ?? this.#longLinkName;
    this.#memberCount++;
    this.#member = null;
    this.#forgetExtensions();
    if (flag === FLAG_S && header.bytes[SPARSE_HEADER_FLAG_AT] !== 0) this.#state = 'sparse-block';
    else this.#beginContent();
    // The last step: whatever the observer does, the walk is at a whole state.
    if (this.#onMember !== undefined) this.#onMember(this.member!);
  }

  #beginContent(): void {
    this.#leftBytes = this.#memberSizeBytes;
    this.#paddingBytes = paddingOf(this.#memberSizeBytes);
    this.#state = this.#leftBytes === 0 ? 'block' : 'content';
  }

  #beginBody(flag: number, sizeBytes: number): void {
    this.#extensionType = flag;
    this.#leftBytes = sizeBytes;
    this.#paddingBytes = paddingOf(sizeBytes);
    this.#bodyFill = 0;
    this.#bodyIsRead = sizeBytes > 0 && sizeBytes <= LIMITS.tarExtensionBytes && flag !== FLAG_g;
    this.#forgetKind(flag);
    this.#state = sizeBytes === 0 ? 'block' : 'extension-body';
  }

  #passBody(bytes: Uint8Array): void {
    const isWhole = this.#bodyFill === 0 && bytes.length === this.#leftBytes;
    this.#leftBytes -= bytes.length;
    if (this.#bodyIsRead && !isWhole) this.#gather(bytes);
    if (this.#leftBytes > 0) return;
    this.#state = 'block';
    if (!this.#bodyIsRead) return;
    if (isWhole) this.#readBody(bytes, bytes.length);
    else this.#readBody(this.#body, this.#bodyFill);
  }

  #gather(bytes: Uint8Array): void {
    const fill = this.#bodyFill + bytes.length;
    if (fill > this.#body.length) {
      // Grown with what came, not with what the header claims: a claim costs nothing.
      const grown = new Uint8Array(Math.min(Math.max(2 * fill, 1024), LIMITS.tarExtensionBytes));
      grown.set(this.#body.subarray(0, this.#bodyFill));
      this.#body = grown;
    }
    this.#body.set(bytes, this.#bodyFill);
    this.#bodyFill = fill;
  }

  #readBody(body: Uint8Array, length: number): void {
    if (this.#extensionType === FLAG_L) {
      this.#longName = nameValue(body, 0, length);
    } else if (this.#extensionType === FLAG_K) {
      this.#longLinkName = nameValue(body, 0, length);
    } else {
      const records = parsePaxRecords(body, 0, length);
      this.#paxSizeBytes = records.sizeBytes;
      this.#paxPath = records.path;
      this.#paxLinkPath = records.linkPath;
    }
  }

  #forgetKind(flag: number): void {
    if (flag === FLAG_L) this.#longName = null;
    else if (flag === FLAG_K) this.#longLinkName = null;
    else if (flag !== FLAG_g) {
      this.#paxSizeBytes = null;
      this.#paxPath = null;
      this.#paxLinkPath = null;
    }
  }

  #forgetExtensions(): void {
    this.#longName = null;
    this.#longLinkName = null;
    this.#paxSizeBytes = null;
    this.#paxPath = null;
    this.#paxLinkPath = null;
  }
}

function isExtension(flag: number): boolean {
  return flag === FLAG_x || flag === FLAG_L || flag === FLAG_K || flag === FLAG_g || flag === FLAG_X;
}

function paddingOf(sizeBytes: number): number {
  const rest = sizeBytes % TAR_BLOCK_BYTES;
  return rest === 0 ? 0 : TAR_BLOCK_BYTES - rest;
}

function misuse(call: string, byteCount: number, walk: TarWalk): DbupError {
  return new DbupError(
    'INTERNAL',
    `tar walk: ${call} of ${byteCount} bytes, where 1 to ${walk.remainingBytes} of ${walk.kind} come next`,
  );
}
