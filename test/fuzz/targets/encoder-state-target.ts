import { createEncoder } from '../../../src/compress/exact/encoder-registry.js';
import { klauspostVariants } from '../../../src/compress/exact/klauspost/klauspost-encoder.js';
import {
  isResumable,
  makeState,
  ownPartOfState,
  type ResumableEncoder,
  STATE_HISTORY_BYTES,
} from '../../../src/compress/exact/resumable-encoder.js';
import type { EncoderSpec } from '../../../src/format/encoder-spec.js';
import { noise } from '../../support/tar-builder.js';
import { acceptsOr, type FuzzTarget, UNMAKEABLE } from '../fuzz-target.js';
import { edge, mutated } from '../mutate.js';

const SPECS: readonly EncoderSpec[] = [
  { family: 'go', level: 6 },
  { family: 'go', level: 1 },
  { family: 'klauspost', level: 5, variant: klauspostVariants(5)[0]! },
  { family: 'klauspost', level: 8, variant: klauspostVariants(8)[0]! },
  { family: 'zlib', level: 6, memLevel: 8 },
  { family: 'gnu', level: 9 },
  { family: 'pgzip', level: 5, variant: klauspostVariants(5)[0]!, blockBytes: 65_536 },
];
const PLAIN = new Uint8Array(
  Buffer.from(Array.from(noise(12, 120_000), (byte) => 'ab cde fgh'[byte % 10]).join('')),
);
/** No encoder of these makes more of the bytes it is given. */
const MOST_OUTPUT_BYTES = 2 * PLAIN.length;

interface Resumed {
  encoder: ResumableEncoder;
  states: Uint8Array[];
}

let resumed: Resumed[] | null = null;

/** The encoders, each with the states it has along {@link PLAIN}. */
function encoders(): Resumed[] {
  resumed ??= SPECS.flatMap((spec) => {
    const encoder = createEncoder(spec);
    if (!isResumable(encoder)) return [];
    encoder.reset();
    const states: Uint8Array[] = [];
    for (let at = 0; at < PLAIN.length; at += 10_000) {
      encoder.write(PLAIN.subarray(at, at + 10_000), () => {});
      const state = encoder.saveState();
      if (state) states.push(state);
    }
    return [{ encoder, states }];
  });
  return resumed;
}

/** A byte that chooses the encoder, and the state. */
export const encoderStateTarget: FuzzTarget = {
  name: 'encoder-state',
  runs: 'encoders of gzip taken up from the state of a checkpoint: its 16 bytes changed anywhere, and where it stands',
  inputs: 3_000,
  shortInputs: 30,
  make(random) {
    const all = encoders();
    const number = random.below(all.length);
    const { states } = all[number]!;
    const sound = random.percent(80) && states.length > 0 ? random.pick(states) : random.bytes(32);
    if (random.percent(15)) return Uint8Array.of(number, ...sound);
    const own = mutated(random, ownPartOfState(sound));
    const sized = new Uint8Array(16);
    sized.set(own.subarray(0, 16));
    const place = (): number => Number(edge(random) % 2n ** 53n);
    const position = random.percent(70)
      ? { plainBytes: 65_536, compressedBytes: 1000 }
      : { plainBytes: place(), compressedBytes: place() };
    return Uint8Array.of(number, ...makeState(sized, position));
  },
  run(bytes) {
    const all = encoders();
    const { encoder } = all[(bytes[0] ?? 0) % all.length]!;
    let outputBytes = 0;
    const count = (piece: Uint8Array): void => {
      outputBytes += piece.length;
    };
    return acceptsOr(UNMAKEABLE, () => {
      encoder.restore(bytes.slice(1), PLAIN.subarray(0, STATE_HISTORY_BYTES));
      encoder.write(PLAIN.subarray(STATE_HISTORY_BYTES), count);
      encoder.finish(count);
      if (outputBytes > MOST_OUTPUT_BYTES) throw new TypeError('an encoder makes too much');
    });
  },
};
