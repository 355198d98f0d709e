import type { GzipPart } from '../compress/exact/gzip-parts.js';
import { STATE_HISTORY_BYTES } from '../compress/exact/resumable-encoder.js';
import { DbupError } from '../core/errors.js';
import type { GzipRecipe } from '../format/gzip-recipe.js';
import type { BlobRef } from '../format/recipe.js';
import { openParts, readGzipInner, readRecipe } from './blob-source.js';
import type { BlockCache } from './block-cache.js';
import { type ByteSource, NOTHING, skipBytes } from './byte-source.js';
import { GzipSource, partsOf } from './gzip-source.js';

/** Bytes of a blob. */
export interface ByteRange {
  offsetBytes: number;
  /** The range ends with the blob if it is shorter. */
  sizeBytes: number;
}

/**
 * Some of a blob's bytes. Of a gzip file that is made again, no more is made than the parts between checkpoints that the range
 * lies in; one without checkpoints is made from its beginning to the range's end.
 *
 * The digest covers the whole blob only. What it was proven to be made of is checked, chunk by chunk.
 * @throws DbupError USAGE when the range begins behind the blob's end, else as `openBlob`. The caller closes the source
 */
export async function openBlobRange(
  cache: BlockCache,
  { recipeId, sizeBytes }: Pick<BlobRef, 'recipeId' | 'sizeBytes'>,
  range: ByteRange,
): Promise<ByteSource> {
  const { offsetBytes } = range;
  if (offsetBytes > sizeBytes) {
    throw new DbupError('USAGE', `a range begins at ${offsetBytes}, where the blob has ${sizeBytes} bytes`, {
      hint: 'Ask for a range within the blob.',
    });
  }
  const wanted = { offsetBytes, sizeBytes: Math.min(range.sizeBytes, sizeBytes - offsetBytes) };
  const recipe = await readRecipe(cache, recipeId, sizeBytes);
  if (recipe.kind === 'gzip') return openGzipRange(cache, recipe, wanted);
  return RangeSource.open(await openParts(cache, recipe, true, 1), wanted);
}

async function openGzipRange(cache: BlockCache, recipe: GzipRecipe, range: ByteRange): Promise<ByteSource> {
  const { inner, checkpoints, corrections } = await readGzipInner(cache, recipe, 1);
  // Corrections are of use from the beginning on only.
  if (corrections) return RangeSource.open(await openParts(cache, recipe, true, 1), range);
  const parts = partsIn(partsOf(recipe, checkpoints), range);
  const first = parts[0]!;
  const historyBytes = Math.min(first.plainAt, STATE_HISTORY_BYTES);
  const plain = await openParts(cache, inner, true, checkpoints.length > 0 ? 3 : 2);
  try {
    await skipBytes(plain, first.plainAt - historyBytes);
    const history = await readExactly(plain, historyBytes);
    const source = new GzipSource(cache.gzip, recipe, plain, { parts, history });
    return await RangeSource.open(source, { ...range, offsetBytes: range.offsetBytes - first.encodedAt });
  } catch (error) {
    await plain.close();
    throw error;
  }
}

/** Those that have bytes of a range; one, if it has none itself. */
function partsIn(parts: readonly GzipPart[], { offsetBytes, sizeBytes }: ByteRange): GzipPart[] {
  const first = parts.findLastIndex(({ encodedAt }) => encodedAt <= offsetBytes);
  const behind = parts.findIndex(({ encodedAt }, i) => i > first && encodedAt >= offsetBytes + sizeBytes);
  return parts.slice(first, behind < 0 ? parts.length : behind);
}

async function readExactly(source: ByteSource, byteCount: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteCount);
  for (let fill = 0; fill < byteCount; ) {
    if (source.current.length === 0 && !(await source.advance())) {
      throw new DbupError('POOL_DAMAGED', 'a blob is shorter than its recipe says', {
        hint: 'Run `dbup verify`.',
      });
    }
    const taken = Math.min(source.current.length, byteCount - fill);
    bytes.set(source.current.subarray(0, taken), fill);
    source.consume(taken);
    fill += taken;
  }
  return bytes;
}

/** The first bytes of what is left of a source, which it closes. */
class RangeSource implements ByteSource {
  readonly #source: ByteSource;
  #leftBytes: number;

  private constructor(source: ByteSource, sizeBytes: number) {
    this.#source = source;
    this.#leftBytes = sizeBytes;
  }

  static async open(source: ByteSource, { offsetBytes, sizeBytes }: ByteRange): Promise<RangeSource> {
    try {
      await skipBytes(source, offsetBytes);
    } catch (error) {
      await source.close();
      throw error;
    }
    return new RangeSource(source, sizeBytes);
  }

  get current(): Uint8Array {
    return this.#leftBytes === 0 ? NOTHING : this.#source.current.subarray(0, this.#leftBytes);
  }

  consume(byteCount: number): void {
    this.#leftBytes -= byteCount;
    this.#source.consume(byteCount);
  }

  async advance(): Promise<boolean> {
    return this.#leftBytes > 0 && (this.current.length > 0 || this.#source.advance());
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}
