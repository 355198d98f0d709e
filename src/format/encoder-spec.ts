/**
 * Which encoder made a deflate stream, with everything its output depends on (docs/format.md, "Deflate encoders").
 * Frozen: what a spec stands for never changes, because recipes in pools name it. A different output is a new spec.
 */
export type EncoderSpec =
  | { readonly family: 'go'; readonly level: number }
  | { readonly family: 'klauspost'; readonly level: number; readonly variant: KlauspostVariant }
  | {
      readonly family: 'pgzip';
      readonly level: number;
      readonly variant: KlauspostVariant;
      readonly blockBytes: number;
    }
  | { readonly family: 'zlib'; readonly level: number; readonly memLevel: number }
  | { readonly family: 'gnu'; readonly level: number }
  | {
      readonly family: 'pigz';
      readonly level: number;
      readonly blockBytes: number;
      /** A sum of {@link PIGZ_FLAGS}. */
      readonly flags: number;
    }
  | {
      readonly family: 'chromium';
      readonly level: number;
      readonly hash: ChromiumHash;
      readonly memLevel: number;
    }
  /** What a model foresees, put right by corrections that stand elsewhere; `level` is the number of the model. */
  | { readonly family: 'corrected'; readonly level: number };

/** Thrown for a number that a later version may have given a meaning. */
export class UnknownEncoderError extends RangeError {
  /** Tells it after a thread border too, where classes do not survive. */
  static readonly code = 'UNKNOWN_ENCODER';
  readonly code = UnknownEncoderError.code;
}

/**
 * The releases of github.com/klauspost/compress that changed what its package flate makes, by number from 1 on; only ever
 * added to. Each stands for itself and the releases up to the next. What `1.20.3` changed shows with a dictionary only.
 * Go 1.27 is `1.18.2`, but for its level 9, which is `go1.27`.
 */
export const KLAUSPOST_VARIANTS = [
  '1.14.0',
  '1.14.2',
  '1.14.3',
  '1.15.0',
  '1.15.10',
  '1.15.11',
  '1.15.15',
  '1.18.0',
  '1.18.1',
  '1.18.2',
  '1.20.3',
  'go1.27',
] as const;

export type KlauspostVariant = (typeof KLAUSPOST_VARIANTS)[number];

/** The hashes that Chromium's zlib has had, by number from 1 on. `crc16` is `crc` with 16 bits instead of 15 at memLevel 9, and another end. */
export const CHROMIUM_HASHES = ['crc', 'product', 'crc16'] as const;

export type ChromiumHash = (typeof CHROMIUM_HASHES)[number];

export const PIGZ_FLAGS = { independent: 1, single: 2, syncMarkers: 4 } as const;

const FAMILIES = {
  go: 1,
  klauspost: 2,
  pgzip: 3,
  zlib: 4,
  gnu: 5,
  pigz: 6,
  chromium: 7,
  corrected: 8,
} as const;
/** Bytes of a spec by the number of its family. */
const SPEC_BYTES: readonly number[] = [0, 2, 3, 7, 3, 2, 7, 4, 2];
/** Go's Huffman codes without matches, which has no level of its own. */
const GO_HUFFMAN_LEVEL = 10;

/** The name people and fixtures know an encoder by, such as `go-6` or `pgzip-1.15.10-5-1048576`. */
export function encoderName(spec: EncoderSpec): string {
  const { family, level } = spec;
  switch (family) {
    case 'go':
      return level === GO_HUFFMAN_LEVEL ? 'go-huffman' : `go-${level}`;
    case 'klauspost':
      return `klauspost-${spec.variant}-${level}`;
    case 'pgzip':
      return `pgzip-${spec.variant}-${level}-${spec.blockBytes}`;
    case 'zlib':
      return spec.memLevel === 8 ? `zlib-${level}` : `zlib-${level}-mem${spec.memLevel}`;
    case 'gnu':
    case 'corrected':
      return `${family}-${level}`;
    case 'pigz':
      return `pigz-${level}-${spec.blockBytes / 1024}${pigzSuffix(spec.flags)}`;
    case 'chromium':
      return `chromium-${spec.hash}-${level}${spec.memLevel === 8 ? '' : `-mem${spec.memLevel}`}`;
  }
}

function pigzSuffix(flags: number): string {
  const independent = flags & PIGZ_FLAGS.independent ? '-i' : '';
  const single = flags & PIGZ_FLAGS.single ? '-p1' : '';
  return `${independent}${single}${flags & PIGZ_FLAGS.syncMarkers ? '-sync' : ''}`;
}

/** The 2 to 7 bytes that a recipe holds. */
export function encodeEncoderSpec(spec: EncoderSpec): Uint8Array {
  const number = FAMILIES[spec.family];
  const out = Buffer.alloc(SPEC_BYTES[number]!);
  out[0] = number;
  out[1] = spec.level;
  switch (spec.family) {
    case 'klauspost':
      out[2] = KLAUSPOST_VARIANTS.indexOf(spec.variant) + 1;
      break;
    case 'pgzip':
      out[2] = KLAUSPOST_VARIANTS.indexOf(spec.variant) + 1;
      out.writeUInt32LE(spec.blockBytes, 3);
      break;
    case 'zlib':
      out[2] = spec.memLevel;
      break;
    case 'pigz':
      out[2] = spec.flags;
      out.writeUInt32LE(spec.blockBytes, 3);
      break;
    case 'chromium':
      out[2] = CHROMIUM_HASHES.indexOf(spec.hash) + 1;
      out[3] = spec.memLevel;
  }
  return out;
}

/**
 * The spec at the beginning of `bytes`, and how many of them it takes. Whether there is such an encoder is told when
 * it is made. @throws RangeError when it is cut off, UnknownEncoderError for a family or variant this version does not know
 */
export function decodeEncoderSpec(bytes: Uint8Array): { spec: EncoderSpec; byteCount: number } {
  if (bytes.length === 0) throw new RangeError('an encoder is cut off');
  const byteCount = SPEC_BYTES[bytes[0]!];
  if (!byteCount) throw new UnknownEncoderError(`the encoder family ${bytes[0]} is not known`);
  if (bytes.length < byteCount) throw new RangeError('an encoder is cut off');
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, byteCount);
  return { spec: readSpec(view), byteCount };
}

function readSpec(view: Buffer): EncoderSpec {
  const level = view[1]!;
  const variant = (): KlauspostVariant => {
    const name = KLAUSPOST_VARIANTS[view[2]! - 1];
    if (name === undefined) throw new UnknownEncoderError(`the encoder variant ${view[2]} is not known`);
    return name;
  };
  switch (view[0]) {
    case FAMILIES.go:
      return { family: 'go', level };
    case FAMILIES.klauspost:
      return { family: 'klauspost', level, variant: variant() };
    case FAMILIES.pgzip:
      return { family: 'pgzip', level, variant: variant(), blockBytes: view.readUInt32LE(3) };
    case FAMILIES.zlib:
      return { family: 'zlib', level, memLevel: view[2]! };
    case FAMILIES.gnu:
      return { family: 'gnu', level };
    case FAMILIES.chromium:
      return { family: 'chromium', level, hash: readHash(view[2]!), memLevel: view[3]! };
    case FAMILIES.corrected:
      return { family: 'corrected', level };
    default:
      return { family: 'pigz', level, flags: view[2]!, blockBytes: view.readUInt32LE(3) };
  }
}

function readHash(number: number): ChromiumHash {
  const hash = CHROMIUM_HASHES[number - 1];
  if (hash === undefined) throw new UnknownEncoderError(`the encoder variant ${number} is not known`);
  return hash;
}
