const ID_WORDS = 8;

/** Unknown outside the process; the multipliers are odd. */
const START = randomWord();
const MULTIPLIERS = Array.from({ length: ID_WORDS }, () => randomWord() | 1);

/**
 * 32 bits of the id that is `words[at]` to `words[at + 7]`, for a table in memory. Ids in files of a stranger need not be
 * hashes of anything: here nobody can make many that fall into one slot. Another number in each process.
 */
export function idHash(words: Uint32Array, at: number): number {
  let hash = START;
  for (let i = 0; i < ID_WORDS; i++) {
    hash = Math.imul(hash ^ words[at + i]!, MULTIPLIERS[i]!);
    // High bits come down: a product alone keeps zeros at the low end, where slots are counted.
    hash ^= hash >>> 15;
  }
  return hash;
}

function randomWord(): number {
  return Math.floor(Math.random() * 2 ** 32) | 0;
}
