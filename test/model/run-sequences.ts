import { rm } from 'node:fs/promises';
import fc from 'fast-check';
import { type Step, sequences } from './steps.js';
import { takeStep } from './take-step.js';
import { makeShelf, modelDirectory, SharedWorkers, Tally, World } from './world.js';

/** Steps of a sequence, at most; they average half of it. */
const SEQUENCE_LENGTH = 60;
/** Sequences drawn from one seed. */
const SAMPLE = 20;
/** How often a sequence that fails is tried with fewer steps. */
const MOST_PLAYS = 400;

export interface SequenceRun {
  seed: number;
  steps: number;
  progress?: (line: string) => void;
}

/**
 * Plays random sequences until so many steps were taken.
 * @throws Error with the smallest sequence found that fails, and how to play it again
 */
export async function runSequences({ seed, steps, progress }: SequenceRun): Promise<Tally> {
  const tally = new Tally();
  await withPlayer(seed, tally, async (play) => {
    for (let turn = 0; tally.total < steps; turn++) {
      for (const sequence of fc.sample(sequences(SEQUENCE_LENGTH), { seed: seed + turn, numRuns: SAMPLE })) {
        const failure = await failureOf(play, sequence);
        if (!failure) continue;
        progress?.(`failed after ${tally.total} steps, looking for fewer that fail: ${failure.message}`);
        throw await smallestFailure(play, sequence, failure, seed);
      }
      progress?.(`${tally.total} steps, ${tally.sequences} sequences`);
    }
  });
  return tally;
}

async function failureOf(play: Play, sequence: readonly Step[]): Promise<Error | null> {
  return play(sequence).then(
    () => null,
    (error: unknown) => error as Error,
  );
}

/** Leaves out steps for as long as it goes on failing: halves, quarters, single ones. */
export async function smallestFailure(
  play: Play,
  sequence: readonly Step[],
  failure: Error,
  seed: number,
): Promise<Error> {
  let [smallest, cause] = [[...sequence], failure];
  let plays = 0;
  for (let size = smallest.length >> 1; size >= 1 && plays < MOST_PLAYS; ) {
    let hasShrunk = false;
    for (let at = smallest.length - size; at > -size && plays < MOST_PLAYS; at -= size) {
      const without = smallest.filter((_, index) => index < at || index >= at + size);
      if (without.length === smallest.length) continue;
      plays++;
      const error = await failureOf(play, without);
      if (!error) continue;
      [smallest, cause, hasShrunk] = [without, error, true];
    }
    if (!hasShrunk || size > 1) size >>= 1;
  }
  const text = smallest.map((step) => JSON.stringify(step)).join('\n');
  return new Error(
    `${cause.message}\nseed ${seed}, ${smallest.length} of ${sequence.length} steps:\n${text}`,
    {
      cause,
    },
  );
}

/** Plays one sequence, as a failure prints it. */
export async function playSequence(seed: number, sequence: readonly Step[]): Promise<Tally> {
  const tally = new Tally();
  await withPlayer(seed, tally, (play) => play(sequence));
  return tally;
}

type Play = (sequence: readonly Step[]) => Promise<void>;

async function withPlayer(seed: number, tally: Tally, work: (play: Play) => Promise<void>): Promise<void> {
  const parent = modelDirectory();
  await using threads = new SharedWorkers();
  const { shelf, directory } = await makeShelf(parent, seed);
  try {
    await work(async (sequence) => {
      await using world = await World.create(parent, shelf, tally, threads);
      tally.sequences++;
      for (const step of sequence) {
        if (process.env.DBUP_MODEL_TRACE) console.log(JSON.stringify(step));
        await takeStep(world, step);
      }
      for (const place of world.places) await world.check(place);
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
