import type { FuzzTarget } from './fuzz-target.js';
import { Random } from './random.js';

/** CPU seconds that one input may cost. Not seconds of the clock: those say what else the machine did. */
export const MOST_INPUT_CPU_SECONDS = 3;

/** What the inputs of one target came to. */
export interface TargetRun {
  name: string;
  inputs: number;
  accepted: number;
  refused: number;
  slowestCpuMs: number;
}

/** An input at which something else came than an answer or a documented refusal. */
export class Crash extends Error {
  readonly target: string;
  readonly index: number;
  readonly bytes: Uint8Array;

  constructor(target: string, index: number, bytes: Uint8Array, cause: unknown) {
    const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    super(`${target}, input ${index} (${bytes.length} bytes): ${reason}`, { cause });
    this.target = target;
    this.index = index;
    this.bytes = bytes;
  }
}

/** Input `index` of a target: the same for the same seed, whatever ran before. */
export function inputOf(target: FuzzTarget, seed: number, index: number): Uint8Array | Promise<Uint8Array> {
  return target.make(new Random(seed, target.name, index));
}

/** Runs inputs `first` to `first + count - 1` of a target. @throws Crash at the first that is not as it should be */
export async function runTarget(
  target: FuzzTarget,
  {
    seed,
    first = 0,
    count,
    mostCpuSeconds = MOST_INPUT_CPU_SECONDS,
    onInput,
  }: {
    seed: number;
    first?: number;
    count: number;
    mostCpuSeconds?: number;
    onInput?: (index: number) => void;
  },
): Promise<TargetRun> {
  const run: TargetRun = { name: target.name, inputs: 0, accepted: 0, refused: 0, slowestCpuMs: 0 };
  for (let index = first; index < first + count; index++) {
    onInput?.(index);
    const made = inputOf(target, seed, index);
    const bytes = made instanceof Uint8Array ? made : await made;
    const before = process.cpuUsage();
    try {
      const answer = target.run(bytes);
      // Waiting costs a turn of the event loop: only where there is something to wait for.
      if (typeof answer === 'boolean' ? answer : await answer) run.accepted++;
      else run.refused++;
    } catch (error) {
      throw new Crash(target.name, index, bytes, error);
    }
    const { user, system } = process.cpuUsage(before);
    const cpuMs = (user + system) / 1000;
    if (cpuMs > mostCpuSeconds * 1000)
      throw new Crash(target.name, index, bytes, new Error(`it took ${Math.round(cpuMs)} ms of CPU time`));
    run.slowestCpuMs = Math.max(run.slowestCpuMs, cpuMs);
    run.inputs++;
  }
  return run;
}
