/** A change of a file's bytes as disks and cables make it. */
export interface Corruption {
  kind: string;
  bytes: Buffer;
  /** How many bytes of the file are not what they were, at most. */
  hitBytes: number;
}

type Corrupt = (bytes: Buffer, random: () => number) => Corruption;

function rangeOf(length: number, random: () => number): { at: number; size: number } {
  // From a byte to all of it, small ones as often as large ones.
  const size = Math.max(1, Math.floor(length ** random()));
  return { at: Math.floor(random() * (length - size + 1)), size };
}

const KINDS: Record<string, Corrupt> = {
  'a flipped bit': (bytes, random) => {
    const changed = Buffer.from(bytes);
    changed[Math.floor(random() * bytes.length)]! ^= 1 << Math.floor(random() * 8);
    return { kind: 'a flipped bit', bytes: changed, hitBytes: 1 };
  },
  'a zeroed range': (bytes, random) => {
    const { at, size } = rangeOf(bytes.length, random);
    return { kind: 'a zeroed range', bytes: Buffer.from(bytes).fill(0, at, at + size), hitBytes: size };
  },
  'other bytes': (bytes, random) => {
    const { at, size } = rangeOf(bytes.length, random);
    const changed = Buffer.from(bytes);
    for (let i = at; i < at + size; i++) changed[i] = Math.floor(random() * 256);
    return { kind: 'other bytes', bytes: changed, hitBytes: size };
  },
  'a lost end': (bytes, random) => {
    const { size } = rangeOf(bytes.length, random);
    return { kind: 'a lost end', bytes: bytes.subarray(0, bytes.length - size), hitBytes: size };
  },
  'bytes at the end': (bytes, random) => {
    const more = Buffer.alloc(1 + Math.floor(random() * 5000), Math.floor(random() * 256));
    return { kind: 'bytes at the end', bytes: Buffer.concat([bytes, more]), hitBytes: 0 };
  },
  'two ranges swapped': (bytes, random) => {
    const size = Math.max(1, Math.floor((bytes.length / 2) ** random()));
    const one = Math.floor(random() * (bytes.length - 2 * size + 1));
    const other = one + size + Math.floor(random() * (bytes.length - one - 2 * size + 1));
    const changed = Buffer.from(bytes);
    bytes.copy(changed, one, other, other + size);
    bytes.copy(changed, other, one, one + size);
    return { kind: 'two ranges swapped', bytes: changed, hitBytes: 2 * size };
  },
};

export const CORRUPTION_KINDS = Object.keys(KINDS);

/** Changes something, whatever the dice say. */
export function corrupt(bytes: Buffer, random: () => number): Corruption {
  for (;;) {
    const kind = CORRUPTION_KINDS[Math.floor(random() * CORRUPTION_KINDS.length)]!;
    const corruption = KINDS[kind]!(bytes, random);
    if (Buffer.compare(corruption.bytes, bytes) !== 0) return corruption;
  }
}
