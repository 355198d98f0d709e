/** Seeded test data: the same bytes as native-bench/chunker/generators.cpp makes, which wrote the golden vectors. */
export interface DataSpec {
  generator: string;
  /** Not 0. */
  seed: number;
  /** What it means depends on the generator (a period, a byte, a cut's place); 0 where it has none. */
  argument: number;
  lengthBytes: number;
}

/** Marsaglia's xorshift32. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state >>> 0;
    return this.#state;
  }

  below(bound: number): number {
    return this.next() % bound;
  }

  /** The smaller of two draws: small values are common, as in most real data. */
  skewed(bound: number): number {
    const first = this.below(bound);
    return Math.min(first, this.below(bound));
  }
}

/** Bytes up to a fixed length; what is pushed beyond it is dropped. */
class Sink {
  readonly bytes: Uint8Array;
  size = 0;

  constructor(lengthBytes: number) {
    this.bytes = new Uint8Array(lengthBytes);
  }

  get isFull(): boolean {
    return this.size >= this.bytes.length;
  }

  push(byte: number): void {
    if (!this.isFull) this.bytes[this.size++] = byte;
  }

  pushU32(value: number): void {
    for (let shift = 0; shift < 32; shift += 8) this.push(value >>> shift);
  }

  pushText(text: string): void {
    for (const letter of text) this.push(letter.charCodeAt(0));
  }
}

type Fill = (random: SeededRandom, sink: Sink, argument: number, seed: number) => void;

const LETTERS = 'etaoinshrdlucmfwypvbgkqjxz';
const OPCODES = [
  0x48, 0x8b, 0x89, 0xe8, 0x0f, 0x00, 0x85, 0x74, 0x41, 0x83, 0xc3, 0x55, 0x5d, 0xff, 0x24, 0x31,
];

const FILLS: Record<string, Fill> = {
  random: (random, sink) => {
    while (!sink.isFull) sink.pushU32(random.next());
  },
  text: fillText,
  executable: fillExecutable,
  sparse: (random, sink) => {
    while (!sink.isFull) {
      for (let left = random.below(200_000); left > 0; left--) sink.push(0);
      for (let left = random.below(3000); left > 0; left--) sink.push(random.next());
    }
  },
  periodic: (random, sink, period) => {
    const pattern = Array.from({ length: period }, () => random.next());
    for (let index = 0; !sink.isFull; index++) sink.push(pattern[index % period]!);
  },
  constant: (_random, sink, byte) => {
    while (!sink.isFull) sink.push(byte);
  },
  counter: (_random, sink, _argument, seed) => {
    for (let value = seed; !sink.isFull; value++) sink.pushU32(value);
  },
  'every-eighth': (_random, sink) => {
    while (!sink.isFull) sink.push(sink.size % 8 === 7 ? 0x3c : 0);
  },
  'planted-strict': (_random, sink, end) => plant(sink, end, 0x3c),
  'planted-loose': (_random, sink, end) => plant(sink, end, 0xbc),
};

/** The bytes a spec stands for. */
export function generate(spec: DataSpec): Uint8Array {
  const fill = FILLS[spec.generator];
  if (!fill) throw new Error(`no generator ${spec.generator}`);
  const sink = new Sink(spec.lengthBytes);
  fill(new SeededRandom(spec.seed), sink, spec.argument, spec.seed);
  return sink.bytes;
}

export function fnv1a32(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

function word(random: SeededRandom): string {
  let text = '';
  const length = 2 + random.below(9);
  while (text.length < length) text += LETTERS[random.skewed(26)];
  return text;
}

function fillText(random: SeededRandom, sink: Sink): void {
  const vocabulary = Array.from({ length: 512 }, () => word(random));
  while (!sink.isFull) {
    sink.pushText(vocabulary[random.skewed(512)]!);
    const separator = random.below(16);
    if (separator < 2) sink.pushText(separator === 0 ? '.' : ',');
    sink.pushText(separator === 0 ? '\n' : ' ');
  }
}

/** Code, symbol tables, string tables and page padding in turns, as in an ELF file. */
function fillExecutable(random: SeededRandom, sink: Sink): void {
  while (!sink.isFull) {
    const section = random.below(4);
    if (section === 0) pushCode(random, sink);
    else if (section === 1) pushSymbols(random, sink);
    else if (section === 2) {
      for (let left = 32 + random.below(400); left > 0; left--) sink.pushText(`${word(random)}\0`);
    } else {
      do sink.push(0);
      while (!sink.isFull && sink.size % 4096 !== 0);
    }
  }
}

function pushCode(random: SeededRandom, sink: Sink): void {
  for (let left = 256 + random.below(4096); left > 0; left--) {
    const kind = random.below(8);
    if (kind < 5) sink.push(OPCODES[random.skewed(16)]!);
    else if (kind === 5) sink.push(random.next());
    else sink.pushU32(random.below(65_536));
  }
}

function pushSymbols(random: SeededRandom, sink: Sink): void {
  let name = 0;
  let address = 0x1000;
  for (let left = 16 + random.below(200); left > 0; left--) {
    name += 1 + random.below(24);
    sink.pushU32(name);
    sink.pushU32(0x000c0012);
    address += 16 * (1 + random.below(64));
    sink.pushU32(address);
    sink.pushU32(0);
    sink.pushU32(random.below(4096));
    sink.pushU32(0);
  }
}

/** After 7 zeros, 0x3c makes s8 the target and 0xbc makes it the target but for its top bit. */
function plant(sink: Sink, end: number, inner: number): void {
  sink.bytes[end - 1] = 0x3c;
  sink.bytes[end - 9] = inner;
  sink.bytes[end - 17] = 0x3c;
}
