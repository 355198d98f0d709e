import zstd from 'zstd-napi/binding.js';

// The binding is CommonJS: its members are only found on the default export.
const { CCtx, CParameter, compressBound, DCtx, DParameter } = zstd;

/** Largest window a decoder accepts: 2^27 bytes, what `zstd -d` allows by default. */
const MAX_WINDOW_LOG = 27;

const OUTPUT_STEP_BYTES = 2 ** 20 + 2 ** 14;

/** From here on zstd's binary trees find what there is; its hash table, which only speeds them up, need not grow with the window. */
const TREE_LEVEL = 19;
const TREE_HASH_LOG = 20;
/** With a dictionary of megabytes, higher levels would take tables of hundreds: the level as long as the parameters last. */
const MOST_DICTIONARY_LEVEL = 19;

/** How much memory a compressor may take for its tables: 4 << n bytes for each of two. */
export interface TableLimits {
  tableLog: number;
}

/** Where all compressors of a thread put what they make. */
let output = new Uint8Array(0);

/** A zstd compressor with its own context; one a thread, reused for every block. */
export class ZstdCompressor {
  readonly #context = new CCtx();

  constructor(level: number, limits?: TableLimits) {
    this.#context.setParameter(CParameter.compressionLevel, level);
    if (level >= TREE_LEVEL) this.#context.setParameter(CParameter.hashLog, TREE_HASH_LOG);
    if (!limits) return;
    this.#context.setParameter(CParameter.hashLog, limits.tableLog);
    this.#context.setParameter(CParameter.chainLog, limits.tableLog);
  }

  /** One frame (RFC 8878) of `plain`. The result is a view, valid until any compressor of the thread is used again. */
  compress(plain: Uint8Array): Uint8Array {
    makeRoom(plain.length);
    const length = this.#context.compress2(output, plain);
    return output.subarray(0, length);
  }

  /**
   * As {@link compress}, with `dictionary` as the bytes that came before: raw content, whatever it begins with.
   * @param level zstd's; of those above 19 only 19, for memory's sake
   */
  compressUsing(dictionary: Uint8Array, plain: Uint8Array, level: number): Uint8Array {
    makeRoom(plain.length);
    const usedLevel = Math.min(level, MOST_DICTIONARY_LEVEL);
    const length = this.#context.compressUsingDict(output, plain, dictionary, usedLevel);
    return output.subarray(0, length);
  }
}

function makeRoom(plainBytes: number): void {
  const bound = compressBound(plainBytes);
  if (output.length >= bound) return;
  // In large steps: what is outgrown is memory until the next garbage collection.
  output = new Uint8Array(Math.ceil(bound / OUTPUT_STEP_BYTES) * OUTPUT_STEP_BYTES);
}

/** A zstd decompressor with its own context; one a thread. */
export class ZstdDecompressor {
  readonly #context = new DCtx();

  constructor() {
    this.#context.setParameter(DParameter.windowLogMax, MAX_WINDOW_LOG);
  }

  /**
   * Decodes one frame into `destination`, whose length the caller has bounded.
   * @returns the plain length
   * @throws Error of the binding when the frame is damaged or does not fit
   */
  decompressInto(destination: Uint8Array, frame: Uint8Array): number {
    return this.#context.decompress(destination, frame);
  }

  /** As {@link decompressInto}, of a frame that was made with `dictionary`. */
  decompressIntoUsing(dictionary: Uint8Array, destination: Uint8Array, frame: Uint8Array): number {
    return this.#context.decompressUsingDict(destination, frame, dictionary);
  }
}
