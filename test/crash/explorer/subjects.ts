import { DbupError } from '../../../src/core/errors.js';
import type { GcOptions } from '../../../src/operations/gc-plan.js';
import { load } from '../../../src/operations/load.js';
import { repair } from '../../../src/operations/repair.js';
import { executeRemoval, planRemoval, type RemovalRequest } from '../../../src/operations/rm.js';
import { rollback } from '../../../src/operations/rollback.js';
import type { SaveSource } from '../../../src/operations/save.js';
import { tagVersion } from '../../../src/operations/tag.js';
import { sha256Of } from '../../support/images.js';
import { exportingEngine } from '../../support/pool-room.js';
import type { CrashRoom } from './crash-room.js';
import { layoutProblems } from './layout-problems.js';
import type { PoolState, Pools } from './pools.js';
import type { Subject } from './subject.js';
import { readTree } from './tree.js';

const OLD_OUTPUT = new TextEncoder().encode('what was there before');
/** Takes every byte of garbage out, so that packs are rewritten. */
const ALL_GARBAGE = { maxUnusedPercent: 0, minGarbagePercent: 0 };
const REPACK = { repack: { level: 6 } };

/** Every operation that changes a pool or writes an image somewhere. */
export function makeSubjects(pools: Pools): Subject[] {
  const { inputs, imageIds } = pools;
  const onPlain = subjectOn(pools, pools.plain);
  const archive = (path: string): SaveSource => ({ kind: 'archive', path });
  return [
    {
      ...subjectOn(pools, { tree: new Map(), versions: new Map() }, 'create'),
      poolName: 'new/nested/pool',
      run: (room) => room.save(archive(inputs.kept)),
      unmet: (room) => currentIs(room, 'kept:1', imageIds.kept),
    },
    {
      ...onPlain('save'),
      run: (room) => room.save(archive(inputs.app[3]!)),
      unmet: (room) => currentIs(room, 'app:1.0', imageIds.app[3]!),
    },
    {
      ...onPlain('save-known'),
      run: (room) => room.save(archive(inputs.app[0]!)),
      unmet: (room) => currentIs(room, 'app:1.0', imageIds.app[0]!),
    },
    {
      ...onPlain('save-two'),
      run: (room) => room.save(archive(inputs.two)),
      unmet: async (room) => [
        ...(await currentIs(room, 'two:1', imageIds.two)),
        ...(await currentIs(room, 'two:2', imageIds.two)),
      ],
    },
    {
      ...onPlain('save-stream'),
      run: (room) => room.save(engineSource(pools.gzipArchive)),
      unmet: (room) => currentIs(room, 'app:1.0', imageIds.gzip),
    },
    ...loadSubjects(pools),
    removal(
      pools,
      'rm',
      [...removedOf(pools)].map((id) => ({ addresses: [id] })),
    ),
    removal(pools, 'rm-keep', [{ addresses: ['app:1.0'], keep: { last: 1 } }]),
    {
      ...subjectOn(pools, pools.withGarbage, 'gc'),
      run: (room) => collect(room, ALL_GARBAGE),
      unmet: noGarbage,
    },
    {
      ...subjectOn(pools, pools.withGarbage, 'gc-repack'),
      run: (room) => collect(room, REPACK),
      unmet: async (room) => {
        const { packsWritten } = await room.gc(REPACK);
        return packsWritten === 0 ? [] : ['a second repack still writes packs'];
      },
    },
    {
      ...subjectOn(pools, pools.damaged, 'repair'),
      healed: pools.plain.versions,
      run: async (room) => {
        await room.with('exclusive', (pool) => repair(pool, room.path('other'), room.context));
      },
      unmet: (room) => room.faults(),
    },
    {
      ...onPlain('rollback'),
      run: (room) =>
        foundSomething('USAGE', () =>
          room.with('append', (pool) => rollback(pool, 'app:1.0', imageIds.app[0]!, room.context)),
        ),
      unmet: (room) => currentIs(room, 'app:1.0', imageIds.app[0]!),
    },
    {
      ...onPlain('tag'),
      run: async (room) => {
        await room.with('append', (pool) => tagVersion(pool, 'app:1.0~1', 'other:2', room.context));
      },
      unmet: (room) => currentIs(room, 'other:2', imageIds.app[1]!),
    },
  ];
}

type Parts = Omit<Subject, 'run' | 'unmet'>;

function subjectOn(pools: Pools, state: PoolState): (name: string) => Parts;
function subjectOn(pools: Pools, state: PoolState, name: string): Parts;
function subjectOn(pools: Pools, state: PoolState, name?: string): Parts | ((name: string) => Parts) {
  if (name === undefined) return (given: string) => subjectOn(pools, state, given);
  return {
    name,
    poolName: 'pool',
    baseline: state.tree,
    earlier: state.versions,
    healed: state.versions,
    removes: new Set(),
    archives: pools.archives,
  };
}

function loadSubjects(pools: Pools): Subject[] {
  const image = pools.archives.get(pools.imageIds.app[2]!)!;
  const out = new Map(pools.plain.tree).set('out', null);
  const layout = [...pools.layout].map(([name, bytes]) => [`out/layout/${name}`, bytes] as const);
  const layoutOf = (room: CrashRoom): ReturnType<typeof readTree> => readTree(room.path('out/layout'));
  return [
    {
      ...subjectOn(pools, pools.plain, 'load-file'),
      baseline: new Map(out).set('out/image.tar', OLD_OUTPUT),
      run: async (room) => {
        const sink = { kind: 'file', path: room.path('out/image.tar'), format: 'saved' } as const;
        await room.with('read', (pool) => load(pool, 'app:1.0', sink, {}, room.context));
      },
      unmet: async (room) => {
        const is = readTree(room.path('out')).get('image.tar');
        return is && sha256Of(is) === image ? [] : ['the output is not the image'];
      },
      spoilt: (room, powerLost) => {
        const is = readTree(room.path('out')).get('image.tar');
        const good = is && (sha256Of(is) === image || Buffer.compare(is, OLD_OUTPUT) === 0);
        return good || powerLost ? [] : ['the output is neither the old file nor the image'];
      },
    },
    {
      ...subjectOn(pools, pools.plain, 'load-oci'),
      baseline: new Map([...out, ['out/layout', null], ...layout]),
      run: async (room) => {
        const sink = { kind: 'oci-directory', path: room.path('out/layout') } as const;
        await room.with('read', (pool) => load(pool, 'app:1.0', sink, {}, room.context));
      },
      unmet: async (room) => layoutProblems(layoutOf(room), ['1', '1.0']),
      spoilt: (room) => layoutProblems(layoutOf(room), ['1']),
    },
  ];
}

/** One command after the other: what was removed before cannot be named again. */
function removal(pools: Pools, name: string, requests: readonly RemovalRequest[]): Subject {
  const removes = removedOf(pools);
  return {
    ...subjectOn(pools, pools.plain, name),
    removes,
    run: (room) =>
      room.with('append', async (pool) => {
        let found = true;
        for (const request of requests) {
          const remove = async (): Promise<unknown> =>
            executeRemoval(pool, await planRemoval(pool, request, room.context), room.context);
          found = (await foundSomething('SNAPSHOT_NOT_FOUND', remove)) && found;
        }
        return found;
      }),
    unmet: async (room) => {
      const left = (await room.versions()).map(({ snapshotId }) => snapshotId);
      return left.filter((id) => removes.has(id)).map((id) => `${id} is still there`);
    },
  };
}

/** The versions that are in one pool and were removed from the other. */
function removedOf({ plain, withGarbage }: Pools): Set<string> {
  return new Set([...plain.versions.keys()].filter((id) => !withGarbage.versions.has(id)));
}

/** A pack that could not be read is left as it is, which the command reports as damage. */
async function collect(room: CrashRoom, options: GcOptions): Promise<void> {
  const { leftDamaged } = await room.gc(options);
  if (leftDamaged.length > 0) throw new DbupError('POOL_DAMAGED', leftDamaged[0]!.message);
}

/** False when the command found that all had been done before, and said so by an error of that code. */
async function foundSomething(code: string, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    return true;
  } catch (error) {
    if (error instanceof DbupError && error.code === code) return false;
    throw error;
  }
}

async function currentIs(room: CrashRoom, reference: string, imageId: string): Promise<string[]> {
  const current = (await room.versions()).find(({ address }) => address === reference);
  return current?.imageId === imageId ? [] : [`${reference} is ${current?.imageId}, not ${imageId}`];
}

async function noGarbage(room: CrashRoom): Promise<string[]> {
  const { packsRemoved, packsRewritten } = await room.gc(ALL_GARBAGE);
  return packsRemoved + packsRewritten === 0 ? [] : ['a second gc still finds garbage'];
}

/** What an engine exports comes once, as a stream: a gzip layer of it is put aside. */
function engineSource(bytes: Uint8Array): SaveSource {
  async function* pieces(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 16_384) yield bytes.subarray(at, at + 16_384);
  }
  return { kind: 'engine', client: exportingEngine(pieces()), image: 'app:1.0' };
}
