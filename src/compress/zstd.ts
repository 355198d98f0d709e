import zstd from 'zstd-napi/binding.js';

// The binding is CommonJS: its members are only found on the default export.
const { CCtx, CParameter, compressBound, DCtx, DParameter } = zstd;

/** Largest window a decoder accepts: 2^27 bytes, what `zstd -d` allows by default. */
const MAX_WINDOW_LOG = 27;

const OUTPUT_STEP_BYTES = 2 ** 21 + 2 ** 15;

/** From here on zstd's binary trees find what there is; its hash table, which only speeds them up, need not grow with the window. */
const TREE_LEVEL = 19;
const TREE_HASH_LOG = 20;
/** With a dictionary of megabytes, higher levels would take tables of hundreds: the level as long as the parameters last. */
const MOST_DICTIONARY_LEVEL = 19;

/** How much memory a compressor may take for its tables: 4 << n bytes for each of two. */
export interface TableLimits {
  tableLog: number;
}

/** From here on a context has tables for so many bytes. */
const LEAST_LARGE_BYTES = 32 * 1024;
const TABLES_FOR_BYTES = 2 ** 21;
const LEAST_OUTPUT_BYTES = 64;

type Context = InstanceType<typeof CCtx>;

/** Where all compressors of a thread put what they make. */
let output = new Uint8Array(0);

/**
 * A zstd compressor with its own contexts, reused for every block; one a thread. No context gives back memory that came from the system by
 * itself: of what malloc once gave back, each thread then keeps twice as much before it gives back any (M_TRIM_THRESHOLD in mallopt(3)),
 * some 10 MB in all.
 */
export class ZstdCompressor {
  readonly #level: number;
  readonly #limits: TableLimits | undefined;
  /** For short input: in between, it would make zstd take other tables. */
  #small: Context | undefined;
  #context: Context | undefined;

  constructor(level: number, limits?: TableLimits) {
    this.#level = level;
    this.#limits = limits;
  }

  /** One frame (RFC 8878) of `plain`. The result is a view, valid until any compressor of the thread is used again. */
  compress(plain: Uint8Array): Uint8Array {
    makeRoom(plain.length);
    const context = plain.length < LEAST_LARGE_BYTES ? this.#forSmall() : this.#forLarge();
    const length = context.compress2(output, plain);
    return output.subarray(0, length);
  }

  /**
   * As {@link compress}, with `dictionary` as the bytes that came before: raw content, whatever it begins with.
   * @param level zstd's; of those above 19 only 19, for memory's sake
   */
  compressUsing(dictionary: Uint8Array, plain: Uint8Array, level: number): Uint8Array {
    makeRoom(plain.length);
    const usedLevel = Math.min(level, MOST_DICTIONARY_LEVEL);
    const length = this.#forLarge().compressUsingDict(output, plain, dictionary, usedLevel);
    return output.subarray(0, length);
  }

  #forSmall(): Context {
    this.#small ??= this.#newContext();
    return this.#small;
  }

  #forLarge(): Context {
    if (this.#context) return this.#context;
    this.#context = this.#newContext();
    takeTables(this.#context);
    return this.#context;
  }

  #newContext(): Context {
    const context = new CCtx();
    context.setParameter(CParameter.compressionLevel, this.#level);
    if (this.#level >= TREE_LEVEL) context.setParameter(CParameter.hashLog, TREE_HASH_LOG);
    if (this.#limits) {
      context.setParameter(CParameter.hashLog, this.#limits.tableLog);
      context.setParameter(CParameter.chainLog, this.#limits.tableLog);
    }
    return context;
  }
}

/** Makes a context take the tables of a whole block now. */
function takeTables(context: Context): void {
  makeRoom(TABLES_FOR_BYTES);
  try {
    // Any bytes do: it ends with the first few that come out.
    context.compress2(new Uint8Array(LEAST_OUTPUT_BYTES), output.subarray(0, TABLES_FOR_BYTES));
  } catch {
    // As they found no room.
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
