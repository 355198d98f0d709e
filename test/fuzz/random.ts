/** Numbers that look like nothing, the same for the same words: sfc32 by Chris Doty-Humphrey, from PractRand. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #count = 1;

  constructor(...words: readonly (string | number)[]) {
    [this.#a, this.#b, this.#c] = mixed(words.join('/')) as [number, number, number];
    for (let i = 0; i < 12; i++) this.next();
  }

  /** 0 to 2^32-1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#count++) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    return sum >>> 0;
  }

  /** 0 to `limit`-1; 0 for a limit of 0. */
  below(limit: number): number {
    return limit <= 0 ? 0 : Math.floor((this.next() / 2 ** 32) * limit);
  }

  /** `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  /** True in so many of a hundred. */
  percent(share: number): boolean {
    return this.below(100) < share;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next() >>> 24);
  }

  /** Mostly small, seldom up to `most`. */
  size(most: number): number {
    return Math.min(most, this.below(2 ** this.below(Math.log2(most + 1) + 2)));
  }
}

/** FNV-1a over the text, from three beginnings. */
function mixed(text: string): number[] {
  return [0x811c9dc5, 0x1b873593, 0x85ebca6b].map((start) => {
    let hash = start;
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
    return hash;
  });
}
