import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSha256Hex } from '../../../src/hash/sha256.js';
import { load } from '../../../src/operations/load.js';
import { executeRemoval, planRemoval } from '../../../src/operations/rm.js';
import { catalogDirectory } from '../../../src/pool/pool.js';
import { archiveOf } from '../../support/archive-layouts.js';
import { GO_6, gzipBy, layoutOfLayers } from '../../support/gzip-files.js';
import { dockerArchive, imageVersions, layerTar, sha256Of } from '../../support/images.js';
import { CrashRoom } from './crash-room.js';
import { readTree, subtree, type Tree, writeTree } from './tree.js';

const SEED = 77;

/** Pools and images that operations are run on, made once. */
export interface Pools {
  /** Paths of archives to save. */
  inputs: { app: string[]; kept: string; two: string };
  gzipArchive: Uint8Array;
  /** SHA-256 of the archive an image was saved from, by image id. */
  archives: Map<string, string>;
  imageIds: { app: string[]; kept: string; two: string; gzip: string };
  /** Three versions of app:1.0 and one of kept:1. */
  plain: PoolState;
  /** The same after two versions were removed. */
  withGarbage: PoolState;
  /** `plain` in `pool/`, with a damaged pack, a missing one and a damaged snapshot; the whole one in `other/`. */
  damaged: PoolState;
  /** An OCI layout that holds kept:1. */
  layout: Tree;
  /** The catalog of another pool, which has some of the same files. */
  foreignCatalog: Tree;
}

export interface PoolState {
  tree: Tree;
  /** SHA-256 of what a version loads as, by snapshot id; of those that load. */
  versions: Map<string, string>;
}

/** Makes all of it below a directory, which is left with the archives in it. */
export async function makePools(directory: string): Promise<Pools> {
  const app = imageVersions('app:1.0', SEED, 4, { base: 60_000, application: 40_000 });
  const kept = dockerArchive({ references: ['kept:1'], layers: [layerTar(SEED + 50, 2, 20_000)] });
  const two = dockerArchive({ references: ['two:1', 'two:2'], layers: [layerTar(SEED + 60, 2, 15_000)] });
  const plain = layerTar(SEED + 70, 2, 30_000);
  const gzipArchive = archiveOf(layoutOfLayers([{ plain, compressed: gzipBy(GO_6, plain) }]));
  await mkdir(directory, { recursive: true });
  const write = async (name: string, bytes: Uint8Array): Promise<string> => {
    await writeFile(join(directory, name), bytes);
    return join(directory, name);
  };
  const inputs = {
    app: await Promise.all(app.map((bytes, i) => write(`app-${i}.tar`, bytes))),
    kept: await write('kept.tar', kept),
    two: await write('two.tar', two),
  };
  const archives = new Map<string, string>();
  const idOf = async (path: string, bytes: Uint8Array): Promise<string> => {
    const room = new CrashRoom(join(directory, 'scratch'));
    await room.save({ kind: 'archive', path });
    const [version] = (await room.loadAll()).values();
    if (version?.outcome !== sha256Of(bytes))
      throw new Error(`${path} does not come back: ${version?.outcome}`);
    archives.set(version.imageId, version.outcome);
    rmSync(room.root, { recursive: true });
    return version.imageId;
  };
  const imageIds = { app: [] as string[], kept: '', two: '', gzip: '' };
  for (const [i, path] of inputs.app.entries()) imageIds.app.push(await idOf(path, app[i]!));
  imageIds.kept = await idOf(inputs.kept, kept);
  imageIds.two = await idOf(inputs.two, two);
  imageIds.gzip = await idOf(await write('gzip.tar', gzipArchive), gzipArchive);
  const states = await makeStates(join(directory, 'making'), inputs);
  return { inputs, gzipArchive, archives, imageIds, ...states };
}

async function makeStates(
  root: string,
  inputs: Pools['inputs'],
): Promise<Pick<Pools, 'plain' | 'withGarbage' | 'damaged' | 'layout' | 'foreignCatalog'>> {
  let nowMs = Date.parse('2024-03-01T00:00:00Z');
  const later = (): CrashRoom => {
    nowMs += 86_400_000;
    return new CrashRoom(root, { nowMs });
  };
  for (const path of [inputs.kept, ...inputs.app.slice(0, 3)]) await later().save({ kind: 'archive', path });
  const room = later();
  const plain = await stateOf(room);
  const sink = { kind: 'oci-directory', path: join(root, 'layout') } as const;
  await room.with('read', (pool) => load(pool, 'kept:1', sink, {}, room.context));
  const layout = readTree(sink.path);
  rmSync(sink.path, { recursive: true });
  const whole = readTree(root);
  writeTree(root, withDamage(whole));
  const damaged = await stateOf(room);
  writeTree(root, whole);
  await room.with('append', async (pool) => {
    const plan = await planRemoval(pool, { addresses: ['app:1.0~1', 'app:1.0~2'] }, room.context);
    await executeRemoval(pool, plan, room.context);
  });
  const withGarbage = await stateOf(room);
  await room.save({ kind: 'archive', path: inputs.two });
  const cacheRoot = join(root, 'cache');
  await new CrashRoom(root, { cacheRoot }).loadAll();
  const foreignCatalog = readTree(catalogDirectory(cacheRoot, join(root, 'pool')));
  rmSync(root, { recursive: true });
  return { plain, withGarbage, damaged, layout, foreignCatalog };
}

async function stateOf(room: CrashRoom): Promise<PoolState> {
  const loaded = await room.loadAll();
  const whole = [...loaded].filter(([, { outcome }]) => isSha256Hex(outcome));
  const versions = new Map(whole.map(([id, { outcome }]) => [id, outcome]));
  return { tree: readTree(room.root), versions };
}

/** One pack flipped, one gone, one snapshot cut short; what is whole goes to `other/`. */
function withDamage(tree: Tree): Tree {
  const damaged = new Map(tree);
  for (const [name, bytes] of subtree(tree, 'pool')) damaged.set(`other/${name}`, bytes);
  damaged.set('other', null);
  const packs = [...tree.keys()].filter((name) => name.startsWith('pool/packs/'));
  const snapshots = [...tree.keys()].filter((name) => name.startsWith('pool/snapshots/'));
  const flipped = new Uint8Array(tree.get(packs[0]!)!);
  flipped[100] = flipped[100]! ^ 0xff;
  damaged.set(packs[0]!, flipped);
  damaged.delete(packs[1]!);
  damaged.set(snapshots[0]!, tree.get(snapshots[0]!)!.slice(0, 99));
  return new Map([...damaged].sort(([a], [b]) => (a < b ? -1 : 1)));
}
