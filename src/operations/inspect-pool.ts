import type { SnapshotRecord } from '../catalog/catalog.js';
import type { OperationContext } from '../core/context.js';
import type { DbupError } from '../core/errors.js';
import { isSha256Hex } from '../hash/sha256.js';
import { BlockCache } from '../pool/block-cache.js';
import type { BlockWorkers } from '../pool/block-workers.js';
import type { ChunkCatalog } from '../pool/chunk-catalog.js';
import type { Pool } from '../pool/pool.js';
import { lacksSnapshotsDirectory, NO_SNAPSHOTS_DIRECTORY } from '../pool/snapshots-directory.js';
import { checkDescriptor } from './check-descriptor.js';
import { checkProgress } from './check-order.js';
import { checkParity, type ParityCheck } from './check-parity.js';
import { type Fault, FaultTrace, MISSING } from './fault-trace.js';
import type { CheckProgress, Finding, ParitySummary, VerifyOptions } from './findings.js';
import { readData } from './read-data.js';
import { type PackReading, readPackFooters } from './read-packs.js';
import { readSnapshotFiles } from './read-snapshot-files.js';
import { rebuildBlobs } from './rebuild-blobs.js';
import { snapshotCopies } from './snapshot-copies.js';
import { refuseDoubtfulVersion } from './version-doubts.js';
import { addressesOf } from './version-summary.js';
import { newestFirst, resolveVersion } from './versions.js';

const FINDING_CHUNKS = 1000;
const TOP_NAMES = new Set(['dbup-pool.json', 'dbup.lock', 'packs', 'parity', 'snapshots', 'tmp']);

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
  /** null when no data was read, or that of one version. */
  checked: CheckProgress | null;
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
  // The catalog may remember what a snapshot file that is damaged now was, and parity files hold copies.
  const known = await pool.catalog.snapshots();
  const copies = await snapshotCopies(pool, snapshots.unusable);
  const addresses = addressesOf(mergeRecords(snapshots.records, [...known.records, ...copies]));
  if (options.address !== undefined)
    await refuseDoubtfulVersion(pool, snapshots.records, snapshots.unusable, options.address);
  const chosen = options.address === undefined ? null : resolveVersion(snapshots.records, options.address);
  const records = chosen ? [chosen] : snapshots.records;
  const chunks = await readPackFooters(pool, context);
  const cache = new BlockCache(pool.layout, chunks, workers);
  const newTrace = (): FaultTrace => new FaultTrace(cache, chunks, context.signal);
  const { maxDurationMs } = options;
  const untilMs = context.now() + (maxDurationMs ?? 0);
  const isTimeUp = maxDurationMs === undefined ? null : (): boolean => context.now() >= untilMs;
  const isWhole = !isTimeUp && (options.readData === true || options.readData === 100);
  const parts = { pool, workers, chunks, context };
  const parity = chosen
    ? null
    : await checkParity(parts, { readData: isWhole || isTimeUp !== null, isTimeUp });
  const reading = await readData(parts, options, chosen, newTrace, isTimeUp);
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
  const blobs = isWhole ? await rebuildBlobs({ cache, trace, context }, records, addresses) : [];
  rememberDamage(pool, chunks, trace.found);
  const findings = [
    ...(await checkDescriptor(pool, chosen ? [addresses.get(chosen.id)!] : [...addresses.values()])),
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
    checked: parity && options.readData !== false ? checkedSoFar(pool, chunks, parity, reading) : null,
  };
}

/** For the next save, which must not rely on blocks that cannot be read. */
function rememberDamage(pool: Pool, { packs, table }: ChunkCatalog, faults: readonly Fault[]): void {
  for (const { pack, chunks } of faults) {
    const entry = table.find(Buffer.from(chunks[0]!, 'hex'));
    if (entry < 0) continue;
    const { packIndex, blockIndex } = table.location(entry);
    const { name, footer } = packs[packIndex]!;
    if (name === pack) pool.checks.addDamage(`packs/${pack}`, footer.blocks[blockIndex]!.offsetBytes);
  }
}

function checkedSoFar(
  pool: Pool,
  { packs, unusablePacks }: ChunkCatalog,
  parity: ParityCheck,
  { packsRead }: PackReading,
): CheckProgress {
  const files = [...packs.map(({ name }) => `packs/${name}`), ...parity.files];
  pool.checks.keepOnly(new Set([...files, ...unusablePacks.map(({ name }) => `packs/${name}`)]));
  return checkProgress(files, pool.checks, packsRead + parity.filesRead);
}

function mergeRecords(
  read: readonly SnapshotRecord[],
  remembered: readonly SnapshotRecord[],
): SnapshotRecord[] {
  return [...new Map([...remembered, ...read].map((record) => [record.id, record])).values()];
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
