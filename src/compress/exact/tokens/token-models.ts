/** How an encoder that a model foresees looks for matches (docs/format.md, "Corrections"). */
export interface TokenModel {
  /** As recipes' encoders are called. */
  readonly name: string;
  /** Bytes that strings in a chain share: of four, a match of three is the nearest there is, or none. */
  readonly shares: 3 | 4;
  readonly takesThree?: true;
  readonly chain: number;
  /** From this length on, a quarter of the chain is looked at for a better match. */
  readonly good: number;
  /** From this length on no better match is looked for at the next byte; 0 never looks. */
  readonly lazy: number;
  readonly nice: number;
  readonly distance: number;
  /** A match of three bytes from beyond is none. */
  readonly tooFar: number;
  /** A match at the next byte is better by what its distance costs too, not only by its length. */
  readonly weighsDistance?: true;
  /** Strings within a longer match are not in the chains. */
  readonly inserts: number;
}

const ZLIB = { shares: 3, distance: 32_506, tooFar: 4096, inserts: 258 } as const;
const GREEDY = { shares: 3, distance: 32_506, tooFar: 32_768, good: 258, lazy: 0 } as const;
const LIBDEFLATE = {
  shares: 4,
  takesThree: true,
  distance: 32_768,
  tooFar: 8192,
  inserts: 258,
  good: 258,
  weighsDistance: true,
} as const;
const FOUR = { shares: 4, distance: 32_768, tooFar: 32_768, inserts: 258 } as const;

/** By number from 1 on. Frozen: recipes name them; others are only added. */
export const TOKEN_MODELS: readonly TokenModel[] = [
  { name: 'zlib-1', ...GREEDY, chain: 4, nice: 8, inserts: 4 },
  { name: 'zlib-3', ...GREEDY, chain: 32, nice: 32, inserts: 6 },
  { name: 'zlib-4', ...ZLIB, chain: 16, good: 4, lazy: 4, nice: 16 },
  { name: 'zlib-5', ...ZLIB, chain: 32, good: 8, lazy: 16, nice: 32 },
  { name: 'zlib-6', ...ZLIB, chain: 128, good: 8, lazy: 16, nice: 128 },
  { name: 'zlib-7', ...ZLIB, chain: 256, good: 8, lazy: 32, nice: 128 },
  { name: 'zlib-8', ...ZLIB, chain: 1024, good: 32, lazy: 128, nice: 258 },
  { name: 'zlib-9', ...ZLIB, chain: 4096, good: 32, lazy: 258, nice: 258 },
  { name: 'libdeflate-1', ...LIBDEFLATE, takesThree: true, chain: 2, lazy: 0, nice: 32 },
  { name: 'libdeflate-4', ...LIBDEFLATE, chain: 16, lazy: 0, nice: 30 },
  { name: 'libdeflate-6', ...LIBDEFLATE, chain: 35, lazy: 65, nice: 65 },
  { name: 'libdeflate-9', ...LIBDEFLATE, chain: 600, lazy: 258, nice: 258 },
  { name: 'four-1', ...FOUR, chain: 1, good: 258, lazy: 0, nice: 258 },
  { name: 'four-1-lazy', ...FOUR, chain: 1, good: 258, lazy: 258, nice: 258 },
  { name: 'four-32', ...FOUR, chain: 32, good: 8, lazy: 32, nice: 128 },
  { name: 'four-256', ...FOUR, chain: 256, good: 32, lazy: 258, nice: 258 },
];
