import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';

/** docs/format.md, "List node": 40 bytes an entry, a chunk id and the plain bytes it stands for (u64). */
export const LIST_ENTRY_BYTES = 40;

/** Encodes list entries: `ids` holds 32 bytes each, `sizes` the plain bytes each covers. */
export function encodeListNode(ids: readonly Uint8Array[], sizes: readonly number[]): Uint8Array {
  const out = Buffer.alloc(ids.length * LIST_ENTRY_BYTES);
  for (let i = 0; i < ids.length; i++) {
    out.set(ids[i]!, i * LIST_ENTRY_BYTES);
    out.writeBigUInt64LE(BigInt(sizes[i]!), i * LIST_ENTRY_BYTES + 32);
  }
  return out;
}

/** A decoded list node; `ids[i]` is a view of the node's bytes. */
export interface ListNode {
  ids: Uint8Array[];
  sizes: number[];
}

/**
 * Decodes a list node and checks that its entries cover exactly `expectedBytes`.
 * @throws DbupError POOL_DAMAGED
 */
export function decodeListNode(bytes: Uint8Array, expectedBytes: number, where: string): ListNode {
  if (bytes.length === 0 || bytes.length % LIST_ENTRY_BYTES !== 0 || bytes.length > LIMITS.chunkBytes) {
    throw damagedNode(where, `it has ${bytes.length} bytes`);
  }
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ids: Uint8Array[] = [];
  const sizes: number[] = [];
  let total = 0;
  for (let at = 0; at < view.length; at += LIST_ENTRY_BYTES) {
    const size = Number(view.readBigUInt64LE(at + 32));
    if (size === 0 || !Number.isSafeInteger(size)) throw damagedNode(where, `an entry covers ${size} bytes`);
    ids.push(view.subarray(at, at + 32));
    sizes.push(size);
    total += size;
  }
  if (total !== expectedBytes)
    throw damagedNode(where, `it covers ${total} bytes where ${expectedBytes} are expected`);
  return { ids, sizes };
}

function damagedNode(where: string, reason: string): DbupError {
  return new DbupError('POOL_DAMAGED', `list node ${where} is damaged: ${reason}`, {
    hint: 'Run `dbup verify --read-data`, then `dbup repair --from OTHER_POOL`.',
    details: { chunk: where, reason },
  });
}
