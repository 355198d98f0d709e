// The bits of the stream, least significant first, written to the output buffer.
import { OUTPUT } from './layout';

let pending: u64 = 0;
let pendingBits: u32 = 0;
let out: usize = OUTPUT;
let takenBytes: u64 = 0;

/** Starts a stream, or goes on with one of which so much has been written. */
export function beginStream(written: u64, bits: u32, count: u32): void {
  out = OUTPUT;
  takenBytes = written;
  pending = bits;
  pendingBits = count;
}

/** Starts a call of the host: what was written before has been taken. */
export function beginOutput(): void {
  takenBytes += outputBytes();
  out = OUTPUT;
}

/** Whole bytes of the stream so far. */
export function writtenBytes(): u64 {
  return takenBytes + outputBytes();
}

export function outputBytes(): u32 {
  return <u32>(out - OUTPUT);
}

export function partialByte(): u32 {
  return <u32>pending;
}

/** How many bits of the last byte are used, 0 to 7. */
export function partialBits(): u32 {
  return pendingBits;
}

/** Appends `count` bits, 49 at most. */
// @ts-ignore: decorator
@inline
export function putBits(bits: u64, count: u32): void {
  const all = pending | (bits << pendingBits);
  const total = pendingBits + count;
  store<u64>(out, all);
  out += total >> 3;
  pending = all >> (total & 0x38);
  pendingBits = total & 7;
}

/** Fills the last byte with zero bits. */
export function alignToByte(): void {
  if (pendingBits) putBits(0, 8 - pendingBits);
}

/** Appends whole bytes at a byte border. */
export function putBytes(bytes: usize, count: u32): void {
  memory.copy(out, bytes, count);
  out += count;
}

/** Appends a stored block; `bytes` may be 0 when `count` is. */
export function putStored(bytes: usize, count: u32, last: bool): void {
  putBits(last ? 1 : 0, 3);
  alignToByte();
  putBits(<u64>(count & 0xffff) | (<u64>(~count & 0xffff) << 16), 32);
  putBytes(bytes, count);
}

/**
 * Appends the tokens in [token, end). `literals` and `lengths` are u32 by literal and by length - 3, `distances` u32 by
 * distance code: bits | count << 24, those of lengths with their extra bits.
 */
export function putTokens(
  token: usize, end: usize, literals: usize, lengths: usize, distances: usize,
  distanceCodes: usize, distanceBases: usize, distanceExtras: usize,
): void {
  let at = out;
  let held = pending;
  let count = pendingBits;
  for (; token < end; token += 4) {
    const value = load<u32>(token);
    const distance = value & 0xffff;
    if (distance == 0) {
      const entry = load<u32>(literals + (value >> 14));
      held |= <u64>(entry & 0xffffff) << count;
      count += entry >> 24;
    } else {
      const entry = load<u32>(lengths + ((value >> 16) << 2));
      held |= <u64>(entry & 0xffffff) << count;
      count += entry >> 24;
      const back = distance - 1;
      const code = <u32>load<u8>(distanceCodes + <usize>(back < 256 ? back : 256 + (back >> 7)));
      const codeEntry = load<u32>(distances + (code << 2));
      held |= <u64>(codeEntry & 0xffffff) << count;
      count += codeEntry >> 24;
      held |= <u64>(back - load<u16>(distanceBases + (code << 1))) << count;
      count += <u32>load<u8>(distanceExtras + code);
    }
    store<u64>(at, held);
    at += count >> 3;
    held >>= count & 0x38;
    count &= 7;
  }
  out = at;
  pending = held;
  pendingBits = count;
}
