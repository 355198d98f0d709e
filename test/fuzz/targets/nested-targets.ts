import { inflateRawSync } from 'node:zlib';
import { createNestedScan, NESTED_HEAD_BYTES } from '../../../src/archive/nested-scan.js';
import type { ScanPiece } from '../../../src/archive/scan-piece.js';
import { type MakeStep, PartsMaker } from '../../../src/compress/exact/parts-maker.js';
import { DeflateProver } from '../../../src/compress/exact/prove-deflate.js';
import type { EncoderSpec } from '../../../src/format/encoder-spec.js';
import { type OpenedPart, OpenedPartsDecoder, OpenedPartsEncoder } from '../../../src/format/opened-parts.js';
import { compressedFile } from '../../support/compressed-file.js';
import { gzipBy } from '../../support/gzip-files.js';
import { debOf, deflateBy, deflated, ZLIB_6, zipOf } from '../../support/nested-files.js';
import { ascii, noise } from '../../support/tar-builder.js';
import { acceptsOr, type FuzzTarget, UNMAKEABLE } from '../fuzz-target.js';
import { edge, maybeMutated, mutated } from '../mutate.js';
import { joinParts, splitParts } from '../parts.js';
import type { Random } from '../random.js';
import { anyEncoderSpec } from './any-encoder-spec.js';

const TEXT = ascii('a class that was compiled anew shares next to nothing with the one before. '.repeat(60));
const NO_BYTES = new Uint8Array(0);
/** Compresses little: what counts is what a stranger asks for. */
const MOST_PLAIN_BYTES = 32 * 1024;

function partSize(random: Random): number {
  return random.percent(90) ? 1 + random.size(3000) : 1 + Number(edge(random) % 2n ** 51n);
}

function anyPart(random: Random, specs: readonly EncoderSpec[]): OpenedPart {
  const sizeBytes = partSize(random);
  if (random.percent(50)) return { kind: random.percent(50) ? 'contents' : 'frame', sizeBytes };
  return { kind: 'deflated', sizeBytes, encoder: random.pick(specs), deflatedBytes: partSize(random) };
}

function partList(random: Random): Uint8Array {
  const specs = Array.from({ length: 1 + random.size(5) }, () => anyEncoderSpec(random));
  const encoder = new OpenedPartsEncoder();
  const list = Array.from({ length: random.size(40) }, () => encoder.add(anyPart(random, specs)));
  return new Uint8Array(Buffer.concat([...list, encoder.finish()]));
}

/** All parts of a list that comes in pieces. @throws RangeError */
function readParts(bytes: Uint8Array, pieceBytes: number): OpenedPart[] {
  const decoder = new OpenedPartsDecoder();
  const parts: OpenedPart[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    decoder.push(bytes.subarray(at, at + pieceBytes));
    for (let part = decoder.next(); part; part = decoder.next()) parts.push(part);
  }
  decoder.finish();
  return parts;
}

/** True when `read` does, false for the documented refusal. */
function takes(read: () => void): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

export const openedPartsTarget: FuzzTarget = {
  name: 'opened-parts',
  runs: 'the list of parts of an opened segment, whole and in pieces; what is read is written again to mean the same',
  inputs: 60_000,
  shortInputs: 500,
  make: (random) => maybeMutated(random, partList(random)),
  run(bytes) {
    let parts: OpenedPart[] = [];
    const accepted = takes(() => {
      parts = readParts(bytes, bytes.length || 1);
    });
    const inPieces = takes(() => {
      if (JSON.stringify(readParts(bytes, 3)) !== JSON.stringify(parts) && accepted)
        throw new TypeError('a list of parts means something else when it comes in pieces');
    });
    if (accepted !== inPieces) throw new TypeError('a list of parts is read in one way only');
    if (!accepted) return false;
    const encoder = new OpenedPartsEncoder();
    const again = Buffer.concat([...parts.map((part) => encoder.add(part)), encoder.finish()]);
    const merged = parts.filter(({ kind }, i) => kind === 'deflated' || parts[i - 1]?.kind !== kind);
    if (readParts(again, again.length || 1).length !== merged.length)
      throw new TypeError('a list of parts is written again to mean something else');
    return true;
  },
};

const maker: { current: PartsMaker | null } = { current: null };

/** A byte that says how much goes to the maker at a time; the list; and the contents it is about. */
export const openedSegmentTarget: FuzzTarget = {
  name: 'opened-segment',
  runs: 'deflate streams of an opened segment made again: what comes out inflates to what went in',
  inputs: 8_000,
  shortInputs: 60,
  make(random) {
    const list = random.percent(30) ? maybeMutated(random, partList(random)) : partList(random);
    const plain = random.percent(70) ? TEXT.subarray(0, random.size(TEXT.length)) : noise(random.next(), 900);
    return joinParts([Uint8Array.of(1 + random.below(255)), list, plain]);
  },
  run(bytes) {
    const [head, list = NO_BYTES, plain = NO_BYTES] = splitParts(bytes);
    let parts: OpenedPart[] = [];
    const isList = takes(() => {
      parts = readParts(list, list.length || 1);
    });
    if (!isList) return false;
    const pieceBytes = 16 * (head?.[0] || 1);
    // After an error a thread makes another segment with a maker of its own.
    const own = maker.current ?? new PartsMaker();
    maker.current = null;
    let leftBytes = MOST_PLAIN_BYTES;
    const accepted = acceptsOr(UNMAKEABLE, () => {
      for (const part of parts) {
        if (part.sizeBytes > leftBytes) return;
        leftBytes -= part.sizeBytes;
        makePart(own, part, repeated(plain, part.sizeBytes), pieceBytes);
      }
    });
    if (accepted) maker.current = own;
    return accepted;
  },
};

function repeated(plain: Uint8Array, sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.alloc(sizeBytes, plain.length > 0 ? plain : 'x'));
}

function makePart(own: PartsMaker, part: OpenedPart, plain: Uint8Array, pieceBytes: number): void {
  const encoder = part.kind === 'deflated' ? part.encoder : null;
  const made: Uint8Array[] = [];
  for (let at = 0; at < plain.length; at += pieceBytes) {
    const piece = plain.subarray(at, at + pieceBytes);
    const step: MakeStep = { encoder, sizeBytes: piece.length, isEnd: at + pieceBytes >= plain.length };
    own.make(piece, [step], (bytes) => void made.push(new Uint8Array(bytes)));
  }
  const out = Buffer.concat(made);
  const back = encoder ? inflateRawSync(out, { maxOutputLength: plain.length + 1 }) : out;
  if (Buffer.compare(back, plain) !== 0) throw new TypeError('what was made is not what went in');
}

const JAR = zipOf([
  deflated('a/A.class', TEXT.subarray(0, 900)),
  deflated('a/B.class', TEXT, { hasDescriptor: true }),
]);
const FILES: readonly Uint8Array[] = [
  JAR,
  zipOf([
    { name: 'dir/', plain: NO_BYTES },
    deflated('one', TEXT.subarray(7), { hasDescriptor: true }),
    { name: 'lib/inner.jar', plain: JAR },
    { name: 'stored', plain: noise(5, 300) },
    deflated('empty', NO_BYTES),
  ]),
  gzipBy(ZLIB_6, TEXT),
  gzipBy(ZLIB_6, TEXT, Uint8Array.of(0x1f, 0x8b, 8, 0x1e, 1, 2, 3, 4, 0, 3, 2, 0, 9, 9, 65, 0, 66, 0, 1, 1)),
  debOf([
    ['control.tar.gz', gzipBy(ZLIB_6, TEXT.subarray(0, 701))],
    ['data.tar.xz', noise(9, 333)],
    ['data.tar.gz', gzipBy(ZLIB_6, TEXT)],
  ]),
];

/** What a scan says, with runs of the same kind in one, and all bytes it gave. */
function scanned(bytes: Uint8Array, pieceBytes: number): { told: string; all: Buffer } {
  const scan = createNestedScan(bytes.subarray(0, NESTED_HEAD_BYTES), bytes.length)!;
  const told: string[] = [];
  const all: Uint8Array[] = [];
  let isOpen = false;
  let last = '';
  let run = 0;
  const take = (piece: ScanPiece): void => {
    const mayCome = isOpen
      ? ['deflate', 'end-deflate']
      : ['frame', 'contents', 'begin-deflate', 'begin-stored'];
    if (!mayCome.includes(piece.kind)) throw new TypeError(`a scan says ${piece.kind} where that cannot be`);
    if (piece.kind === 'begin-deflate') isOpen = true;
    if (piece.kind === 'end-deflate') isOpen = false;
    if (piece.kind !== last) {
      told.push(`${last} ${run}`);
      run = 0;
    }
    last = piece.kind;
    if (!('bytes' in piece)) return void told.push(JSON.stringify(piece));
    all.push(new Uint8Array(piece.bytes));
    run += piece.bytes.length;
  };
  for (let at = 0; at < bytes.length; at += pieceBytes)
    for (const piece of scan.push(bytes.slice(at, at + pieceBytes))) take(piece);
  for (const piece of scan.finish()) take(piece);
  if (isOpen) throw new TypeError('a scan does not say where a deflate stream ends');
  return { told: [...told, `${last} ${run}`].join('\n'), all: Buffer.concat(all) };
}

/** The last byte says how long the pieces are. */
export const nestedScanTarget: FuzzTarget = {
  name: 'nested-scan',
  runs: 'the scan for deflate streams in ZIP archives, Debian packages and gzip files: all bytes come out, and it says the same however they come',
  inputs: 30_000,
  shortInputs: 300,
  make: (random) =>
    new Uint8Array(
      Buffer.concat([maybeMutated(random, random.pick(FILES)), Uint8Array.of(random.size(255))]),
    ),
  run(bytes) {
    const file = bytes.subarray(0, -1);
    if (!createNestedScan(file.subarray(0, NESTED_HEAD_BYTES), file.length)) return false;
    const whole = scanned(file, file.length);
    const inPieces = scanned(file, 1 + (bytes.at(-1) ?? 0));
    for (const { all } of [whole, inPieces])
      if (Buffer.compare(all, file) !== 0) throw new TypeError('a scan does not give all bytes back');
    if (whole.told !== inPieces.told)
      throw new TypeError('a scan says something else when bytes come in pieces');
    return true;
  },
};

const prover = new DeflateProver();
const STREAMS = [
  deflateBy(ZLIB_6, TEXT),
  deflateBy({ family: 'go', level: 5 }, TEXT),
  deflateBy({ family: 'gnu', level: 9 }, noise(3, 800)),
];

/** The first byte is 0 where all encoders may be tried. */
export const nestedProofTarget: FuzzTarget = {
  name: 'nested-proof',
  runs: 'the search for the encoder of a deflate stream in a file: one that is found makes it of what it inflates to',
  inputs: 4_000,
  shortInputs: 30,
  make(random) {
    const stream = random.pick(STREAMS);
    const changed = random.percent(70) ? mutated(random, stream) : stream;
    return new Uint8Array(Buffer.concat([Uint8Array.of(random.below(40)), changed]));
  },
  async run(bytes) {
    const deflate = bytes.subarray(1);
    const options = {
      likely: [{ family: 'go', level: 5 } as const],
      maySearch: bytes[0] === 0,
      header: null,
    };
    const proven = await prover.prove(compressedFile(deflate), options);
    if (!proven) return false;
    if (inflateRawSync(deflate).length !== proven.plainBytes || deflateOf(proven).compare(deflate) !== 0)
      throw new TypeError('a stream was proven that is another');
    return true;
  },
};

function deflateOf({ encoder, plain }: { encoder: EncoderSpec; plain: Uint8Array | null }): Buffer {
  return Buffer.from(deflateBy(encoder, plain ?? NO_BYTES));
}
