import { randomBytes } from 'node:crypto';
import { DEFAULT_CHUNKER_PARAMETERS } from '../chunk/chunker-parameters.js';
import { DbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import { decodeDescriptor, descriptorDoubt, encodeDescriptor, POOL_FORMAT } from '../format/descriptor.js';
import { openCopy, readParityFiles } from '../pool/parity-file.js';
import type { Pool } from '../pool/pool.js';
import { readPoolFile } from '../pool/read-pool-file.js';
import { writeDurably } from '../store/durable-file.js';
import type { Finding } from './findings.js';

const FILE = 'dbup-pool.json';

/** Reads the descriptor as it is now. @param images addresses of all versions: no other command opens the pool when it is damaged */
export async function checkDescriptor({ fs, layout }: Pool, images: readonly string[]): Promise<Finding[]> {
  const message = damageOf(await readPoolFile(fs, layout.descriptorPath, LIMITS.descriptorBytes + 1));
  if (message === null) return [];
  return [{ kind: 'descriptor-damaged', severity: 'damage', file: FILE, message, images: [...images] }];
}

function damageOf(bytes: Uint8Array | null): string | null {
  if (bytes === null) return `${FILE} is not a file`;
  try {
    const doubt = descriptorDoubt(bytes, decodeDescriptor(bytes, FILE));
    return doubt && `${FILE} is damaged: ${doubt}`;
  } catch (error) {
    if (error instanceof DbupError && error.code === 'POOL_DAMAGED') return error.message;
    throw error;
  }
}

/**
 * Puts a descriptor in the place of one that is damaged: the pool's own from a parity file, else that of the other pool,
 * else a new one, for nothing that is stored rests on it.
 */
export async function healDescriptor(
  pool: Pool,
  other: Pool | null,
): Promise<{ file: string; action: 'healed' | 'replaced' | 'rewritten'; sizeBytes: number } | null> {
  const { fs, layout } = pool;
  if ((await checkDescriptor(pool, [])).length === 0) return null;
  if ((await fs.info(layout.descriptorPath))?.isDirectory) return null;
  const { files } = await readParityFiles(pool);
  const copies = files.flatMap(({ set }) => set.copies.filter(({ kind }) => kind === 'descriptor'));
  const own = copies.map(openCopy).find((bytes) => bytes !== null && damageOf(bytes) === null);
  const theirs = other && (await readPoolFile(other.fs, other.layout.descriptorPath, LIMITS.descriptorBytes));
  const bytes = own ?? theirs ?? newDescriptor();
  await writeDurably(fs, layout.temporaryDirectory, layout.directory, bytes, FILE);
  return { file: FILE, action: own ? 'healed' : theirs ? 'replaced' : 'rewritten', sizeBytes: bytes.length };
}

function newDescriptor(): Uint8Array {
  return encodeDescriptor({
    format: POOL_FORMAT,
    poolId: randomBytes(16).toString('hex'),
    createdAt: new Date().toISOString(),
    features: [],
    chunker: DEFAULT_CHUNKER_PARAMETERS,
  });
}
