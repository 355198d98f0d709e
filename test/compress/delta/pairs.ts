/** A base and what became of it. */
export interface Pair {
  name: string;
  base: Uint8Array;
  plain: Uint8Array;
}

/** Numbers from 0 to 2^32-1, the same for the same seed (xorshift32). */
export function numbersFrom(seed: number): () => number {
  let state = (seed >>> 0) + 0x9e3779b9 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** Bytes with as many different values as `values`, so that few of them make text that repeats. */
export function seededBytes(next: () => number, length: number, values = 256): Uint8Array {
  return Uint8Array.from({ length }, () => (next() >>> 8) % values);
}

/** Code with a 4-byte address every 12 to 27 bytes. */
export function makeCode(next: () => number, length: number): Uint8Array {
  const code = seededBytes(next, length, 40);
  const view = new DataView(code.buffer);
  for (let at = 8; at + 4 <= length; at += 12 + (next() % 16)) view.setUint32(at, next() % 0x100000, true);
  return code;
}

type Edit = (bytes: Uint8Array, next: () => number) => Uint8Array;

function place(bytes: Uint8Array, next: () => number): [number, number] {
  const at = next() % (bytes.length + 1);
  return [at, Math.min(bytes.length, at + (next() % 5000))];
}

/** What may happen to bytes between two versions. */
export const EDITS: Record<string, Edit> = {
  insert: (bytes, next) => {
    const [at] = place(bytes, next);
    return Buffer.concat([bytes.subarray(0, at), seededBytes(next, next() % 3000), bytes.subarray(at)]);
  },
  remove: (bytes, next) => {
    const [at, end] = place(bytes, next);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
  },
  move: (bytes, next) => {
    const [at, end] = place(bytes, next);
    const rest = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    const to = next() % (rest.length + 1);
    return Buffer.concat([rest.subarray(0, to), bytes.subarray(at, end), rest.subarray(to)]);
  },
  change: (bytes, next) => {
    const changed = Uint8Array.from(bytes);
    for (let i = next() % 40; i > 0 && changed.length > 0; i--) changed[next() % changed.length] = next();
    return changed;
  },
  shift: (bytes, next) => {
    const changed = Uint8Array.from(bytes);
    const view = new DataView(changed.buffer);
    const difference = (next() % 4096) - 2048;
    for (let at = next() % 64; at + 4 <= changed.length; at += 16 + (next() % 64)) {
      view.setUint32(at, view.getUint32(at, true) + difference, true);
    }
    return changed;
  },
};

/** A pair made by a grammar of edits: what kind of bytes, and which edits after one another. */
export function makePair(seed: number): Pair {
  const next = numbersFrom(seed);
  const length = [next() % 64, next() % 4096, next() % 200_000][next() % 3]!;
  const makers = [
    () => seededBytes(next, length),
    () => seededBytes(next, length, 3),
    () => makeCode(next, length),
  ];
  const base = makers[next() % makers.length]!();
  const names = Object.keys(EDITS);
  let plain: Uint8Array = base;
  const done: string[] = [];
  for (let i = next() % 6; i > 0; i--) {
    const name = names[next() % names.length]!;
    plain = EDITS[name]!(plain, next);
    done.push(name);
  }
  return { name: `seed ${seed}: ${done.join(', ') || 'no edit'}`, base, plain: Uint8Array.from(plain) };
}

/** The bytes in pieces of 1 to `longest`. */
export function cutInPieces(next: () => number, bytes: Uint8Array, longest: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + 1 + (next() % longest));
    pieces.push(bytes.subarray(at, end));
    at = end;
  }
  return pieces;
}
