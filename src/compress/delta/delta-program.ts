import { joinTriples, Triples } from './triples.js';

/** Steps are three numbers each: what to do and with how many bytes; where; a value, or where from. */
const STEP_NUMBERS = 3;
const ACTIONS = { literal: 0, add: 1, addBytes: 2, move: 3 } as const;
const ACTION_BITS = 2;

/** How bytes that were copied become a chunk: however many deltas lie between, each byte is looked at a few times only. */
export interface DeltaProgram {
  steps: Uint32Array;
  literals: Uint8Array;
  /** What is needed on the way: places from the chunk's length on mean these bytes. */
  scratch: Uint8Array;
}

/** Steps, put down one after the other. */
export class DeltaSteps {
  readonly #triples = new Triples();

  get count(): number {
    return this.#triples.count;
  }

  /** Copies literals from `from` on. */
  literal(at: number, sizeBytes: number, from: number): void {
    this.#triples.push((sizeBytes << ACTION_BITS) | ACTIONS.literal, at, from);
  }

  /**
   * Adds the lowest bytes of `value`.
   * @param carries whether they are one number, so that what is added to a byte may change those after it
   */
  add(at: number, sizeBytes: number, value: number, carries: boolean): void {
    const action = carries ? ACTIONS.add : ACTIONS.addBytes;
    this.#triples.push((sizeBytes << ACTION_BITS) | action, at, value);
  }

  /** Copies bytes from another place. */
  move(at: number, sizeBytes: number, from: number): void {
    this.#triples.push((sizeBytes << ACTION_BITS) | ACTIONS.move, at, from);
  }

  clear(): void {
    this.#triples.clear();
  }

  /** Several lists of steps as one. */
  static join(lists: readonly DeltaSteps[]): Uint32Array {
    return joinTriples(lists.map((list) => list.#triples));
  }
}

/** How many steps a program has. */
export function countSteps({ steps }: DeltaProgram): number {
  return steps.length / STEP_NUMBERS;
}

/** Does what a program says. `bytes` has what was copied, and the scratch bytes after it. */
export function runDeltaProgram(bytes: Uint8Array, { steps, literals }: DeltaProgram): void {
  for (let i = 0; i < steps.length; i += STEP_NUMBERS) {
    const sizeBytes = steps[i]! >>> ACTION_BITS;
    const at = steps[i + 1]!;
    const value = steps[i + 2]!;
    switch (steps[i]! & ((1 << ACTION_BITS) - 1)) {
      case ACTIONS.literal:
        bytes.set(literals.subarray(value, value + sizeBytes), at);
        break;
      case ACTIONS.move:
        bytes.copyWithin(at, value, value + sizeBytes);
        break;
      case ACTIONS.add:
        addNumber(bytes, at, sizeBytes, value);
        break;
      default:
        for (let k = 0; k < sizeBytes; k++) bytes[at + k]! += (value >>> (8 * k)) & 255;
    }
  }
}

function addNumber(bytes: Uint8Array, at: number, sizeBytes: number, value: number): void {
  let rest = value;
  let carry = 0;
  for (let place = at; place < at + sizeBytes; place++) {
    const sum = bytes[place]! + (rest & 255) + carry;
    bytes[place] = sum;
    carry = sum >> 8;
    rest >>>= 8;
  }
}
