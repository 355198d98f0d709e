import { access, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quietContext } from '../../src/core/context.js';
import { DbupError } from '../../src/core/errors.js';
import type { Finding, VerifyResult } from '../../src/operations/findings.js';
import { listImages, listVersions } from '../../src/operations/list.js';
import { load } from '../../src/operations/load.js';
import { repair } from '../../src/operations/repair.js';
import { verify } from '../../src/operations/verify.js';
import { openPool, type PoolAccess } from '../../src/pool/pool.js';
import type { SmallPool } from '../operations/small-pool.js';
import { treeOf } from '../support/pool-room.js';
import { seededRandom } from '../support/tar-builder.js';
import { SHARE_PERCENT } from './bit-rot-pools.js';
import { corrupt } from './corruption.js';

const context = quietContext();

export interface BitRotOptions {
  seed: number;
  count: number;
  /** Every so manieth corruption is healed from parity, where it is no more than the share. */
  healEvery: number;
}

/** What a run came to; `unfound`, `wronglyNamed` and the like must be empty. */
export interface BitRotFigures {
  corruptions: number;
  found: number;
  byFile: Record<string, number>;
  byKind: Record<string, number>;
  /** Loads of versions that no finding names, which came back bit for bit. */
  loadedExactly: number;
  /** Loads of versions that a finding names, which ended in an error and left nothing. */
  refused: number;
  healed: number;
  failures: string[];
}

/** Damages one file of the pool at a time, looks whether verify says all there is to say, loads versions, heals, and puts the file back. */
export async function runBitRot(pool: SmallPool, options: BitRotOptions): Promise<BitRotFigures> {
  const random = seededRandom(options.seed);
  const sound = await treeOf(pool.directory);
  const files = Object.keys(sound).filter((name) => name !== 'dbup.lock');
  const expected = await archives(pool);
  const figures: BitRotFigures = {
    ...{ corruptions: 0, found: 0, byFile: {}, byKind: {} },
    ...{ loadedExactly: 0, refused: 0, healed: 0, failures: [] },
  };
  for (let number = 0; number < options.count; number++) {
    const file = files[Math.floor(random() * files.length)]!;
    const path = join(pool.directory, file);
    const original = await readFile(path);
    const { kind, bytes, hitBytes } = corrupt(original, random);
    await writeFile(path, bytes);
    const where = `seed ${options.seed}, corruption ${number}: ${kind} in ${file}`;
    const directory = file.includes('/') ? file.slice(0, file.indexOf('/')) : file;
    figures.corruptions++;
    figures.byFile[directory] = (figures.byFile[directory] ?? 0) + 1;
    figures.byKind[kind] = (figures.byKind[kind] ?? 0) + 1;
    const result = await verifyAll(pool);
    const said = complaintsOf(result, file);
    if (said.length === 0) figures.found++;
    figures.failures.push(...said.map((what) => `${where}: ${what}`));
    const addresses = [...expected.keys()];
    const address = addresses[Math.floor(random() * addresses.length)]!;
    const verdict = await loadVerdict(pool, address, expected.get(address)!);
    const isHit = result.imagesHit.includes(address);
    if (verdict === 'exact' && !isHit) figures.loadedExactly++;
    else if (verdict === 'refused' && isHit) figures.refused++;
    else if (verdict !== 'exact')
      figures.failures.push(
        `${where}: ${address} is ${isHit ? '' : 'not '}named, and its load is ${verdict}`,
      );
    if (number % options.healEvery === 0 && hitBytes * 100 <= original.length * SHARE_PERCENT) {
      await withPool(pool, 'exclusive', (open) => repair(open, null, context));
      const tree = await treeOf(pool.directory);
      const same = files.every((name) => tree[name] === sound[name]);
      if (same) figures.healed++;
      else figures.failures.push(`${where}: not healed`);
    }
    await rm(path, { force: true });
    await writeFile(path, original);
  }
  return figures;
}

/** What verify should have said of damage in a file and did not. */
function complaintsOf(result: VerifyResult, file: string): string[] {
  const isDamage = ({ severity }: Finding): boolean => severity === 'damage';
  const complaints: string[] = [];
  if (!result.damaged) complaints.push('not found');
  if (!result.findings.some((finding) => isDamage(finding) && finding.file === file))
    complaints.push('the file is not named');
  if (result.findings.some((finding) => isDamage(finding) && finding.file !== file))
    complaints.push('another file is named');
  const hitsImages = file.startsWith('packs/') && result.imagesHit.length > 0;
  if (hitsImages && !result.findings.some(({ chunks }) => (chunks?.length ?? 0) > 0))
    complaints.push('no chunks are named');
  return complaints;
}

async function withPool<T>(
  { directory }: SmallPool,
  access: PoolAccess,
  work: (pool: Awaited<ReturnType<typeof openPool>>) => Promise<T>,
): Promise<T> {
  const pool = await openPool(directory, { access, cacheRoot: null, threads: 1, despiteDescriptor: true });
  try {
    return await work(pool);
  } finally {
    await pool.close();
  }
}

function verifyAll(pool: SmallPool): Promise<VerifyResult> {
  return withPool(pool, 'read', (open) => verify(open, { readData: true }, context));
}

/** Every version by its address, as it was saved. */
async function archives(pool: SmallPool): Promise<Map<string, Buffer>> {
  const addresses = await pool.with('read', async (open) => {
    const { images } = await listImages(open, context);
    const lists = await Promise.all(images.map(({ reference }) => listVersions(open, reference, context)));
    return lists.flat().map(({ address }) => address);
  });
  const saved = new Map<string, Buffer>();
  for (const address of addresses) saved.set(address, await pool.load(address));
  return saved;
}

async function loadVerdict(
  pool: SmallPool,
  address: string,
  expected: Buffer,
): Promise<'exact' | 'refused' | 'wrong' | 'refused, with something left'> {
  const path = join(pool.root, 'out.tar');
  await rm(path, { force: true });
  try {
    const sink = { kind: 'file', path, format: 'saved' } as const;
    await pool.with('read', (open) => load(open, address, sink, {}, context));
  } catch (error) {
    if (!(error instanceof DbupError)) throw error;
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    return isThere ? 'refused, with something left' : 'refused';
  }
  return Buffer.compare(await readFile(path), expected) === 0 ? 'exact' : 'wrong';
}
