import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { xxh64 } from '../hash/xxh64.js';

/** docs/format.md, "Pack": how much of a pack is not blocks, and what vouches for its footer. */
export const PACK_TAIL_MAGIC = 'DBUPTAIL';
export const PACK_HEADER_BYTES = 16;
export const PACK_TRAILER_BYTES = 32;
export const FOOTER_HEAD_BYTES = 16;

export interface PackTrailer {
  footerBytes: number;
  footerXxh64: bigint;
  packBytes: number;
}

/** The 32 bytes that end a pack whose footer is `footer` and begins at `footerOffsetBytes`. */
export function encodePackTrailer(footer: Uint8Array, footerOffsetBytes: number): Uint8Array {
  const out = Buffer.alloc(PACK_TRAILER_BYTES);
  out.writeUInt32LE(footer.length, 0);
  out.writeBigUInt64LE(xxh64(footer), 8);
  out.writeBigUInt64LE(BigInt(footerOffsetBytes + footer.length + PACK_TRAILER_BYTES), 16);
  out.write(PACK_TAIL_MAGIC, 24, 'latin1');
  return out;
}

/**
 * Decodes the last 32 bytes of a pack and bounds what they claim against the file's size.
 * @throws DbupError POOL_DAMAGED
 */
export function decodePackTrailer(bytes: Uint8Array, packBytes: number, where: string): PackTrailer {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length !== PACK_TRAILER_BYTES || view.toString('latin1', 24, 32) !== PACK_TAIL_MAGIC) {
    throw damagedPack(where, 'its end is missing (a copy that was cut off?)');
  }
  const footerBytes = view.readUInt32LE(0);
  if (view.readBigUInt64LE(16) !== BigInt(packBytes) || view.readUInt32LE(4) !== 0) {
    throw damagedPack(where, 'it has not its full length');
  }
  if (
    footerBytes < FOOTER_HEAD_BYTES ||
    footerBytes > LIMITS.footerBytes ||
    footerBytes > packBytes - PACK_HEADER_BYTES - PACK_TRAILER_BYTES
  ) {
    throw damagedPack(where, `its footer claims ${footerBytes} bytes`);
  }
  return { footerBytes, footerXxh64: view.readBigUInt64LE(8), packBytes };
}

/** A pack that cannot be used. `where` names it. */
export function damagedPack(where: string, reason: string): DbupError {
  return new DbupError('POOL_DAMAGED', `pack ${where} is damaged: ${reason}`, {
    hint: 'Copy the pool again from where it is whole, or run `dbup repair --from OTHER_POOL`.',
    details: { pack: where, reason },
  });
}
