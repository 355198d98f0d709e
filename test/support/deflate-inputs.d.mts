export interface Random {
  below(limit: number): number;
  bytes(count: number): Uint8Array;
  pick<T>(list: readonly T[]): T;
}
export function createRandom(seed: number): Random;
export type InputKind =
  | 'text'
  | 'records'
  | 'tar'
  | 'noise'
  | 'zeros'
  | 'skewed'
  | 'repeats'
  | 'copies'
  | 'mixture';
export const INPUT_KINDS: readonly InputKind[];
export function makeInput(kind: InputKind, seed: number, lengthBytes: number): Uint8Array;
export function pickLength(random: Random, mostBytes: number): number;
export function pickWriteSizes(random: Random, lengthBytes: number): number[];
