import type { SnapshotRecord } from '../catalog/catalog.js';
import type { OperationContext } from '../core/context.js';
import type { DbupError } from '../core/errors.js';
import { isSha256Hex, sha256Hex } from '../hash/sha256.js';
import { BlockCache } from '../pool/block-cache.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import type { ChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { lacksSnapshotsDirectory, NO_SNAPSHOTS_DIRECTORY } from '../pool/snapshots-directory.js';
import { checkParity } from './check-parity.js';
import { type Fault, FaultTrace, MISSING } from './fault-trace.js';
import type { Finding, ParitySummary, VerifyOptions } from './findings.js';
import { type PackReading, readPackFooters, readPacksThrough } from './read-packs.js';
import { readSnapshotFiles } from './read-snapshot-files.js';
import { rebuildBlobs } from './rebuild-blobs.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { addressesOf } from './version-summary.js';
import { newestFirst, resolveVersion } from './versions.js';

const FINDING_CHUNKS = 1000;
const TOP_NAMES = new Set(['dbup-pool.json', 'dbup.lock', 'packs', 'parity', 'snapshots', 'tmp']);
const NO_READING: PackReading = { faults: [], derived: [], misnamed: [], packsRead: 0, bytesRead: 0 };

/** Everything a look at a pool found out: what `verify` tells, and what `repair` works from. */
export interface PoolInspection {
  findings: Finding[];
  imagesHit: string[];
  snapshotsChecked: number;
  /** Of all snapshot files that were there. */
  snapshotIds: ReadonlySet<string>;
  chunks: ChunkCatalog;
  reading: PackReading;
  trace: FaultTrace;
  /** Names of snapshot files that cannot be used. */
  damagedSnapshots: string[];
  /** True when every snapshot file and every recipe could be read, so that what is needed is known. */
  needsKnown: boolean;
  /** null when only one version was looked at. */
  parity: ParitySummary | null;
}

/**
 * Looks at a pool and changes nothing. Snapshots are listed before packs: what a save adds meanwhile cannot look
 * incomplete. Blocks are read by `workers`, which must not have read files that have been replaced since.
 */
export async function inspectPool(
  pool: Pool,
  workers: BlockWorkers,
  options: VerifyOptions & { seed: number },
  context: OperationContext,
): Promise<PoolInspection> {
  const snapshots = await readSnapshotFiles(pool, context);
  // The catalog may remember what a snapshot file that is damaged now was.
  const known = await pool.catalog.snapshots();
  const addresses = addressesOf(mergeRecords(snapshots.records, known.records));
  if (options.address !== undefined)
    await refuseDoubtfulVersion(pool, snapshots.records, snapshots.unusable, options.address);
  const chosen = options.address === undefined ? null : resolveVersion(snapshots.records, options.address);
  const records = chosen ? [chosen] : snapshots.records;
  const chunks = await readPackFooters(pool, context);
  const cache = new BlockCache(pool.layout, chunks, workers);
  const newTrace = (): FaultTrace => new FaultTrace(cache, chunks, context.signal);
  const reading = await readData({ pool, workers, chunks, context }, options, chosen, newTrace);
  const trace = newTrace();
  for (const { fault, address } of reading.faults) {
    for (const id of fault.chunks) {
      const entry = chunks.table.find(Buffer.from(id, 'hex'));
      const place = chunks.table.location(entry);
      if (place.packIndex === address.packIndex && place.blockIndex === address.blockIndex)
        trace.addFault(entry, fault);
    }
  }
  const hits = await traceAll(trace, records, addresses, context);
  const isWhole = options.readData === true || options.readData === 100;
  const blobs = isWhole ? await rebuildBlobs({ cache, trace, context }, records, addresses) : [];
  const parity = chosen ? null : await checkParity({ pool, workers, chunks, context }, { readData: isWhole });
  const findings = [
    ...(chosen ? [] : snapshotFindings(snapshots.unusable, addresses)),
    ...packFindings(chunks, reading, hits, chosen !== null),
    ...faultFindings([...reading.faults.map(({ fault }) => fault), ...trace.found], hits),
    ...missingFinding(trace, hits),
    ...blobs,
    ...(parity?.findings ?? []),
    ...(chosen ? [] : await missingDirectory(pool)),
    ...(chosen ? [] : await foreignFiles(pool)),
  ];
  return {
    findings,
    imagesHit: [...new Set(findings.flatMap(({ images }) => images))],
    snapshotsChecked: records.length + (chosen ? 0 : snapshots.unusable.length),
    snapshotIds: new Set([
      ...snapshots.records.map(({ id }) => id),
      ...snapshots.unusable.map(({ name }) => name),
    ]),
    chunks,
    reading,
    trace,
    damagedSnapshots: snapshots.unusable.map(({ name }) => name),
    needsKnown: snapshots.unusable.length === 0 && trace.complete,
    parity: parity?.summary ?? null,
  };
}

function mergeRecords(
  read: readonly SnapshotRecord[],
  remembered: readonly SnapshotRecord[],
): SnapshotRecord[] {
  return [...new Map([...remembered, ...read].map((record) => [record.id, record])).values()];
}

async function readData(
  parts: { pool: Pool; workers: BlockWorkers; chunks: ChunkCatalog; context: OperationContext },
  { readData: wanted, seed }: VerifyOptions & { seed: number },
  chosen: SnapshotRecord | null,
  newTrace: () => FaultTrace,
): Promise<PackReading> {
  if (wanted === false) return NO_READING;
  const { chunks } = parts;
  const all = chunks.packs.map((_, packIndex) => packIndex);
  if (!chosen) return readPacksThrough(parts, choosePart(chunks, all, wanted, seed));
  const trace = newTrace();
  await trace.faultsOf(chosen.snapshot);
  const blocks = new Map<number, Set<number>>();
  for (let entry = 0; entry < chunks.table.count; entry++) {
    if (!trace.needs(entry)) continue;
    const { packIndex, blockIndex } = chunks.table.location(entry);
    const inPack = blocks.get(packIndex) ?? new Set();
    blocks.set(packIndex, inPack.add(blockIndex));
  }
  const needed = choosePart(chunks, [...blocks.keys()], wanted, seed);
  return readPacksThrough(parts, needed, ({ packIndex, blockIndex }) =>
    blocks.get(packIndex)!.has(blockIndex),
  );
}

/** A part of the packs in percent, at least one: those whose name and the seed hash to the least. */
function choosePart(
  { packs }: ChunkCatalog,
  packIndexes: number[],
  part: true | number,
  seed: number,
): number[] {
  if (part === true || part >= 100) return packIndexes;
  const count = Math.max(1, Math.round((packIndexes.length * part) / 100));
  return packIndexes
    .map((packIndex) => ({ packIndex, rank: sha256Hex(Buffer.from(`${seed}:${packs[packIndex]!.name}`)) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .slice(0, count)
    .map(({ packIndex }) => packIndex);
}

type Hits = Map<Fault | typeof MISSING, string[]>;

async function traceAll(
  trace: FaultTrace,
  records: readonly SnapshotRecord[],
  addresses: ReadonlyMap<string, string>,
  context: OperationContext,
): Promise<Hits> {
  const hits: Hits = new Map();
  const task = 'following recipes';
  context.report({ type: 'start', task, subject: `${records.length} snapshots` });
  for (const { id, snapshot } of [...records].sort(newestFirst)) {
    for (const fault of await trace.faultsOf(snapshot)) {
      const images = hits.get(fault) ?? [];
      hits.set(fault, images);
      images.push(addresses.get(id)!);
    }
  }
  context.report({ type: 'end', task });
  return hits;
}

function snapshotFindings(
  unusable: readonly { name: string; error: DbupError }[],
  addresses: ReadonlyMap<string, string>,
): Finding[] {
  return unusable.map(({ name, error }) => {
    if (error.code === 'POOL_FORMAT_UNSUPPORTED') throw error;
    const address = addresses.get(name);
    return {
      kind: 'snapshot-damaged',
      severity: 'damage',
      file: `snapshots/${name}`,
      message: error.message,
      images: address === undefined ? [] : [address],
    };
  });
}

/** What an unusable pack held is unknown: it may be what the incomplete images lack. */
function packFindings(
  { unusablePacks }: ChunkCatalog,
  { misnamed, faults }: PackReading,
  hits: Hits,
  onlyHit: boolean,
): Finding[] {
  const incomplete = hits.get(MISSING) ?? [];
  const unusable = onlyHit && incomplete.length === 0 ? [] : unusablePacks;
  const imagesIn = (pack: string): string[] => [
    ...new Set(
      faults.filter(({ fault }) => fault.pack === pack).flatMap(({ fault }) => hits.get(fault) ?? []),
    ),
  ];
  return [
    ...unusable.map(
      ({ name, error }): Finding => ({
        kind: 'pack-footer-damaged',
        severity: 'damage',
        file: `packs/${name}`,
        message: error.message,
        images: incomplete,
      }),
    ),
    ...misnamed.map(
      ({ name, message }): Finding => ({
        kind: 'pack-damaged',
        severity: 'damage',
        file: `packs/${name}`,
        message,
        images: imagesIn(name),
      }),
    ),
  ];
}

function faultFindings(faults: readonly Fault[], hits: Hits): Finding[] {
  return faults.map((fault) => ({
    kind: fault.kind,
    severity: 'damage',
    file: `packs/${fault.pack}`,
    message: fault.message,
    chunks: fault.chunks.slice(0, FINDING_CHUNKS),
    images: hits.get(fault) ?? [],
  }));
}

function missingFinding({ missing }: FaultTrace, hits: Hits): Finding[] {
  if (missing.count === 0) return [];
  const chunks = Array.from({ length: Math.min(missing.count, FINDING_CHUNKS) }, (_, entry) =>
    Buffer.from(missing.id(entry)).toString('hex'),
  );
  const images = hits.get(MISSING) ?? [];
  const message = `${missing.count} chunk(s) that ${images.length} version(s) need are in no pack: sync the pool again from where it is whole`;
  return [{ kind: 'chunk-missing', severity: 'incomplete', message, chunks, images }];
}

async function missingDirectory(pool: Pool): Promise<Finding[]> {
  if (!(await lacksSnapshotsDirectory(pool))) return [];
  const message = NO_SNAPSHOTS_DIRECTORY;
  return [{ kind: 'snapshots-missing', severity: 'incomplete', file: 'snapshots', message, images: [] }];
}

async function foreignFiles({ fs, layout }: Pool): Promise<Finding[]> {
  const files = (await fs.list(layout.directory)).filter((name) => !TOP_NAMES.has(name));
  for (const [label, directory] of [
    ['packs', layout.packsDirectory],
    ['parity', layout.parityDirectory],
    ['snapshots', layout.snapshotsDirectory],
  ] as const) {
    if ((await fs.info(directory)) === null) continue;
    for (const name of await fs.list(directory)) if (!isSha256Hex(name)) files.push(`${label}/${name}`);
  }
  return files.sort().map((file) => ({
    kind: 'foreign-file',
    severity: 'note',
    file,
    message: `${file} is none of the pool's files (a copy that was cut off?); it does no harm`,
    images: [],
  }));
}
