// What the two directions of token-model share: where coded frames and tokens lie, and how a call of the host ends.

/** How a call of the host ends. */
export const WANTS_INPUT: u32 = 0;
export const GOES_ON: u32 = 1;
export const FRAME: u32 = 2;
export const ENDS: u32 = 3;
export const DAMAGED: u32 = 4;
export const TOO_COMPLEX: u32 = 5;
export const WANTS_TOKENS: u32 = 6;
export const WANTS_BLOCKS: u32 = 7;

export const TOKEN_FRAME_BYTES: i32 = 0x200000;
export const BLOCK_FRAME_BYTES: i32 = 0x80000;
/** The coded tokens and blocks of a frame; a reader has one of each at a time. */
export const TOKEN_FRAME: usize = memory.data(TOKEN_FRAME_BYTES, 16);
export const BLOCK_FRAME: usize = memory.data(BLOCK_FRAME_BYTES, 16);

export const MOST_TOKENS: u32 = 1 << 20;
/** u32: those that are still to be coded, a stored run being 0xffff | bytes << 16; or those of the block being read. */
export const TOKENS: usize = memory.data(4 * <i32>MOST_TOKENS, 16);
