const MiB = 1024 * 1024;
/** From here on a level is for archives: time is no matter, and what is read is read whole. */
const SOLID_LEVEL = 16;

/** zstd's highest level, which `max` stands for. */
export const MAX_LEVEL = 22;

/**
 * Plain bytes of a full block at a zstd level. Solid 2 MiB frames store 2-3 % less than 1 MiB ones at the same speed
 * (docs/decisions/0005); 4 MiB ones store less again, but a reader decodes all of it for one chunk, and holds it for as long.
 */
export function blockTargetBytes(level: number): number {
  return level < SOLID_LEVEL ? 2 * MiB : 4 * MiB;
}
