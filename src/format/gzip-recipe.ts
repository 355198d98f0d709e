import { LIMITS } from '../core/limits.js';
import { decodeEncoderSpec, type EncoderSpec, encodeEncoderSpec } from './encoder-spec.js';
import { encodeNumber } from './variable-number.js';

/** A gzip member: these header bytes, what the encoder makes of so many plain bytes, and a trailer that follows from them. */
export interface GzipMember {
  header: Uint8Array;
  encoder: EncoderSpec;
  plainBytes: number;
}

/** docs/format.md, "Recipe": a gzip file as the plain bytes of all its members and what makes them gzip again. */
export interface GzipRecipe {
  kind: 'gzip';
  sizeBytes: number;
  /** The plain bytes, which have a recipe of their own. */
  inner: { recipeId: string; sizeBytes: number };
  members: GzipMember[];
  /** What follows the last member. */
  trailing: Uint8Array;
}

const RECIPE_ID_BYTES = 32;
/** No deflate stream makes more of a byte. */
const MAX_EXPANSION = 1032;

/** A header and an encoder; members that are alike share one. */
type Setup = Pick<GzipMember, 'header' | 'encoder'>;

/** What follows the head of a gzip recipe. */
export function encodeGzipBody({ inner, members, trailing }: GzipRecipe): Uint8Array {
  const setups = new Map<string, Uint8Array>();
  const numbers = members.map((member) => {
    const bytes = encodeSetup(member);
    const key = bytes.toString('latin1');
    if (!setups.has(key)) setups.set(key, bytes);
    return key;
  });
  const order = new Map([...setups.keys()].map((key, i) => [key, i]));
  const head = Buffer.alloc(8);
  head.writeBigUInt64LE(BigInt(inner.sizeBytes));
  return Buffer.concat([
    head,
    Buffer.from(inner.recipeId, 'hex'),
    encodeNumber(setups.size),
    ...setups.values(),
    encodeNumber(members.length),
    ...members.flatMap(({ plainBytes }, i) => [
      encodeNumber(order.get(numbers[i]!)!),
      encodeNumber(plainBytes),
    ]),
    encodeNumber(trailing.length),
    trailing,
  ]);
}

/**
 * Reads what {@link encodeGzipBody} made.
 * @throws RangeError saying what is wrong; the caller says of which recipe
 */
export function decodeGzipBody(bytes: Uint8Array, sizeBytes: number): GzipRecipe {
  const reader = new Reader(bytes);
  const inner = { sizeBytes: reader.u64(), recipeId: reader.take(RECIPE_ID_BYTES).toString('hex') };
  if (inner.sizeBytes > sizeBytes * MAX_EXPANSION) throw new RangeError('it claims more than gzip can hold');
  const setupCount = reader.number(LIMITS.gzipMembers);
  const setups: Setup[] = [];
  for (let i = 0; i < setupCount; i++) setups.push(decodeSetup(reader));
  const memberCount = reader.number(LIMITS.gzipMembers);
  if (memberCount === 0 || setupCount > memberCount) throw new RangeError('its members do not agree');
  const members: GzipMember[] = [];
  let total = 0;
  for (let i = 0; i < memberCount; i++) {
    const setup = setups[reader.number(setupCount - 1)]!;
    const plainBytes = reader.number(inner.sizeBytes - total);
    total += plainBytes;
    members.push({ ...setup, plainBytes });
  }
  const trailing = new Uint8Array(reader.take(reader.number(LIMITS.gzipTrailingBytes)));
  if (total !== inner.sizeBytes || !reader.isAtEnd) throw new RangeError('sizes do not agree');
  return { kind: 'gzip', sizeBytes, inner, members, trailing };
}

function encodeSetup({ header, encoder }: Setup): Buffer {
  return Buffer.concat([encodeNumber(header.length), header, encodeEncoderSpec(encoder)]);
}

function decodeSetup(reader: Reader): Setup {
  const header = new Uint8Array(reader.take(reader.number(LIMITS.gzipHeaderBytes)));
  const { spec, byteCount } = decodeEncoderSpec(reader.rest);
  reader.take(byteCount);
  return { header, encoder: spec };
}

class Reader {
  readonly #view: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get rest(): Uint8Array {
    return this.#view.subarray(this.#at);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#view.length;
  }

  take(byteCount: number): Buffer {
    if (byteCount > this.#view.length - this.#at) throw new RangeError('it ends too early');
    this.#at += byteCount;
    return this.#view.subarray(this.#at - byteCount, this.#at);
  }

  u64(): number {
    const value = this.take(8).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`it claims ${value} bytes`);
    return Number(value);
  }

  /** @throws RangeError also for one above `most`, or one that could be written shorter */
  number(most: number): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.take(1)[0]!;
      value += (byte & 127) * scale;
      if (value > most) throw new RangeError(`it claims ${value} where at most ${most} can be`);
      if (byte < 128) {
        if (byte === 0 && scale > 1) throw new RangeError('a number has needless bytes');
        return value;
      }
      if (scale > 2 ** 45) throw new RangeError('a number has too many bytes');
    }
  }
}
