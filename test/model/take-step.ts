import { cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DbupError } from '../../src/core/errors.js';
import { executeGc } from '../../src/operations/gc.js';
import { planGc } from '../../src/operations/gc-plan.js';
import { repair } from '../../src/operations/repair.js';
import { executeRemoval, planRemoval } from '../../src/operations/rm.js';
import { rollback } from '../../src/operations/rollback.js';
import { save } from '../../src/operations/save.js';
import { tagVersion } from '../../src/operations/tag.js';
import type { Pool } from '../../src/pool/pool.js';
import type { FileSystem } from '../../src/store/file-system.js';
import { noise } from '../support/tar-builder.js';
import { copyPool } from './copy-pool.js';
import { DyingFileSystem } from './dying-file-system.js';
import type { Version } from './pool-model.js';
import { REFERENCES, type Step } from './steps.js';
import { Loss, NOT_THERE, type Place, short, type World } from './world.js';

type StepOf<Name extends Step['do']> = Extract<Step, { do: Name }>;

/** What an operation that came to its end has done. */
interface Effect {
  added?: Version;
  removed?: string[];
  /** A version that must be the current one of its reference now. */
  current?: string;
}

const REPACK_LEVEL = 5;

/** Does one step to the real pools and to the model, and compares the two. What there is nothing to be done with is no step. */
export async function takeStep(world: World, step: Step): Promise<void> {
  if (!(await isPossible(world, step))) return;
  world.nowMs += 1000;
  world.tally.count(step.do);
  switch (step.do) {
    case 'turn clock':
      world.nowMs += step.hours * 3_600_000;
      return;
    case 'sync':
      return sync(world, step);
    case 'lose catalog':
      return loseCatalog(world, step);
    case 'damage':
      return damage(world, step);
    case 'repair':
      return repairFrom(world, step);
    case 'at once':
      return atOnce(world, step.steps);
    default:
      return operate(world, step);
  }
}

async function isPossible({ places }: World, step: Step): Promise<boolean> {
  if (step.do === 'turn clock' || step.do === 'save' || step.do === 'refused save') return true;
  const place = places[step.do === 'at once' ? poolOf(step) : step.pool]!;
  if ('from' in step && (step.from === step.pool || !(await places[step.from]!.site.isThere()))) return false;
  if (step.do === 'sync') return true;
  if (!(await place.site.isThere())) return step.do === 'at once';
  return !('pick' in step) || step.do === 'damage' || place.model.versions.size > 0;
}

function poolOf(step: StepOf<'at once'>): number {
  return (step.steps as Extract<Step, { pool: number }>[])[0]!.pool;
}

async function operate(
  world: World,
  step: StepOf<'save' | 'refused save' | 'load' | 'tag' | 'rollback' | 'rm' | 'gc'>,
) {
  const place = world.places[step.pool]!;
  const effect = await mortal(world, place, step, (fs) => perform(world, place, step, fs));
  if (effect) await apply(place, step, effect);
  await settle(world, place, step.do === 'gc');
}

/** Compares after a step: all versions after those that remove files, one after others. */
async function settle(world: World, place: Place, everything: boolean): Promise<void> {
  const { model, site } = place;
  if (model.injured) {
    model.injured = await site.hasInjuries();
    model.isSure = false;
  }
  const one = model.pick(world.tally.total);
  await world.check(place, everything ? undefined : one ? [one] : []);
}

/** Runs an operation that may die; what it may have done until then is taken over from the directory. */
async function mortal(
  world: World,
  place: Place,
  step: { do: string; dies?: number | null; pool: number },
  work: (fs?: FileSystem) => Promise<Effect>,
): Promise<Effect | null> {
  const dying = typeof step.dies === 'number' ? new DyingFileSystem(step.dies) : null;
  const result = await work(dying?.fs).catch((error: unknown) => error as Error);
  if (dying?.died) {
    await dying.settle();
    world.tally.deaths++;
    await adopt(world, place, step as Step);
    return null;
  }
  if (!(result instanceof Error)) return result;
  if (!isAllowed(place, step.do, result, await place.site.isThere())) throw result;
  return null;
}

/** After a death: a save, tag or rollback has added its one snapshot or has not, and a removal has come so far. */
async function adopt(world: World, { number, model, site }: Place, step: Step): Promise<void> {
  const before = new Set(model.versions.keys());
  const now = await site.names('snapshots');
  const lost = [...before].filter((id) => !now.includes(id));
  const strange = now.filter((id) => !before.has(id));
  const mayLose = step.do === 'rm' ? removable(model.pick(step.pick), model.versions, step.all) : [];
  const bad = lost.filter((id) => !mayLose.includes(id));
  if (bad.length > 0)
    throw new Loss(`pool ${number}: ${step.do} that died has lost ${bad.map(short).join(' ')}`);
  for (const id of lost) model.versions.delete(id);
  if (strange.length === 0) return;
  const image = imageOf(world, step, model.pick('pick' in step ? step.pick : 0));
  if (strange.length > 1 || image === null)
    throw new Loss(`pool ${number}: ${step.do} that died has added ${strange.map(short).join(' ')}`);
  for (const [reference, versions] of await site.listing()) {
    const added = versions.find(({ snapshotId }) => snapshotId === strange[0]);
    if (!added) continue;
    const whole = !model.injured && (step.do !== 'tag' || model.pick(step.pick)!.whole);
    const { snapshotId: id, createdAt } = added;
    model.versions.set(id, { id, reference, image, createdAt, whole });
    return;
  }
  if (!model.injured) throw new Loss(`pool ${number}: ${short(strange[0]!)} is not listed`);
}

function imageOf(world: World, step: Step, picked: Version | null): string | null {
  if (step.do === 'save') return world.shelf.archive(step.image, step.version).key;
  return step.do === 'tag' || step.do === 'rollback' ? (picked?.image ?? null) : null;
}

function removable(picked: Version | null, versions: ReadonlyMap<string, Version>, all: boolean): string[] {
  if (!picked) return [];
  if (!all) return [picked.id];
  return [...versions.values()].filter(({ reference }) => reference === picked.reference).map(({ id }) => id);
}

/** Refusals that are right: of a pool that is not there, and where something is missing or damaged. */
function isAllowed({ model }: Place, what: string, error: Error, isThere: boolean): boolean {
  if (!(error instanceof DbupError)) return false;
  const { code } = error;
  if (!isThere) return NOT_THERE.has(code);
  if (what === 'refused save') return code.startsWith('INPUT_') || code === 'DIGEST_MISMATCH';
  if (what === 'rollback' && code === 'USAGE') return true;
  if (model.isWhole) return false;
  // A reference whose every snapshot is unreadable is none.
  if (what === 'rm' && model.injured && code === 'SNAPSHOT_NOT_FOUND') return true;
  return code === 'POOL_INCOMPLETE' || code === 'POOL_DAMAGED';
}

/** Does an operation. Where a copy was cut off before `snapshots/`, nothing may be saved, nor be called garbage. */
async function perform(world: World, place: Place, step: Step, fs?: FileSystem): Promise<Effect> {
  const mustRefuse = /save|gc/.test(step.do) && (await place.site.lacksSnapshots());
  const effect = await act(world, place, step, fs).catch((error: unknown) => {
    if (mustRefuse && error instanceof DbupError && error.code === 'POOL_INCOMPLETE') return null;
    throw error;
  });
  if (mustRefuse && effect)
    throw new Loss(`pool ${place.number}: ${step.do} although there is no snapshots/`);
  return effect ?? {};
}

async function act(world: World, place: Place, step: Step, fs?: FileSystem): Promise<Effect> {
  const { site, model } = place;
  const context = world.context();
  switch (step.do) {
    case 'save':
      return site.with('append', (pool) => saveImage(world, place, pool, step), fs);
    case 'refused save': {
      const { path, bytes } = world.shelf.archive(step.image, step.version);
      const cut = `${path}.cut-${place.number}`;
      await writeFile(cut, bytes.subarray(0, Math.floor((bytes.length * step.cut) / 120)));
      await site.with('append', (pool) => save(pool, { kind: 'archive', path: cut }, {}, context));
      throw new Loss(`pool ${place.number}: an archive that was cut off was saved`);
    }
    case 'gc':
      await site.with(
        'exclusive',
        async (pool) => {
          const thrifty = { maxUnusedPercent: 0, minGarbagePercent: 0 };
          const options = { usual: {}, 'all garbage': thrifty, repack: { repack: { level: REPACK_LEVEL } } }[
            step.how
          ];
          await executeGc(pool, await planGc(pool, options, context), context);
        },
        fs,
      );
      return {};
    case 'rm':
    case 'tag':
    case 'rollback':
    case 'load': {
      const version = model.pick(step.pick);
      if (!version) return {};
      return site.with(
        step.do === 'load' ? 'read' : 'append',
        (pool) => touch(world, place, pool, step, version),
        fs,
      );
    }
    default:
      throw new TypeError(`${step.do} is no operation`);
  }
}

async function saveImage(world: World, { model }: Place, pool: Pool, step: StepOf<'save'>): Promise<Effect> {
  const { path, key } = world.shelf.archive(step.image, step.version);
  const reference = REFERENCES[step.reference]!;
  const { images } = await save(pool, { kind: 'archive', path }, { as: reference }, world.context());
  const { snapshotId: id } = images[0]!;
  // What was reported as saved loads; in a pool with damaged files, as far as those have not done harm to it.
  return { added: { id, reference, image: key, createdAt: '', whole: !model.injured }, current: id };
}

async function touch(
  world: World,
  place: Place,
  pool: Pool,
  step: StepOf<'rm' | 'tag' | 'rollback' | 'load'>,
  version: Version,
): Promise<Effect> {
  const context = world.context();
  const address = `${version.reference}@${version.id}`;
  const whole = version.whole && !place.model.injured;
  switch (step.do) {
    case 'load':
      await world.verdict(place, pool, version);
      return {};
    case 'rm': {
      const plan = await planRemoval(pool, { addresses: [step.all ? version.reference : address] }, context);
      await executeRemoval(pool, plan, context);
      return { removed: [...plan.remove, ...plan.unreadable].map(({ snapshotId }) => snapshotId) };
    }
    case 'tag': {
      const reference = REFERENCES[step.reference]!;
      const { snapshotId: id } = await tagVersion(pool, address, reference, context);
      return { added: { ...version, id, reference, whole }, current: id };
    }
    case 'rollback': {
      const { snapshotId: id } = (await rollback(pool, version.reference, `@${version.id}`, context)).version;
      return { added: { ...version, id, whole: !place.model.injured }, current: id };
    }
  }
}

/** Takes over into the model what an operation reports. */
async function apply(place: Place, step: Step, { added, removed, current }: Effect): Promise<void> {
  const { model, site, number } = place;
  for (const id of removed ?? []) model.versions.delete(id);
  if (!added) return;
  const listed = (await site.listing()).get(added.reference) ?? [];
  const own = listed.find(({ snapshotId }) => snapshotId === added.id);
  if (!own) throw new Loss(`pool ${number}: ${step.do} reports ${short(added.id)}, and it is not listed`);
  if (current !== undefined && listed[0]!.snapshotId !== current)
    throw new Loss(
      `pool ${number}: after ${step.do}, ${short(current)} is not the current ${added.reference}`,
    );
  const known = model.versions.get(added.id);
  // A tag of what is tagged already makes nothing whole.
  const whole = known && step.do === 'tag' ? known.whole : added.whole || (known?.whole ?? false);
  model.versions.set(added.id, { ...added, createdAt: own.createdAt, whole });
}

/** Several operations on one pool at the same time, each with the pool opened for itself. */
async function atOnce(world: World, steps: readonly Step[]): Promise<void> {
  const operations = steps as Extract<Step, { pool: number }>[];
  const place = world.places[operations[0]!.pool]!;
  const wasThere = await place.site.isThere();
  const results = await Promise.all(
    operations.map((step) => perform(world, place, step).catch((error: unknown) => error as Error)),
  );
  const removed = new Set<string>();
  for (const [at, result] of results.entries()) {
    const step = operations[at]!;
    if (result instanceof Error) {
      const code = result instanceof DbupError ? result.code : null;
      // Whoever came too late finds the pool in use, or a version gone.
      const late = code === 'POOL_LOCKED' || code === 'SNAPSHOT_NOT_FOUND';
      if (!late && !isAllowed(place, step.do, result, wasThere)) throw result;
      continue;
    }
    for (const id of result.removed ?? []) removed.add(id);
  }
  const present = new Set(await place.site.names('snapshots'));
  for (const [at, result] of results.entries()) {
    if (result instanceof Error || !result.added) continue;
    // Saved and removed again in the same moment, or the other way round.
    if (removed.has(result.added.id) && !present.has(result.added.id)) continue;
    await apply(place, operations[at]!, { added: result.added });
  }
  for (const id of removed) if (!present.has(id)) place.model.versions.delete(id);
  await settle(world, place, true);
}

async function sync(world: World, step: StepOf<'sync'>): Promise<void> {
  const [from, to] = [world.places[step.from]!, world.places[step.pool]!];
  const complete = await copyPool(from.site.directory, to.site.directory, step);
  const present = new Set(await to.site.names('snapshots'));
  const injured = from.model.injured || to.model.injured || (!complete && step.leftover === 'in place');
  const isSure = complete && !injured;
  const before = new Map(to.model.versions);
  to.model.versions.clear();
  for (const id of present) {
    const [ours, theirs] = [before.get(id), from.model.versions.get(id)];
    const version = ours ?? theirs;
    if (!version) {
      if (!injured)
        throw new Loss(`pool ${to.number}: ${short(id)} came with a sync from a pool that had it not`);
      continue;
    }
    const kept = (ours?.whole ?? false) && step.remove === 'no' && !injured;
    to.model.versions.set(id, { ...version, whole: kept || (isSure && (theirs?.whole ?? false)) });
  }
  for (const id of [...before.keys(), ...from.model.versions.keys()]) {
    const gone = step.remove !== 'no' && !from.model.versions.has(id);
    const notSent = !complete && !before.has(id);
    if (!present.has(id) && !gone && !notSent)
      throw new Loss(`pool ${to.number}: a sync has left out or removed ${short(id)}`);
  }
  if (injured) await lookAnew(world, to);
  // A pack that was damaged, and removed as garbage, may have come back sound under its name.
  else await world.renewThreads();
  to.model.injured = injured && (await to.site.hasInjuries());
  to.model.isSure = false;
  await world.check(to);
}

async function loseCatalog(world: World, step: StepOf<'lose catalog'>): Promise<void> {
  const [place, other] = [world.places[step.pool]!, world.places[step.from]!];
  const directory = await place.site.catalog();
  if (step.how === 'removed') await rm(directory, { recursive: true, force: true });
  else if (step.how === 'foreign') {
    await rm(directory, { recursive: true, force: true });
    await cp(await other.site.catalog(), directory, { recursive: true }).catch(() => {});
  } else {
    for (const name of await readdir(directory).catch(() => [])) {
      const bytes = await readFile(join(directory, name));
      if (step.how === 'noise') bytes.set(noise(bytes.length, bytes.length >> 1), bytes.length >> 2);
      await writeFile(
        join(directory, name),
        step.how === 'cut' ? bytes.subarray(0, bytes.length / 3) : bytes,
      );
    }
  }
  await settle(world, place, true);
}

/** Files have changed in place: what was kept of them, open or in the catalog, may be better than they are. */
async function lookAnew(world: World, { site }: Place): Promise<void> {
  await world.renewThreads();
  if (await site.isThere()) await rm(await site.catalog(), { recursive: true, force: true });
}

async function damage(world: World, step: StepOf<'damage'>): Promise<void> {
  const place = world.places[step.pool]!;
  const { site, model } = place;
  const files = (await Promise.all((['packs', 'snapshots'] as const).map((at) => site.names(at)))).flatMap(
    (names, at) => names.map((name) => join(['packs', 'snapshots'][at]!, name)),
  );
  const file = files[step.pick % files.length];
  if (file === undefined) return;
  const path = join(site.directory, file);
  const bytes = await readFile(path);
  const at = Math.floor((bytes.length * step.at) / 10_000);
  if (step.how === 'unlink') await rm(path);
  else if (step.how === 'cut') await truncate(path, at);
  else {
    if (step.how === 'flip') bytes[at] = bytes[at]! ^ 0x10;
    else bytes.fill(0, at, Math.min(bytes.length, at + 200));
    await writeFile(path, bytes);
  }
  if (step.how === 'unlink' && file.startsWith('snapshots'))
    model.versions.delete(file.slice('snapshots/'.length));
  await lookAnew(world, place);
  model.injured = model.injured || (await site.hasInjuries());
  for (const version of model.versions.values()) version.whole = false;
  model.isSure = false;
  await world.check(place);
}

async function repairFrom(world: World, step: StepOf<'repair'>): Promise<void> {
  const [place, other] = [world.places[step.pool]!, world.places[step.from]!];
  const healthy = !other.model.injured;
  const done = await mortal(world, place, step, async (fs) => {
    await place.site
      .with('exclusive', (pool) => repair(pool, other.site.directory, world.context()), fs)
      .catch((error: unknown) => {
        const isGone =
          error instanceof DbupError && (error.code === 'NO_POOL' || error.code === 'POOL_INCOMPLETE');
        if (!isGone || healthy) throw error;
      });
    return {};
  });
  await world.renewThreads();
  if (done && healthy) {
    for (const version of place.model.versions.values())
      version.whole ||= other.model.versions.get(version.id)?.whole ?? false;
  }
  place.model.injured = await place.site.hasInjuries();
  place.model.isSure = false;
  await world.check(place);
}
