import { CHROMIUM_HASHES, type EncoderSpec, KLAUSPOST_VARIANTS } from '../../../src/format/encoder-spec.js';
import { edge } from '../mutate.js';
import type { Random } from '../random.js';

/** An encoder as a recipe may name one: most are there, some have a level or a parameter that none has. */
export function anyEncoderSpec(random: Random): EncoderSpec {
  const level = random.percent(90) ? random.between(1, 9) : random.below(256);
  const variant = random.pick(KLAUSPOST_VARIANTS);
  const hash = random.pick(CHROMIUM_HASHES);
  const memLevel = random.pick([8, 9, random.below(256)]);
  const blockBytes = random.percent(70)
    ? random.pick([32_768, 131_072, 262_144, 1_048_576])
    : Number(edge(random) & 0xffffffffn);
  return random.pick<EncoderSpec>([
    { family: 'go', level },
    { family: 'klauspost', level, variant },
    { family: 'pgzip', level, variant, blockBytes },
    { family: 'zlib', level, memLevel },
    { family: 'gnu', level },
    { family: 'pigz', level, flags: random.percent(80) ? random.below(8) : random.below(256), blockBytes },
    { family: 'chromium', level, hash, memLevel },
    { family: 'corrected', level },
  ]);
}
