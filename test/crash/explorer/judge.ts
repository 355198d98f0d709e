import { DbupError } from '../../../src/core/errors.js';
import { type CrashRoom, describe } from './crash-room.js';
import type { Subject } from './subject.js';

/** What is known of the state that is judged. */
export interface Circumstances {
  /** The operation had reported success. */
  completed: boolean;
  powerLost: boolean;
}

/**
 * Judges what a fault has left: every version from before loads exactly, what else is there is whole, the operation
 * succeeds when it is run again, and gc leaves a clean pool. Changes the room. @returns what is wrong
 */
export async function judge(
  subject: Subject,
  room: CrashRoom,
  { completed, powerLost }: Circumstances,
): Promise<string[]> {
  try {
    const problems = subject.spoilt?.(room, powerLost) ?? [];
    const isDamaged = subject.healed !== subject.earlier && !completed;
    problems.push(...(await lostVersions(subject, room, isDamaged)));
    if (!isDamaged) problems.push(...(await faults(room)));
    // A load does not wait for the disk: what it wrote is in the pool, too.
    if (completed && !(powerLost && subject.name.startsWith('load-'))) {
      problems.push(...(await subject.unmet(room)).map((text) => `after success: ${text}`));
    }
    if (problems.length > 0) return problems;
    return await judgeRetry(subject, room);
  } catch (error) {
    return [`judging failed: ${describe(error)}`];
  }
}

/**
 * Whether a gc may end so after the operation died: where it left no pool, there is none to collect garbage in, and
 * in a pool that is still damaged, what is needed cannot be known.
 */
export function refusesGc({ earlier, healed }: Subject, error: unknown): boolean {
  const codes = earlier === healed ? ['NO_POOL'] : ['POOL_DAMAGED', 'POOL_INCOMPLETE'];
  return error instanceof DbupError && codes.includes(error.code);
}

async function judgeRetry(subject: Subject, room: CrashRoom): Promise<string[]> {
  try {
    await subject.run(room);
  } catch (error) {
    return [`the retry failed: ${describe(error)}`];
  }
  const problems = (await subject.unmet(room)).map((text) => `after the retry: ${text}`);
  await room.gc({});
  if (room.temporaryFiles().length > 0) problems.push(`gc leaves ${room.temporaryFiles().join(', ')}`);
  problems.push(...(await faults(room)).map((text) => `after gc: ${text}`));
  problems.push(...(await lostVersions(subject, room)).map((text) => `after gc: ${text}`));
  return problems;
}

/** None where there is no pool yet. */
async function faults(room: CrashRoom): Promise<string[]> {
  return (await room.versions()).length === 0 ? [] : room.faults();
}

/**
 * Versions from before that are not there or do not load exactly, and any others that are not whole.
 * @param isDamaged while what the operation is there to heal may be damaged still
 */
async function lostVersions(subject: Subject, room: CrashRoom, isDamaged = false): Promise<string[]> {
  const { earlier, healed, removes, archives } = subject;
  const loaded = await room.loadAll();
  const wanted = isDamaged ? earlier : healed;
  const lost = [...wanted.keys()].filter((id) => !loaded.has(id) && !removes.has(id));
  const problems = lost.map((id) => `version ${id} is lost`);
  for (const [id, { imageId, address, outcome }] of loaded) {
    if (outcome === (healed.get(id) ?? archives.get(imageId))) continue;
    if (isDamaged && healed.has(id) && !earlier.has(id)) continue;
    problems.push(`${address} does not load exactly: ${outcome}`);
  }
  return problems;
}
