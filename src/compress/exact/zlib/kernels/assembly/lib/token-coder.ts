// Codes how a token differs from the one foreseen: one likely bit where it does not.
import { LENGTH_CODE, distanceCode } from './layout';
import {
  MAX_LENGTH, distanceAfter, expectedDistance, expectedLength, filled, here, history, hopsTo, pass, position,
  predict, waits,
} from './predictor';
import { RangeCoder, codeBit, codeEvenBits, codeNumber, codeTree, isReading, resetProbabilities } from './range-coder';

export const TOKEN_CODER = changetype<RangeCoder>(memory.data(64, 16));

const TABLES: usize = memory.data(4 * 2048, 16);
const TABLE_ENTRIES: u32 = 2048;
const IS_MATCH: usize = TABLES;
const IS_OTHER: usize = TABLES + 4 * 64;
const IS_LITERAL: usize = TABLES + 4 * 256;
const IS_LENGTH: usize = TABLES + 4 * 320;
const IS_FAR: usize = TABLES + 4 * 384;
const HOPS: usize = TABLES + 4 * 448;
const NEW_LENGTH: usize = TABLES + 4 * 1024;
const OTHER_LENGTH: usize = TABLES + 4 * 1280;

/** No token: what was read is damaged. */
export const IMPOSSIBLE: u32 = 0xffffffff;

/** What the last tokens were: 1 a match, 2 not foreseen; the last in the low bits. */
let past: u32 = 0;

export function resetTokenCoder(): void {
  resetProbabilities(TABLES, TABLE_ENTRIES);
  past = 0;
}

/** Few enough values: exact to 10, then coarse. */
function lengthClass(length: u32): u32 {
  return length < 11 ? length : length < 18 ? 11 : length < 34 ? 12 : length < 130 ? 13 : length < 258 ? 14 : 15;
}

/** The distance of a match of `length` bytes: by how many nearer ones could have been taken, or in full. */
function codeDistance(distance: u32, length: u32): u32 {
  const hops = isReading ? 0 : hopsTo(distance, length);
  if (codeBit(TOKEN_CODER, IS_FAR, hops < 0 ? 1 : 0)) {
    return codeEvenBits(TOKEN_CODER, distance - 1, 15) + 1;
  }
  const coded = codeNumber(TOKEN_CODER, HOPS, hops);
  return isReading ? distanceAfter(coded, length) : distance;
}

function codeMatch(distance: u32, length: u32, lengths: usize): u32 {
  const coded = codeTree(TOKEN_CODER, lengths, length - 3, 8) + 3;
  return codeDistance(distance, coded) | ((coded - 3) << 16);
}

/** A token where a literal is foreseen. */
function codeInsteadOfLiteral(token: u32): u32 {
  const distance = token & 0xffff;
  const context = past | (waits ? 16 : 0);
  const match = codeBit(TOKEN_CODER, IS_MATCH + (context << 2), distance ? 1 : 0);
  if (!match) return <u32>load<u8>(here()) << 16;
  return codeMatch(distance, (token >> 16) + 3, NEW_LENGTH);
}

function codeInsteadOfMatch(token: u32): u32 {
  const expected = expectedDistance | ((expectedLength - 3) << 16);
  const context = (past & 7) | (lengthClass(expectedLength) << 3);
  if (!codeBit(TOKEN_CODER, IS_OTHER + (context << 2), token != expected ? 1 : 0)) return expected;
  const distance = token & 0xffff;
  const shape = lengthClass(expectedLength);
  if (codeBit(TOKEN_CODER, IS_LITERAL + (shape << 2), distance ? 0 : 1)) return <u32>load<u8>(here()) << 16;
  const length = (token >> 16) + 3;
  if (codeBit(TOKEN_CODER, IS_LENGTH + (shape << 2), length != expectedLength ? 1 : 0)) {
    return codeMatch(distance, length, OTHER_LENGTH);
  }
  return codeDistance(distance, expectedLength) | ((expectedLength - 3) << 16);
}

/** Codes a token, or reads it, and passes it. @returns it, or IMPOSSIBLE */
export function codeToken(token: u32): u32 {
  predict();
  const expected = expectedLength ? expectedDistance | ((expectedLength - 3) << 16) : <u32>load<u8>(here()) << 16;
  const coded = expectedLength ? codeInsteadOfMatch(token) : codeInsteadOfLiteral(token);
  const distance = coded & 0xffff;
  const length = distance ? (coded >> 16) + 3 : 1;
  past = ((past << 2) | (coded != expected ? 2 : 0) | (distance ? 1 : 0)) & 15;
  if (length > filled - position || length > MAX_LENGTH || distance > history) return IMPOSSIBLE;
  pass(length);
  return coded;
}

/** Counts a token's symbols. */
export function countToken(token: u32, literals: usize, distances: usize): void {
  const distance = token & 0xffff;
  if (distance == 0) {
    const weight = literals + <usize>(token >> 16 << 2);
    store<u32>(weight, load<u32>(weight) + 1);
    return;
  }
  const weight = literals + ((257 + <usize>load<u8>(LENGTH_CODE + (token >> 16))) << 2);
  store<u32>(weight, load<u32>(weight) + 1);
  const distanceWeight = distances + (<usize>distanceCode(distance - 1) << 2);
  store<u32>(distanceWeight, load<u32>(distanceWeight) + 1);
}
