/** Numbers of a copy in the kernel's list: the literals before it, its length, its source. */
export const OP_NUMBERS = 3;

/** Takes pieces that no copy touches out of the base, changing the ops' sources; returns the numbers of the others. */
export function dropUnused(ops: Uint32Array, pieceBytes: Uint32Array): number[] {
  const starts = new Uint32Array(pieceBytes.length + 1);
  for (let i = 0; i < pieceBytes.length; i++) starts[i + 1] = starts[i]! + pieceBytes[i]!;
  const used = new Uint8Array(pieceBytes.length);
  const first = new Uint32Array(ops.length / OP_NUMBERS);
  for (let i = 0; i < first.length; i++) {
    const source = ops[i * OP_NUMBERS + 2]!;
    const end = source + ops[i * OP_NUMBERS + 1]!;
    let piece = pieceAt(starts, source);
    first[i] = piece;
    while (starts[piece]! < end) used[piece++] = 1;
  }
  const droppedBefore = new Uint32Array(pieceBytes.length);
  const numbers: number[] = [];
  let dropped = 0;
  for (let i = 0; i < used.length; i++) {
    droppedBefore[i] = dropped;
    if (used[i]) numbers.push(i);
    else dropped += pieceBytes[i]!;
  }
  for (let i = 0; i < first.length; i++) ops[i * OP_NUMBERS + 2]! -= droppedBefore[first[i]!]!;
  return numbers;
}

/** The last piece that begins at or before `at`. */
function pieceAt(starts: Uint32Array, at: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= at) low = middle;
    else high = middle;
  }
  return low;
}

/** The pieces of `base` with these numbers, in their order. */
export function pickPieces(
  base: Uint8Array,
  pieceBytes: Uint32Array,
  numbers: readonly number[],
): Uint8Array[] {
  const picked: Uint8Array[] = [];
  let at = 0;
  let next = 0;
  for (let i = 0; i < pieceBytes.length; i++) {
    const end = at + pieceBytes[i]!;
    if (numbers[next] === i) {
      picked.push(base.subarray(at, end));
      next++;
    }
    at = end;
  }
  return picked;
}
