import { DbupError } from '../../src/core/errors.js';
import type { Random } from './random.js';

/** One decoder, or a few that belong together, and how to make what it is given. */
export interface FuzzTarget {
  readonly name: string;
  /** What of dbup is run on it. */
  readonly runs: string;
  /** How many inputs the long run makes. */
  readonly inputs: number;
  /** How many in `npm test`. */
  readonly shortInputs: number;
  /** An input: everything the decoder is given lies in these bytes, so that a file replays it. */
  make(random: Random): Uint8Array | Promise<Uint8Array>;
  /** @returns whether it was accepted; false is one of the documented refusals. @throws whatever should not have been thrown */
  run(bytes: Uint8Array): boolean | Promise<boolean>;
  /** Lets go of what the runs took. */
  close?(): Promise<void> | void;
}

/** True when `decode` accepts, false for a DbupError. INTERNAL is one for what nobody thought of: it escapes like any other. */
export function accepts(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    return refused(error);
  }
}

export async function acceptsLater(decode: () => Promise<unknown>): Promise<boolean> {
  try {
    await decode();
    return true;
  } catch (error) {
    return refused(error);
  }
}

/** Of a kernel that says why in an error of class `documented` itself: subclasses, such as WebAssembly traps, escape. */
export function acceptsOr(documented: typeof Error | typeof RangeError, decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (error instanceof Error && error.constructor === documented) return false;
    throw error;
  }
}

function refused(error: unknown): false {
  if (error instanceof DbupError && error.code !== 'INTERNAL' && error.message !== '') return false;
  throw error;
}
