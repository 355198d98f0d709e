/**
 * The code of docs/format.md, "Parity", written down a second time from the document: GF(2^8) with 11D, byte by byte. Slow.
 */
const EXPONENTS = new Uint8Array(510);
const LOGARITHMS = new Uint8Array(256);
for (let i = 0, x = 1; i < 255; i++) {
  EXPONENTS[i] = x;
  EXPONENTS[i + 255] = x;
  LOGARITHMS[x] = i;
  x <<= 1;
  if (x > 255) x ^= 0x11d;
}

export function multiply(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : EXPONENTS[LOGARITHMS[a]! + LOGARITHMS[b]!]!;
}

function power(base: number, exponent: number): number {
  let result = 1;
  for (let i = 0; i < exponent; i++) result = multiply(result, base);
  return result;
}

/** Gauss and Jordan. */
function inverse(matrix: readonly number[][]): number[][] {
  const size = matrix.length;
  const rows = matrix.map((row, i) => [...row, ...Array.from({ length: size }, (_, j) => (i === j ? 1 : 0))]);
  for (let column = 0; column < size; column++) {
    const pivot = rows.findIndex((row, i) => i >= column && row[column] !== 0);
    [rows[column], rows[pivot]] = [rows[pivot]!, rows[column]!];
    const factor = EXPONENTS[255 - LOGARITHMS[rows[column]![column]!]!]!;
    rows[column] = rows[column]!.map((value) => multiply(value, factor));
    for (let i = 0; i < size; i++) {
      const by = rows[i]![column]!;
      if (i !== column && by !== 0)
        rows[i] = rows[i]!.map((value, j) => value ^ multiply(by, rows[column]![j]!));
    }
  }
  return rows.map((row) => row.slice(size));
}

/** Row k + p says how much of each data cell is in parity cell p. */
export function parityRows(dataShards: number, parityShards: number): number[][] {
  const vandermonde = Array.from({ length: dataShards + parityShards }, (_, row) =>
    Array.from({ length: dataShards }, (_, column) => power(row, column)),
  );
  const top = inverse(vandermonde.slice(0, dataShards));
  return vandermonde
    .slice(dataShards)
    .map((row) =>
      Array.from({ length: dataShards }, (_, column) =>
        row.reduce((sum, value, i) => sum ^ multiply(value, top[i]![column]!), 0),
      ),
    );
}
