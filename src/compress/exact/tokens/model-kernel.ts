import { TOKEN_MODEL_WASM_BASE64 } from '../zlib/kernels/token-model-wasm.generated.js';
import type { TokenModel } from './token-models.js';

/** What the kernel answers: why a call ended. */
export const MODEL_STATUS = {
  wantsInput: 0,
  goesOn: 1,
  frame: 2,
  ends: 3,
  damaged: 4,
  tooComplex: 5,
  wantsTokens: 6,
  wantsBlocks: 7,
} as const;

/** The kernel that takes deflate streams apart and puts them together. */
export interface ModelKernel {
  readonly memory: WebAssembly.Memory;
  compressedOffset(): number;
  compressedCapacity(): number;
  tokenFrameOffset(): number;
  tokenFrameCapacity(): number;
  blockFrameOffset(): number;
  blockFrameCapacity(): number;
  outputOffset(): number;
  configure(
    isReading: boolean,
    sharesFour: boolean,
    takesThree: boolean,
    chain: number,
    good: number,
    lazy: number,
    nice: number,
    distance: number,
    tooFar: number,
    weighsDistance: boolean,
    inserts: number,
  ): void;
  beginMember(): void;
  beginFrame(): void;
  framePlainBytes(): number;
  frameBlockCount(): number;
  frameTokenBytes(): number;
  frameBlockBytes(): number;
  takeApart(byteCount: number, ended: boolean): number;
  takenBytes(): number;
  plainOffset(): number;
  plainBytes(): number;
  giveTokens(codedBytes: number, plainBytes: number): void;
  giveBlocks(codedBytes: number, count: number): void;
  givePlain(byteCount: number): void;
  putTogether(ended: boolean): number;
  madeBytes(): number;
}

let compiledModule: WebAssembly.Module | undefined;

/** A kernel of its own memory, some ten MiB, of which a usual stream touches two. */
export function createModelKernel(model: TokenModel, isReading: boolean): ModelKernel {
  compiledModule ??= new WebAssembly.Module(Buffer.from(TOKEN_MODEL_WASM_BASE64, 'base64'));
  const kernel = new WebAssembly.Instance(compiledModule, { env: {} }).exports as unknown as ModelKernel;
  const { shares, takesThree = false, chain, good, lazy, nice, distance, tooFar } = model;
  const { weighsDistance = false, inserts } = model;
  kernel.configure(
    isReading,
    shares === 4,
    takesThree,
    chain,
    good,
    lazy,
    nice,
    distance,
    tooFar,
    weighsDistance,
    inserts,
  );
  return kernel;
}
