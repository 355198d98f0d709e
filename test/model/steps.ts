import fc from 'fast-check';
import { IMAGES, VERSIONS } from './image-shelf.js';

export const POOLS = 3;
export const REFERENCES = ['app:1', 'app:2', 'db:16'] as const;

/** After how many calls of the file system the process that does it is dead; null: it lives. */
type Death = number | null;

/** One thing that happens to the pools. Numbers choose among what is there. All of it is plain data, to be printed and played again. */
export type Step =
  | { do: 'save'; pool: number; image: number; version: number; reference: number; dies: Death }
  | { do: 'refused save'; pool: number; image: number; version: number; cut: number }
  | { do: 'load'; pool: number; pick: number }
  | { do: 'tag'; pool: number; pick: number; reference: number; dies: Death }
  | { do: 'rollback'; pool: number; pick: number; dies: Death }
  | { do: 'rm'; pool: number; pick: number; all: boolean; dies: Death }
  | { do: 'gc'; pool: number; how: 'usual' | 'all garbage' | 'repack'; dies: Death }
  | {
      do: 'sync';
      pool: number;
      from: number;
      order: 'names' | 'backwards' | 'mixed';
      stopAfter: number | null;
      leftover: 'none' | 'temporary' | 'in place';
      remove: 'no' | 'before' | 'after';
    }
  | { do: 'lose catalog'; pool: number; how: 'removed' | 'cut' | 'noise' | 'foreign'; from: number }
  | { do: 'damage'; pool: number; pick: number; at: number; how: 'flip' | 'zero' | 'cut' | 'unlink' }
  | { do: 'repair'; pool: number; from: number; dies: Death }
  | { do: 'turn clock'; hours: number }
  | { do: 'at once'; steps: Step[] };

const small = (max: number) => fc.integer({ min: 0, max });
const pool = small(POOLS - 1);
const pick = small(99);
const dies = fc.option(fc.integer({ min: 0, max: 70 }), { freq: 3, nil: null });

const step = <Name extends Step['do'], Fields extends Record<string, fc.Arbitrary<unknown>>>(
  name: Name,
  fields: Fields,
) => fc.record({ do: fc.constant(name), ...fields }) as unknown as fc.Arbitrary<Step>;

const save = step('save', {
  pool,
  image: small(IMAGES - 1),
  version: small(VERSIONS - 1),
  reference: small(REFERENCES.length - 1),
  dies,
});
const load = step('load', { pool, pick });
const tag = step('tag', { pool, pick, reference: small(REFERENCES.length - 1), dies });
const rm = step('rm', { pool, pick, all: fc.boolean(), dies });
const gc = step('gc', { pool, how: fc.constantFrom('usual', 'all garbage', 'repack'), dies });

/** What may happen to pools whose files nobody damages. */
const steps: fc.WeightedArbitrary<Step>[] = [
  { weight: 12, arbitrary: save },
  {
    weight: 1,
    arbitrary: step('refused save', {
      pool,
      image: small(IMAGES - 1),
      version: small(VERSIONS - 1),
      cut: small(99),
    }),
  },
  { weight: 4, arbitrary: load },
  { weight: 3, arbitrary: tag },
  { weight: 3, arbitrary: step('rollback', { pool, pick, dies }) },
  { weight: 7, arbitrary: rm },
  { weight: 7, arbitrary: gc },
  {
    weight: 7,
    arbitrary: step('sync', {
      pool,
      from: pool,
      order: fc.constantFrom('names', 'names', 'backwards', 'mixed'),
      stopAfter: fc.option(small(8), { freq: 2, nil: null }),
      leftover: fc.constantFrom('none', 'temporary', 'in place'),
      remove: fc.constantFrom('no', 'no', 'before', 'after'),
    }),
  },
  {
    weight: 2,
    arbitrary: step('lose catalog', {
      pool,
      how: fc.constantFrom('removed', 'cut', 'noise', 'foreign'),
      from: pool,
    }),
  },
  { weight: 2, arbitrary: step('turn clock', { hours: fc.constantFrom(-24, -1, 0, 1, 24) }) },
  {
    weight: 4,
    arbitrary: pool.chain((shared) => {
      const alive = [save, load, tag, rm, gc].map((one) =>
        one.map((each) => ({ ...each, pool: shared, dies: null }) as Step),
      );
      return step('at once', { steps: fc.array(fc.oneof(...alive), { minLength: 2, maxLength: 4 }) });
    }),
  },
];

const injuries: fc.WeightedArbitrary<Step>[] = [
  {
    weight: 3,
    arbitrary: step('damage', {
      pool,
      pick,
      at: small(9_999),
      how: fc.constantFrom('flip', 'zero', 'cut', 'unlink'),
    }),
  },
  { weight: 3, arbitrary: step('repair', { pool, from: pool, dies }) },
];

/** Sequences of steps; every third of them has pools whose files are damaged as well. */
export function sequences(length: number): fc.Arbitrary<Step[]> {
  const sound = fc.oneof(...steps);
  const injured = fc.oneof(...steps, ...injuries);
  const options = { maxLength: length, size: 'max' as const };
  return fc.oneof(
    { weight: 2, arbitrary: fc.array(sound, options) },
    { weight: 1, arbitrary: fc.array(injured, options) },
  );
}
