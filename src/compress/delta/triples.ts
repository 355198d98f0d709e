const FIRST_NUMBERS = 96;

/** Threes of 32-bit numbers, appended one by one. */
export class Triples {
  #numbers = new Uint32Array(FIRST_NUMBERS);
  #length = 0;

  /** How many threes there are. */
  get count(): number {
    return this.#length / 3;
  }

  /** All numbers, and more behind them; valid until the next {@link push}. */
  get numbers(): Uint32Array {
    return this.#numbers;
  }

  push(first: number, second: number, third: number): void {
    if (this.#length === this.#numbers.length) {
      const grown = new Uint32Array(2 * this.#length);
      grown.set(this.#numbers);
      this.#numbers = grown;
    }
    this.#numbers[this.#length] = first;
    this.#numbers[this.#length + 1] = second;
    this.#numbers[this.#length + 2] = third;
    this.#length += 3;
  }

  /** Leaves none, and the memory for those to come. */
  clear(): void {
    this.#length = 0;
  }

  /** A copy of the numbers. */
  toArray(): Uint32Array {
    return this.#numbers.slice(0, this.#length);
  }
}

/** The numbers of several lists, one after the other. */
export function joinTriples(lists: readonly Triples[]): Uint32Array {
  const joined = new Uint32Array(3 * lists.reduce((sum, { count }) => sum + count, 0));
  let at = 0;
  for (const { numbers, count } of lists) {
    joined.set(numbers.subarray(0, 3 * count), at);
    at += 3 * count;
  }
  return joined;
}
