import { expect, it } from 'vitest';
import { LIMITS } from '../../src/core/limits.js';
import type { GzipMember } from '../../src/format/gzip-recipe.js';
import { storeRecipe } from '../../src/pool/blob-writer.js';
import type { ChunkIngest } from '../../src/pool/chunk-ingest.js';
import { GO_6 } from '../support/gzip-files.js';

/** A recipe of members with headers of 4000 bytes, all different. */
function recipeOf(memberCount: number) {
  const members: GzipMember[] = Array.from({ length: memberCount }, (_, number) => {
    const header = new Uint8Array(4000);
    new DataView(header.buffer).setUint32(10, number);
    return { header, encoder: GO_6, plainBytes: 1 };
  });
  const inner = { recipeId: '0'.repeat(64), sizeBytes: memberCount };
  return {
    kind: 'gzip' as const,
    sizeBytes: 4000 * memberCount,
    inner,
    members,
    trailing: new Uint8Array(0),
  };
}

it('a recipe that no reader would take is refused, and not stored', () => {
  const stored: number[] = [];
  const ingest = {
    addChunk(bytes: Uint8Array) {
      stored.push(bytes.length);
      return new Uint8Array(32);
    },
  } as unknown as ChunkIngest;
  expect(() => storeRecipe(ingest, recipeOf(4200))).toThrow(
    expect.objectContaining({ code: 'INPUT_TOO_LARGE' }),
  );
  expect(stored).toEqual([]);
  storeRecipe(ingest, recipeOf(4000));
  expect(stored[0]).toBeGreaterThan(4000 * 4000);
  expect(stored[0]).toBeLessThanOrEqual(LIMITS.recipeBytes);
});
