import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DbupError, toDbupError } from '../../../src/core/errors.js';
import { catalogDirectory } from '../../../src/pool/pool.js';
import { sha256Of } from '../../support/images.js';
import { seededRandom } from '../../support/tar-builder.js';
import { CATALOG_STATES } from './catalog-states.js';
import { CrashDisk } from './crash-disk.js';
import { CrashRoom, describe } from './crash-room.js';
import { FAULTS, type FaultName } from './faults.js';
import { type Circumstances, judge, refusesGc } from './judge.js';
import { POWER_LOSSES } from './power-loss.js';
import type { Subject } from './subject.js';
import { fingerprint, readTree, type Tree, writeTree } from './tree.js';

export interface ExploreOptions {
  seed: number;
  /** A directory of the explorer's own. */
  directory: string;
  /** Moments of each operation and kind of fault, drawn by lot; all by default. */
  sample?: number;
  /** Draws by lot of what lost power leaves, and of what becomes of the catalog, for each moment. */
  lots: number;
  /** Errors that are tried, and things that lost power may leave, drawn by lot; all by default. */
  kinds?: number;
  /** Only points whose name begins so: `save`, `save/power`, `save/power/17`, `save/power/17/nothing`. */
  only?: string;
  /** What another pool's catalog looks like. */
  foreignCatalog: Tree;
}

/** One thing that went wrong at one moment, and what was wrong afterwards. */
export interface Failure {
  point: string;
  /** The call that was hit. */
  fired: string | null;
  problems: string[];
}

/** What was explored of one operation with one kind of fault. */
export interface Count {
  subject: string;
  kind: string;
  points: number;
  /** States of the disk that were judged; others were like one that had been. */
  judged: number;
}

/** The error codes that an errno may end in. What cannot be read of a pack counts as damaged. */
const CODES: Record<string, RegExp> = {
  EIO: /^(IO_ERROR|POOL_DAMAGED)$/,
  ENOSPC: /^DISK_FULL$/,
  EDQUOT: /^DISK_FULL$/,
  EROFS: /^PERMISSION_DENIED$/,
  EACCES: /^PERMISSION_DENIED$/,
  EMFILE: /^IO_ERROR$/,
  EINTR: /^IO_ERROR$/,
};

/** A run that was cut off at one moment, or came through. */
interface Cut {
  kind: string;
  at: number;
  disk: CrashDisk;
  fired: string | null;
  /** It had reported success. */
  completed: boolean;
}

/** Runs one operation with each fault at each moment, and judges what is left each time. */
export class Explorer {
  readonly failures: Failure[] = [];
  readonly counts = new Map<string, Count>();
  readonly #options: ExploreOptions;
  readonly #subject: Subject;
  /** Verdicts on states that were judged, by what they are like. */
  readonly #verdicts = new Map<string, string[]>();

  constructor(subject: Subject, options: ExploreOptions) {
    this.#subject = subject;
    this.#options = options;
  }

  async explore(): Promise<void> {
    const isDeadly = (kind: FaultName): boolean => FAULTS[kind].effect === 'death';
    const all = Object.keys(FAULTS) as FaultName[];
    const errors = this.#someOf(
      all.filter((kind) => !isDeadly(kind)),
      'kinds',
    );
    for (const kind of [...errors, ...all.filter(isDeadly)]) {
      const total = await this.#countCalls(kind);
      for (const at of this.#moments(kind, total)) {
        const fired = await (isDeadly(kind) ? this.#death(kind, at, total) : this.#error(kind, at));
        if (fired === null && at <= total) this.#fail(`${kind}/${at}`, null, ['the fault did not fire']);
        if (fired !== null && at > total)
          this.#fail(`${kind}/${at}`, fired, ['there are more calls than were counted']);
      }
    }
  }

  /** As many as are to be tried, drawn by lot, in their order. */
  #someOf<T>(items: readonly T[], what: string): T[] {
    const { kinds = items.length, only } = this.#options;
    if (only !== undefined || kinds >= items.length) return [...items];
    const random = this.#random(what);
    const drawn = items.map((item, i) => ({ item, i, lot: random() }));
    const chosen = drawn.sort((a, b) => a.lot - b.lot).slice(0, kinds);
    return chosen.sort((a, b) => a.i - b.i).map(({ item }) => item);
  }

  /** The last is one too many: the operation comes through. */
  #moments(kind: FaultName, total: number): number[] {
    const { sample, only } = this.#options;
    const [, wantedKind, wantedAt] = only?.split('/') ?? [];
    if (wantedKind !== undefined && !this.#kindsOf(kind).includes(wantedKind)) return [];
    if (wantedAt !== undefined) return [Number(wantedAt)];
    const all = Array.from({ length: total }, (_, i) => i + 1);
    if (sample === undefined || total <= sample) return [...all, total + 1];
    const random = this.#random(`${kind}/sample`);
    const chosen = new Set<number>();
    while (chosen.size < sample) chosen.add(1 + Math.floor(random() * total));
    return [...chosen].sort((a, b) => a - b).concat(total + 1);
  }

  /** The kinds of points that a kind of fault leads to. */
  #kindsOf(fault: FaultName): string[] {
    const retried = [`${fault}-retry-power`, `${fault}-gc-power`];
    if (fault === 'EIO') return [fault, ...retried];
    if (FAULTS[fault].effect !== 'death') return [fault];
    const torn = [fault, fault.replace('death', 'power')];
    return fault === 'death-torn' ? torn : [...torn, 'death-catalog', ...retried, 'death-again-power'];
  }

  async #countCalls(kind: FaultName): Promise<number> {
    const disk = this.#disk();
    disk.arm(FAULTS[kind], 0, () => 0);
    await this.#subject.run(this.#room(disk));
    disk.closeFiles();
    return disk.calls;
  }

  async #error(kind: FaultName, at: number): Promise<string | null> {
    const disk = this.#disk();
    const outcome = await this.#run(disk, kind, at);
    const { fired } = disk;
    disk.restart();
    const cut: Cut = { kind, at, disk, fired, completed: outcome === null };
    await this.#settle(cut, '', readTree(disk.root), false, this.#wrongError(kind, outcome));
    if (kind === 'EIO' && fired !== null) await this.#retryAndLosePower(cut);
    return fired;
  }

  async #death(kind: FaultName, at: number, total: number): Promise<string | null> {
    const cache = join(this.#options.directory, 'cache');
    const disk = this.#disk();
    const old = await this.#fillCatalog(disk, cache);
    let asLeft: Tree | null = null;
    disk.onDeath = () => {
      asLeft = readTree(catalogDirectory(cache, join(disk.root, this.#subject.poolName)));
    };
    const outcome = await this.#run(disk, kind, at, cache);
    const { fired } = disk;
    disk.restart();
    const cut: Cut = { kind, at, disk, fired, completed: fired === null && outcome === null };
    const tree = readTree(disk.root);
    await this.#settle(cut, '', tree, false);
    await this.#losePower({ ...cut, kind: kind.replace('death', 'power') });
    // A write that was torn is in a file without a name: whoever tries again does not look at it.
    if (kind === 'death-torn') return fired;
    asLeft ??= readTree(catalogDirectory(cache, join(disk.root, this.#subject.poolName)));
    await this.#changeCatalog({ ...cut, kind: `${kind}-catalog` }, tree, { asLeft, old });
    if (fired === null) return null;
    await this.#retryAndLosePower(cut);
    await this.#dieAgain(kind, at, total);
    return fired;
  }

  /** What a process left that nobody waited for may be lost yet after another has built on it. */
  async #retryAndLosePower(cut: Cut): Promise<void> {
    const { kind, at, disk, fired } = cut;
    const room = this.#room(disk);
    try {
      const found = await this.#subject.run(room);
      const retried = { ...cut, completed: found !== false };
      await this.#losePower({ ...retried, kind: `${kind}-retry-power` });
      await room.gc({ maxUnusedPercent: 0, minGarbagePercent: 0 });
      await this.#losePower({ ...retried, kind: `${kind}-gc-power` });
    } catch (error) {
      this.#fail(`${kind}-retry-power/${at}`, fired, [`trying again failed: ${describe(error)}`]);
    }
    disk.closeFiles();
  }

  /** The retry, or a gc, dies in turn, and the power goes. */
  async #dieAgain(kind: FaultName, at: number, total: number): Promise<void> {
    const point = `${kind}-again-power`;
    if (!this.#isWanted(point, at)) return;
    const random = this.#random(`${point}/${at}`);
    const disk = this.#disk();
    await this.#run(disk, kind, at);
    const { fired } = disk;
    disk.restart();
    disk.arm(FAULTS.death, 1 + Math.floor(random() * total), random);
    const room = this.#room(disk);
    const collects = random() < 0.5;
    let completed = false;
    try {
      if (collects) await room.gc({ maxUnusedPercent: 0, minGarbagePercent: 0 });
      else completed = (await this.#subject.run(room)) !== false && disk.fired === null;
    } catch (error) {
      if (disk.fired === null && !(collects && refusesGc(this.#subject, error))) {
        this.#fail(`${point}/${at}`, fired, [`trying again failed: ${describe(error)}`]);
      }
    }
    const hit = `${fired}, then ${collects ? 'gc' : 'again'}: ${disk.fired}`;
    disk.restart();
    await this.#losePower({ kind: point, at, disk, fired: hit, completed });
  }

  async #losePower(cut: Cut): Promise<void> {
    if (!this.#isWanted(cut.kind, cut.at)) return;
    for (const loss of this.#someOf(Object.keys(POWER_LOSSES), `${cut.kind}/${cut.at}/losses`)) {
      for (let lot = 1; lot <= (loss === 'lot' ? this.#options.lots : 1); lot++) {
        const name = loss === 'lot' ? `lot-${lot}` : loss;
        const random = this.#random(`${cut.kind}/${cut.at}/${name}`);
        await this.#settle(cut, name, cut.disk.afterPowerLoss(loss, random), true);
      }
    }
  }

  /** Meets what the process left with a catalog in some state. */
  async #changeCatalog(cut: Cut, tree: Tree, from: { asLeft: Tree; old: Tree }): Promise<void> {
    if (!this.#isWanted(cut.kind, cut.at)) return;
    const random = this.#random(`${cut.kind}/${cut.at}`);
    const names = Object.keys(CATALOG_STATES);
    for (let lot = 0; lot < this.#options.lots; lot++) {
      const [name] = names.splice(Math.floor(random() * names.length), 1);
      if (name === undefined) return;
      const foreign = this.#options.foreignCatalog;
      await this.#settle(cut, name, tree, false, [], CATALOG_STATES[name]!({ ...from, foreign }, random));
    }
  }

  /** A catalog that knows the pool as it was before. */
  async #fillCatalog(disk: CrashDisk, cache: string): Promise<Tree> {
    rmSync(cache, { recursive: true, force: true });
    const { poolName } = this.#subject;
    await new CrashRoom(disk.root, { cacheRoot: cache, poolName }).loadAll();
    return readTree(catalogDirectory(cache, join(disk.root, poolName)));
  }

  /** The error that ended the operation, as the command would tell it, or null. */
  async #run(
    disk: CrashDisk,
    kind: FaultName,
    at: number,
    cacheRoot: string | null = null,
  ): Promise<unknown> {
    disk.arm(FAULTS[kind], at, this.#random(`${kind}/${at}`));
    const { poolName } = this.#subject;
    try {
      await this.#subject.run(new CrashRoom(disk.root, { fs: disk.fs, poolName, cacheRoot }));
      return null;
    } catch (error) {
      return toDbupError(error, 'running the operation');
    }
  }

  #wrongError(kind: FaultName, outcome: unknown): string[] {
    if (outcome === null) return [];
    const fault = FAULTS[kind];
    const expected = 'errno' in fault ? CODES[fault.errno]! : /^$/;
    if (outcome instanceof DbupError && expected.test(outcome.code)) return [];
    return [`it ended in ${describe(outcome)}`];
  }

  /** Counts a point, and judges its state unless one like it was judged before. */
  async #settle(
    { kind, at, fired, completed }: Cut,
    detail: string,
    tree: Tree,
    powerLost: boolean,
    problems: string[] = [],
    catalog: Tree | null = null,
  ): Promise<void> {
    if (!this.#isWanted(kind, at, detail)) return;
    const count = this.#count(kind);
    count.points++;
    const key = `${completed} ${powerLost} ${fingerprint(tree)} ${catalog && fingerprint(catalog)}`;
    let verdict = this.#verdicts.get(key);
    if (!verdict) {
      count.judged++;
      verdict = await this.#judge(tree, { completed, powerLost }, catalog);
      this.#verdicts.set(key, verdict);
    }
    const point = detail === '' ? `${kind}/${at}` : `${kind}/${at}/${detail}`;
    if (problems.length + verdict.length > 0) this.#fail(point, fired, [...problems, ...verdict]);
  }

  async #judge(tree: Tree, circumstances: Circumstances, catalog: Tree | null): Promise<string[]> {
    const root = join(this.#options.directory, 'judged');
    const { poolName } = this.#subject;
    writeTree(root, tree);
    const cacheRoot = catalog && join(this.#options.directory, 'judged-cache');
    if (cacheRoot !== null) {
      rmSync(cacheRoot, { recursive: true, force: true });
      writeTree(catalogDirectory(cacheRoot, join(root, poolName)), catalog!);
    }
    return judge(this.#subject, new CrashRoom(root, { poolName, cacheRoot }), circumstances);
  }

  #disk(): CrashDisk {
    return new CrashDisk(join(this.#options.directory, 'disk'), this.#subject.baseline);
  }

  #room(disk: CrashDisk): CrashRoom {
    return new CrashRoom(disk.root, { fs: disk.fs, poolName: this.#subject.poolName });
  }

  #random(point: string): () => number {
    const text = `${this.#options.seed} ${this.#subject.name}/${point}`;
    return seededRandom(Number.parseInt(sha256Of(Buffer.from(text)).slice(0, 8), 16));
  }

  #isWanted(kind: string, at: number, detail?: string): boolean {
    const [, wantedKind, wantedAt, wantedDetail] = this.#options.only?.split('/') ?? [];
    return (
      (wantedKind === undefined || kind === wantedKind) &&
      (wantedAt === undefined || at === Number(wantedAt)) &&
      (wantedDetail === undefined || detail === undefined || detail === wantedDetail)
    );
  }

  #count(kind: string): Count {
    const count = this.counts.get(kind) ?? { subject: this.#subject.name, kind, points: 0, judged: 0 };
    this.counts.set(kind, count);
    return count;
  }

  #fail(point: string, fired: string | null, problems: string[]): void {
    this.failures.push({ point: `${this.#subject.name}/${point}`, fired, problems });
  }
}
