import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { sha256Hex } from '../hash/sha256.js';
import { shortName } from '../store/pack-file.js';
import { type BlockAddress, type ChunkCatalog, locateChunk } from './chunk-catalog.js';

/** A base of a delta block, in a block that holds it. */
export interface PlannedBase {
  /** Its place among the bases of the delta block. */
  number: number;
  offsetBytes: number;
  sizeBytes: number;
  id: Uint8Array;
}

/** A block to be read for bases that lie in it. */
export interface BaseBlock extends BlockAddress {
  depth: number;
  bases: PlannedBase[];
}

/** What is wrong with a base, as errors about the delta block name it in `details.base`. */
export interface BaseFault {
  pack: string;
  blockOffsetBytes: number;
  /** 64 hex digits; absent when the whole block cannot be read. */
  chunk?: string;
}

/**
 * Where the bases of a delta block lie: the blocks to read, those that lean on others themselves first.
 * @throws DbupError POOL_INCOMPLETE when a base is not there, or only in a block that is no shallower than the one
 * that leans on it: then the copy that this was written against is missing; POOL_DAMAGED when they are too many bytes
 */
export function planBases(chunks: ChunkCatalog, address: BlockAddress): BaseBlock[] {
  const blocks = new Map<string, BaseBlock>();
  for (const { packIndex, blockIndex, depth, ...base } of basesInOrder(chunks, address)) {
    const key = `${packIndex}:${blockIndex}`;
    const planned = blocks.get(key) ?? { packIndex, blockIndex, depth, bases: [] };
    planned.bases.push(base);
    blocks.set(key, planned);
  }
  return [...blocks.values()].sort((a, b) => b.depth - a.depth);
}

/** The bases of a delta block, in the order of their numbers. @throws DbupError like {@link planBases} */
export function* basesInOrder(
  chunks: ChunkCatalog,
  address: BlockAddress,
): Generator<PlannedBase & BlockAddress & { depth: number }> {
  const { name, footer } = chunks.packs[address.packIndex]!;
  const block = footer.blocks[address.blockIndex]!;
  let totalBytes = 0;
  for (let number = 0; number < block.baseCount; number++) {
    const at = (block.firstBase + number) * 32;
    const id = footer.baseIds.subarray(at, at + 32);
    const place = locateChunk(chunks, id);
    if (place === null) throw missingBase(name, block.offsetBytes, id, 'it is in no pack');
    const { packIndex, blockIndex, offsetBytes, sizeBytes } = place;
    const { depth } = chunks.packs[packIndex]!.footer.blocks[blockIndex]!;
    if (depth >= block.depth) {
      throw missingBase(name, block.offsetBytes, id, `its only copies lie at depth ${depth} and more`);
    }
    totalBytes += sizeBytes;
    if (totalBytes > LIMITS.deltaBaseBytes) throw tooManyBytes(name, block.offsetBytes);
    yield { number, id, packIndex, blockIndex, depth, offsetBytes, sizeBytes };
  }
}

/** Compares the bases of a delta block with their ids. @param pieces their bytes @returns the first that is wrong, or null */
export function findBadBase(
  chunks: ChunkCatalog,
  { packIndex, blockIndex }: BlockAddress,
  pieces: readonly Uint8Array[],
): BaseFault | null {
  const { footer } = chunks.packs[packIndex]!;
  const { firstBase } = footer.blocks[blockIndex]!;
  for (let number = 0; number < pieces.length; number++) {
    const id = footer.baseIds.subarray((firstBase + number) * 32, (firstBase + number + 1) * 32);
    const chunk = Buffer.from(id).toString('hex');
    if (sha256Hex(pieces[number]!) === chunk) continue;
    const place = locateChunk(chunks, id)!;
    const { name, footer: baseFooter } = chunks.packs[place.packIndex]!;
    return { pack: name, blockOffsetBytes: baseFooter.blocks[place.blockIndex]!.offsetBytes, chunk };
  }
  return null;
}

/** The delta block that an error is about. */
export interface LeaningBlock {
  packName: string;
  blockOffsetBytes: number;
}

/**
 * Says that a delta block cannot be decoded because one of its bases is not what its id says. What has to be healed is the
 * base's pack: `details.pack` and `details.base` name it, `details.block` the block that leans on it.
 */
export function wrongBase(block: LeaningBlock, base: BaseFault): DbupError {
  const chunk = base.chunk === undefined ? '' : `chunk ${shortName(base.chunk)} of `;
  return new DbupError(
    'POOL_DAMAGED',
    `${placeOf(block)}: its base, ${chunk}pack ${shortName(base.pack)}, is not what its id says`,
    {
      hint: 'Run `dbup verify --read-data` to see what else is hit, then `dbup repair --from OTHER_POOL`.',
      details: { ...base, base, block: { pack: block.packName, blockOffsetBytes: block.blockOffsetBytes } },
    },
  );
}

/** Like {@link wrongBase}, of a base that cannot be read at all; the code and the details are those of what kept it from being read. */
export function unreadableBase(block: LeaningBlock, base: BaseFault, cause: DbupError): DbupError {
  return new DbupError(cause.code, `${placeOf(block)}: its base cannot be read: ${cause.message}`, {
    ...(cause.hint !== undefined && { hint: cause.hint }),
    details: {
      ...cause.details,
      base: cause.details.base ?? base,
      block: { pack: block.packName, blockOffsetBytes: block.blockOffsetBytes },
    },
    cause,
  });
}

function placeOf({ packName, blockOffsetBytes }: LeaningBlock): string {
  return `pack ${shortName(packName)}, block at ${blockOffsetBytes}`;
}

function missingBase(packName: string, blockOffsetBytes: number, id: Uint8Array, reason: string): DbupError {
  const chunk = Buffer.from(id).toString('hex');
  return new DbupError(
    'POOL_INCOMPLETE',
    `the pool is incomplete: it lacks chunk ${shortName(chunk)}, a base of the block at ${blockOffsetBytes} of pack ${shortName(packName)}: ${reason}`,
    {
      hint: 'Sync the pool again from where it is whole: an interrupted copy is completed by repeating it.',
      details: { chunk, pack: packName, blockOffsetBytes },
    },
  );
}

function tooManyBytes(packName: string, blockOffsetBytes: number): DbupError {
  return new DbupError(
    'POOL_DAMAGED',
    `pack ${shortName(packName)}, block at ${blockOffsetBytes}: its bases have more than ${LIMITS.deltaBaseBytes} bytes`,
    {
      hint: 'No version of dbup writes such a block. Run `dbup repair --from OTHER_POOL`.',
      details: { pack: packName, blockOffsetBytes },
    },
  );
}
