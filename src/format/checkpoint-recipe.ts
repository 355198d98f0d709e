/** A place in a gzip file from which on it can be made again without what comes before it. */
export interface Checkpoint {
  /** Plain bytes before it, of all members; never 0. */
  plainBytes: number;
  /** Bytes of the gzip file before it. */
  compressedBytes: number;
  /** CRC-32 of the plain bytes of its member before it. */
  crc: number;
  /** What the encoder keeps in mind, but for where it stands; zeros where a member begins. */
  state: Uint8Array;
}

/** docs/format.md, "Checkpoints": the plain bytes of a gzip file, and places from which on it can be made again. */
export interface CheckpointRecipe {
  kind: 'checkpoints';
  sizeBytes: number;
  /** As long as this blob, being the same bytes. */
  inner: { recipeId: string; sizeBytes: number };
  /** In the order of their places. */
  checkpoints: Checkpoint[];
}

/** Bytes of {@link Checkpoint.state}. */
export const CHECKPOINT_STATE_BYTES = 16;

const RECIPE_ID_BYTES = 32;
const ENTRY_BYTES = 36;

/** What follows the head of a checkpoint recipe. */
export function encodeCheckpointBody({ inner, checkpoints }: CheckpointRecipe): Uint8Array {
  const out = Buffer.alloc(RECIPE_ID_BYTES + checkpoints.length * ENTRY_BYTES);
  out.write(inner.recipeId, 0, RECIPE_ID_BYTES, 'hex');
  let at = RECIPE_ID_BYTES;
  for (const { plainBytes, compressedBytes, crc, state } of checkpoints) {
    out.writeBigUInt64LE(BigInt(plainBytes), at);
    out.writeBigUInt64LE(BigInt(compressedBytes), at + 8);
    out.writeUInt32LE(crc, at + 16);
    out.set(state, at + 20);
    at += ENTRY_BYTES;
  }
  return out;
}

/**
 * Reads what {@link encodeCheckpointBody} made. How many there can be is bounded by the bytes.
 * @throws RangeError saying what is wrong; the caller says of which recipe
 */
export function decodeCheckpointBody(bytes: Uint8Array, sizeBytes: number): CheckpointRecipe {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entryBytes = view.length - RECIPE_ID_BYTES;
  if (entryBytes <= 0 || entryBytes % ENTRY_BYTES !== 0) throw new RangeError('it ends within a checkpoint');
  const inner = { recipeId: view.toString('hex', 0, RECIPE_ID_BYTES), sizeBytes };
  const checkpoints: Checkpoint[] = [];
  let before = { plainBytes: 0, compressedBytes: 0 };
  for (let at = RECIPE_ID_BYTES; at < view.length; at += ENTRY_BYTES) {
    const checkpoint = {
      plainBytes: readPlace(view, at),
      compressedBytes: readPlace(view, at + 8),
      crc: view.readUInt32LE(at + 16),
      state: new Uint8Array(view.subarray(at + 20, at + ENTRY_BYTES)),
    };
    const { plainBytes, compressedBytes } = checkpoint;
    const isBehind = plainBytes > before.plainBytes && compressedBytes > before.compressedBytes;
    if (!isBehind || plainBytes > sizeBytes) throw new RangeError('its checkpoints are out of order');
    checkpoints.push(checkpoint);
    before = checkpoint;
  }
  return { kind: 'checkpoints', sizeBytes, inner, checkpoints };
}

function readPlace(view: Buffer, at: number): number {
  const place = view.readBigUInt64LE(at);
  if (place > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError(`it claims ${place} bytes`);
  return Number(place);
}
