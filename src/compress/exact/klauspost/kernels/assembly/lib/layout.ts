// Where everything lies in the kernel's memory. Constants, so that they become immediate offsets of loads and stores.
// Static data of the compiler lies below TABLES.

/** Hash tables of the level in use: at most 640 KiB (levels 7 to 9). */
export const TABLES: usize = 0x10000;
export const TABLES_BYTES: usize = 0xa0000;

/** What the fast levels may refer back to, with the block being searched at its end. */
export const HISTORY: usize = 0xb0000;
/** Five blocks. When another does not fit, all but the last 32 KiB is dropped: that bounds matches, so it shows. */
export const HISTORY_CAPACITY: i32 = 5 * 65535;

/** Plain bytes not yet searched (levels 1 to 6), or the sliding window (levels 7 to 9). */
export const WINDOW: usize = 0x101000;

/** Four bytes a token; see tokens.ts. A block has at most 65,535, and the end of block comes on top. */
export const TOKENS: usize = 0x112000;

export const INPUT: usize = 0x153000;
export const INPUT_CAPACITY: i32 = 0x20000;

/**
 * One call is given at most INPUT_CAPACITY plain bytes, and at most 64 KiB wait in the window and 64 KiB in tokens.
 * Three plain bytes never cost more than 48 bits: 512 KiB and the headers. Twice that is there.
 */
export const OUTPUT: usize = 0x173000;

/** Counts, 4 bytes each: 256 literals, the end of block, 29 lengths, 2 that cannot occur; then 32 distances. */
export const TOKEN_COUNTS: usize = 0x273000;
export const TOKEN_DISTANCE_COUNTS: usize = TOKEN_COUNTS + 288 * 4;
/** The same, as the block writer changes it. */
export const COUNTS: usize = 0x273800;
export const DISTANCE_COUNTS: usize = COUNTS + 288 * 4;
export const ALL_COUNTS_BYTES: usize = 320 * 4;

/** Codes, 4 bytes each: length in the low byte, bits above it in the order they are sent. */
export const LITERAL_CODES_A: usize = 0x274000;
export const LITERAL_CODES_B: usize = 0x274800;
export const DISTANCE_CODES: usize = 0x275000;
export const FIXED_LITERAL_CODES: usize = 0x275100;
export const FIXED_DISTANCE_CODES: usize = 0x275900;
export const CODE_LENGTH_CODES: usize = 0x275a00;
/** Codes of the bytes to come, by which level 9 weighs a match. */
export const PRICE_CODES: usize = 0x275b00;
/** A distance tree that is never used, for blocks without matches: one code of one bit. */
export const LONE_DISTANCE_CODES: usize = 0x276000;

export const CODE_LENGTH_COUNTS: usize = 0x276100;
/** Code lengths run-length encoded, a byte each, with the extra bits in the byte after. */
export const CODE_LENGTHS: usize = 0x276200;

/** Room for building a tree: the symbols in order of count, room to sort them, what package-merge keeps. */
export const SORTED_SYMBOLS: usize = 0x276400;
export const SORT_SCRATCH: usize = 0x276a00;
export const SORT_BUCKETS: usize = 0x277000;
export const TREE_LEVELS: usize = 0x277400;
export const TREE_LEAVES: usize = 0x277600;
export const LENGTH_COUNTS: usize = 0x277b00;

/** For length - 3: the length code plus one. */
export const LENGTH_SYMBOLS: usize = 0x277c00;
/** For distance - 1 below 256: its code; 256 further on, for (distance - 1) >> 7: its code. */
export const DISTANCE_SYMBOLS: usize = 0x277d00;
/** By length code plus one: extra bits, 4 bytes each, and the least length - 3. */
export const LENGTH_EXTRA_BITS: usize = 0x277f00;
export const LENGTH_BASES: usize = 0x277f80;
/** By distance code: extra bits, 4 bytes each. */
export const DISTANCE_EXTRA_BITS: usize = 0x278000;
/** What is sent for length - 3: bits above the low byte, which says how many. By distance code: code, extra bits, code's length. */
export const LENGTH_SENDS: usize = 0x278100;
export const DISTANCE_SENDS: usize = 0x278500;

export const MEMORY_BYTES: usize = 0x279000;
