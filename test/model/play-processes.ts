import { type ChildProcess, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { quietContext } from '../../src/core/context.js';
import { dockerArchive, imageIdOf, layerTar } from '../support/images.js';
import { startRsync } from '../support/rsync.js';
import { seededRandom } from '../support/tar-builder.js';
import { PoolSite } from './pool-site.js';
import { type EndedProcess, type Fate, runRound, startDbup } from './process-round.js';
import { Loss, modelDirectory, SharedWorkers, short } from './world.js';

const FAKETIME = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1';
const REFERENCES = ['app:1', 'app:2'];
const VERSIONS = 8;
const MOST_MS = 900;

/** What the processes of a run have met. */
export interface ProcessFigures {
  /** Some of the processes were on another host, whose locks nobody saw. */
  otherHost: boolean;
  rounds: number;
  processes: number;
  killed: number;
  stopped: number;
  /** Started with a clock a day back or ahead. */
  turned: number;
  /** Found the pool in use. */
  locked: number;
  /** Ended because somebody whom no lock kept out had changed the pool. */
  changed: number;
  loadsExact: number;
}

export interface ProcessRun {
  seed: number;
  rounds: number;
  /** Some processes use the pool through a mount of its own, whose locks nobody else sees: another host. */
  otherHost: boolean;
}

/** True when a directory can be mounted a second time so that locks do not work between the two. */
export function canBeTwoHosts(): boolean {
  const bindfs = spawnSync('bindfs', ['--version'], { stdio: 'ignore' }).status === 0;
  return bindfs && process.getuid?.() === 0 && existsSync('/dev/fuse');
}

/**
 * Rounds of several real processes at once on one pool and its copy by rsync, some of them killed, stopped for long, or with wrong
 * clocks; after each round, what must be there is there and comes back exactly. @throws Loss
 */
export async function playProcesses({ seed, rounds, otherHost }: ProcessRun): Promise<ProcessFigures> {
  const root = await mkdtemp(join(modelDirectory(), 'dbup-processes-'));
  await using workers = new SharedWorkers();
  const mount = otherHost ? await mountTwin(root) : null;
  try {
    const room = new ProcessRoom(root, mount, seed, workers);
    await room.prepare();
    for (let round = 0; round < rounds; round++) await room.round();
    return room.figures;
  } finally {
    if (mount !== null) spawnSync('umount', ['-l', mount]);
    await rm(root, { recursive: true, force: true });
  }
}

async function mountTwin(root: string): Promise<string> {
  const mount = join(root, 'mount');
  await mkdir(mount);
  await mkdir(join(root, 'pool'));
  const { status, stderr } = spawnSync('bindfs', [join(root, 'pool'), mount], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`bindfs: ${stderr}`);
  return mount;
}

interface Action {
  kind: 'save' | 'load' | 'tag' | 'rm' | 'rollback' | 'gc' | 'rsync' | 'gc of the copy';
  start: () => ChildProcess;
  fate: Fate;
  /** The image a save, tag or rollback adds. */
  imageId?: string;
  /** The version an rm removes. */
  target?: string;
}

class ProcessRoom {
  readonly figures: ProcessFigures;
  readonly #root: string;
  readonly #mount: string | null;
  readonly #random: () => number;
  readonly #pool: PoolSite;
  readonly #copy: PoolSite;
  readonly #cli = resolve('dist/cli.js');
  readonly #images = new Map<string, { path: string; bytes: Uint8Array }>();
  /** What the pool must hold: image by snapshot. */
  #versions = new Map<string, { imageId: string; reference: string }>();
  /** All that was ever in the pool, by snapshot: what may be in the copy. */
  readonly #ever = new Map<string, string>();
  /** Versions of the copy that have loaded once. */
  readonly #wholeInCopy = new Set<string>();
  #outputs = 0;

  constructor(root: string, mount: string | null, seed: number, workers: SharedWorkers) {
    const none = { processes: 0, killed: 0, stopped: 0, turned: 0, locked: 0, changed: 0, loadsExact: 0 };
    this.figures = { otherHost: mount !== null, rounds: 0, ...none };
    this.#root = root;
    this.#mount = mount;
    this.#random = seededRandom(seed);
    this.#pool = new PoolSite(root, 'pool', () => workers.workers);
    this.#copy = new PoolSite(root, 'copy', () => workers.workers);
  }

  async prepare(): Promise<void> {
    const base = layerTar(1, 2, 40_000);
    for (let version = 0; version < VERSIONS; version++) {
      const options = { references: ['made:1'], layers: [base, layerTar(10 + version, 2, 60_000)] };
      const path = join(this.#root, `image-${version}.tar`);
      const bytes = dockerArchive(options);
      await writeFile(path, bytes);
      this.#images.set(imageIdOf(options), { path, bytes });
    }
    const first = this.#save(REFERENCES[0]!, { killMs: null, stopMs: null });
    await this.#conclude([first], await runRound([first]));
    if (this.#versions.size !== 1) throw new Error('the first save failed');
  }

  async round(): Promise<void> {
    this.figures.rounds++;
    const actions = Array.from({ length: 4 }, () => this.#action());
    await this.#conclude(actions, await runRound(actions));
    await this.#checkPool();
    await this.#checkCopy();
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[this.#below(items.length)]!;
  }

  #fate(): Fate {
    const number = this.#random();
    const atMs = this.#random() * MOST_MS;
    return { killMs: number < 0.25 ? atMs : null, stopMs: number > 0.7 ? atMs : null };
  }

  #dbup(words: readonly string[], pool?: string): () => ChildProcess {
    const isOther = this.#mount !== null && this.#random() < 0.5;
    const env: NodeJS.ProcessEnv = {
      ...{ PATH: process.env.PATH, HOME: this.#root, LC_ALL: 'C', TMPDIR: this.#root },
      DBUP_POOL: pool ?? (isOther ? this.#mount! : join(this.#root, 'pool')),
      DBUP_CACHE_DIR: join(this.#root, isOther ? 'other-cache' : 'cache'),
    };
    if (existsSync(FAKETIME) && this.#random() < 0.4) {
      this.figures.turned++;
      Object.assign(env, { LD_PRELOAD: FAKETIME, FAKETIME: this.#pick(['-1d', '+1d']) });
      Object.assign(env, { DONT_FAKE_MONOTONIC: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' });
    }
    return () => startDbup(this.#cli, words, env);
  }

  #save(reference: string, fate: Fate): Action {
    const [imageId, { path }] = this.#pick([...this.#images]);
    return { kind: 'save', fate, imageId, start: this.#dbup(['save', '-i', path, '--as', reference]) };
  }

  #action(): Action {
    const fate = this.#fate();
    const [id, version] = this.#pick([...this.#versions]);
    const address = `${version.reference}@${id}`;
    const { imageId } = version;
    const number = this.#random();
    if (number < 0.3) return this.#save(this.#pick(REFERENCES), fate);
    if (number < 0.6)
      return { kind: 'gc', fate, start: this.#dbup(this.#pick([['gc'], ['gc', '--repack']])) };
    // Some version stays, to go on with.
    if (number < 0.72 && this.#versions.size > 3)
      return { kind: 'rm', fate, target: id, start: this.#dbup(['rm', address]) };
    if (number < 0.8)
      return { kind: 'tag', fate, imageId, start: this.#dbup(['tag', address, this.#pick(REFERENCES)]) };
    if (number < 0.85)
      return {
        kind: 'rollback',
        fate,
        imageId,
        start: this.#dbup(['rollback', version.reference, `@${id}`]),
      };
    if (number < 0.92) {
      const out = join(this.#root, `out-${this.#outputs++}.tar`);
      return { kind: 'load', fate, start: this.#dbup(['load', address, '-o', out]) };
    }
    const copy = join(this.#root, 'copy');
    if (number < 0.95 && existsSync(join(copy, 'dbup-pool.json')))
      return { kind: 'gc of the copy', fate, start: this.#dbup(['gc'], copy) };
    return {
      kind: 'rsync',
      fate,
      start: () => startRsync(join(this.#root, 'pool'), copy, ['--exclude=/tmp/']),
    };
  }

  /** Compares what the processes have told with what is in the pool. */
  async #conclude(actions: readonly Action[], processes: readonly EndedProcess[]): Promise<void> {
    const told = new Map<string, string>();
    const mayGo = new Set<string>();
    const mustGo = new Set<string>();
    const mayCome: string[] = [];
    for (const [at, process] of processes.entries()) {
      const { kind, imageId, target } = actions[at]!;
      this.#count(process);
      if (process.killed) {
        if (target !== undefined) mayGo.add(target);
        if (imageId !== undefined) mayCome.push(imageId);
      } else if (kind === 'rsync') {
        if (![0, 23, 24].includes(process.run.exitCode ?? -1))
          throw new Error(`rsync: ${process.run.stderr}`);
      } else if (process.run.exitCode !== 0) this.#expectAllowed(kind, process);
      else if (kind === 'save' || kind === 'tag' || kind === 'rollback')
        told.set(snapshotIdIn(process.run.stdout), imageId!);
      else if (kind === 'rm') mustGo.add(target!);
    }
    const found = await this.#found();
    for (const id of [...told.keys(), ...this.#versions.keys()]) {
      if (!found.has(id) && !mustGo.has(id) && !mayGo.has(id))
        throw new Loss(`the pool has lost ${short(id)}`);
    }
    for (const id of mustGo) if (found.has(id)) throw new Loss(`${short(id)} was removed and is back`);
    for (const [id, { imageId }] of found) {
      if (told.has(id) && told.get(id) !== imageId)
        throw new Loss(`${short(id)} is another image than was told`);
      if (this.#versions.has(id) || told.has(id)) continue;
      const at = mayCome.indexOf(imageId);
      if (at < 0) throw new Loss(`the pool has ${short(id)}, which nobody has saved`);
      mayCome.splice(at, 1);
    }
    this.#versions = found;
    for (const [id, { imageId }] of found) this.#ever.set(id, imageId);
  }

  #count({ killed, stopped, code }: EndedProcess): void {
    this.figures.processes++;
    if (killed) this.figures.killed++;
    if (stopped) this.figures.stopped++;
    if (code === 'POOL_LOCKED') this.figures.locked++;
    if (code === 'INPUT_CHANGED') this.figures.changed++;
  }

  #expectAllowed(kind: Action['kind'], { code, run }: EndedProcess): void {
    const allowed = new Set(['POOL_LOCKED']);
    // Another has removed the version; or it is the current one.
    if (kind === 'load' || kind === 'tag' || kind === 'rollback' || kind === 'rm')
      allowed.add('SNAPSHOT_NOT_FOUND');
    if (kind === 'rollback') allowed.add('USAGE');
    // rsync brings versions as it likes.
    if (kind === 'gc of the copy') for (const each of ['INPUT_CHANGED', 'POOL_INCOMPLETE']) allowed.add(each);
    if (this.#mount !== null) {
      // Packs set aside, and files in tmp/ of another host that gc took for leftovers.
      for (const each of ['INPUT_CHANGED', 'POOL_INCOMPLETE', 'INPUT_NOT_FOUND']) allowed.add(each);
    }
    if (code === null || !allowed.has(code))
      throw new Error(`${kind}: ${code}\n${run.stdout}\n${run.stderr}`);
  }

  async #found(): Promise<Map<string, { imageId: string; reference: string }>> {
    const found = new Map<string, { imageId: string; reference: string }>();
    for (const [reference, versions] of await this.#pool.listing())
      for (const { snapshotId, imageId } of versions) found.set(snapshotId, { imageId, reference });
    return found;
  }

  async #checkPool(): Promise<void> {
    await this.#pool.with('read', async (pool) => {
      for (const [id, { imageId, reference }] of this.#versions) {
        const loaded = await this.#pool.load(pool, `${reference}@${id}`, quietContext());
        if (!this.#isExact(loaded, imageId))
          throw new Loss(`${reference}@${short(id)} does not load: ${told(loaded)}`);
      }
    });
  }

  /** What is in the copy loads exactly or is incomplete; what loaded once goes on; and after a sync that ends, all of the pool does. */
  async #checkCopy(): Promise<void> {
    const last = this.figures.rounds % 5 === 0;
    if (last) {
      const start = () => startRsync(join(this.#root, 'pool'), join(this.#root, 'copy'), ['--exclude=/tmp/']);
      await runRound([{ start, fate: { killMs: null, stopMs: null } }]);
    }
    if (!(await this.#copy.isThere())) return;
    await this.#copy.with('read', async (pool) => {
      for (const [reference, versions] of await this.#copy.listing(pool)) {
        for (const { snapshotId: id } of versions) {
          const imageId = this.#ever.get(id);
          const loaded = await this.#copy.load(pool, `${reference}@${id}`, quietContext());
          const exact = imageId !== undefined && this.#isExact(loaded, imageId);
          const must = this.#wholeInCopy.has(id) || (last && this.#versions.has(id));
          if (!exact && (must || loaded !== 'POOL_INCOMPLETE'))
            throw new Loss(`the copy: ${reference}@${short(id)} does not load: ${told(loaded)}`);
          if (exact) this.#wholeInCopy.add(id);
        }
      }
    });
  }

  #isExact(loaded: Uint8Array | string, imageId: string): boolean {
    const { bytes } = this.#images.get(imageId)!;
    const exact = typeof loaded !== 'string' && Buffer.compare(loaded, bytes) === 0;
    if (exact) this.figures.loadsExact++;
    return exact;
  }
}

function told(loaded: Uint8Array | string): string {
  return typeof loaded === 'string' ? loaded : 'other bytes';
}

function snapshotIdIn(stdout: string): string {
  const id = /"snapshot_id": ?"([0-9a-f]{64})"/.exec(stdout)?.[1];
  if (id === undefined) throw new Error(`no snapshot in ${stdout}`);
  return id;
}
