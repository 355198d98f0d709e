import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { DeflateEncoder } from '../../src/compress/exact/deflate-encoder.js';
import { type InputKind, makeInput } from './deflate-inputs.mjs';

/** One line of fixtures/deflate/<encoder>/vectors.json, which native-bench/deflate/write-vectors.mjs wrote. */
export interface DeflateVector {
  /** The frozen id. */
  readonly encoder: string;
  readonly kind: InputKind;
  readonly seed: number;
  readonly lengthBytes: number;
  /** A flush after so many bytes. */
  readonly flushAfter?: number;
  /** So many bytes of the input are a dictionary; `lengthBytes` follow. */
  readonly dictionaryBytes?: number;
  readonly inputSha256: string;
  readonly streamBytes: number;
  readonly streamSha256: string;
}

export const sha256Hex = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The committed vectors of one encoder by their ids, each list in the order of the file. */
export function readDeflateVectors(encoder: string): Map<string, DeflateVector[]> {
  const url = new URL(`../../fixtures/deflate/${encoder}/vectors.json`, import.meta.url);
  const vectors = JSON.parse(readFileSync(url, 'utf8')) as DeflateVector[];
  const byEncoder = new Map<string, DeflateVector[]>();
  for (const vector of vectors) {
    byEncoder.set(vector.encoder, [...(byEncoder.get(vector.encoder) ?? []), vector]);
  }
  return byEncoder;
}

const inputs = new Map<string, Uint8Array>();

/** The input of a vector, made once: the ids of an encoder share theirs, and making it can take longer than encoding. */
function inputOf({ kind, seed, lengthBytes, dictionaryBytes = 0, inputSha256 }: DeflateVector): Uint8Array {
  const known = inputs.get(inputSha256);
  if (known) return known;
  const input = makeInput(kind, seed, dictionaryBytes + lengthBytes);
  if (sha256Hex(input) !== inputSha256) throw new Error(`the generator ${kind} makes other bytes`);
  inputs.set(inputSha256, input);
  return input;
}

/** What an encoder makes of a vector's input, which is first held to its digest. The encoder is reset. */
export function encodeVector(encoder: DeflateEncoder, vector: DeflateVector): Uint8Array {
  const { lengthBytes, flushAfter, dictionaryBytes = 0 } = vector;
  const input = inputOf(vector);
  const plain = input.subarray(dictionaryBytes);
  encoder.reset(dictionaryBytes > 0 ? input.subarray(0, dictionaryBytes) : undefined);
  return collectBytes((emit) => {
    encoder.write(plain.subarray(0, flushAfter ?? lengthBytes), emit);
    if (flushAfter !== undefined) {
      encoder.flush(emit);
      encoder.write(plain.subarray(flushAfter), emit);
    }
    encoder.finish(emit);
  });
}

/** All that `produce` emits, in one piece. */
export function collectBytes(produce: (emit: (bytes: Uint8Array) => void) => void): Uint8Array {
  const pieces: Uint8Array[] = [];
  produce((bytes) => pieces.push(bytes.slice()));
  return Buffer.concat(pieces);
}

/** The stream of `plain` written in pieces of these sizes, the last as long as need be. The encoder is reset. */
export function encodeInPieces(
  encoder: DeflateEncoder,
  plain: Uint8Array,
  writeSizes: readonly number[] = [],
): Uint8Array {
  encoder.reset();
  return collectBytes((emit) => {
    let at = 0;
    for (const size of [...writeSizes, plain.length]) {
      const end = Math.min(plain.length, at + size);
      encoder.write(plain.subarray(at, end), emit);
      at = end;
    }
    encoder.finish(emit);
  });
}
