import { DoesNotFitError } from '../../src/compress/exact/does-not-fit-error.js';
import { DbupError } from '../../src/core/errors.js';
import { UnknownEncoderError } from '../../src/format/encoder-spec.js';
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

/** What makes deflate streams again says by these that nobody wrote what a recipe says of one. */
export const UNMAKEABLE = [RangeError, UnknownEncoderError, DoesNotFitError] as const;

/** Of a kernel that says why in an error of one of these classes itself: other subclasses, such as WebAssembly traps, escape. */
export function acceptsOr(
  documented: readonly (new (message: string) => Error)[],
  decode: () => unknown,
): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (documented.some((errorClass) => (error as Error).constructor === errorClass)) return false;
    throw error;
  }
}

function refused(error: unknown): false {
  if (error instanceof DbupError && error.code !== 'INTERNAL' && error.message !== '') return false;
  throw error;
}
