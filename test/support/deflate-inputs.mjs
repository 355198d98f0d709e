// Seeded plain bytes for encoders: the same on every machine, for tests and for native-bench/deflate alike.

/** Marsaglia's xorshift32, of which any two seeds differ from the first number on. */
export function createRandom(seed) {
  let state = Math.imul((seed >>> 0) ^ 0x9e3779b9, 0x85ebca6b) >>> 0 || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
  return {
    /** A whole number in [0, limit). */
    below: (limit) => Math.floor((next() / 0x1_0000_0000) * limit),
    bytes: (count) => {
      const bytes = new Uint8Array(count);
      for (let i = 0; i < count; i++) bytes[i] = next() >>> 11;
      return bytes;
    },
    pick: (list) => list[Math.floor((next() / 0x1_0000_0000) * list.length)],
  };
}

const encodeText = (text) => new TextEncoder().encode(text);

function fill(lengthBytes, piece) {
  const bytes = new Uint8Array(lengthBytes);
  let at = 0;
  while (at < lengthBytes) {
    const part = piece(bytes, at);
    const taken = part.subarray(0, lengthBytes - at);
    bytes.set(taken, at);
    at += taken.length;
  }
  return bytes;
}

/** Words of a small vocabulary, the frequent ones often. */
function makeText(random, lengthBytes) {
  const syllables = ['ka', 'to', 'ri', 'mel', 'an', 'o', 'st', 'ing', 'er', 'qu', 'The', 'x'];
  const words = Array.from({ length: 300 }, () =>
    Array.from({ length: 1 + random.below(4) }, () => random.pick(syllables)).join(''),
  );
  return fill(lengthBytes, () => {
    const word = words[Math.floor((random.below(1000) * random.below(1000) * 300) / 1e6)];
    return encodeText(word + random.pick([' ', ' ', ' ', ', ', '.\n', '\t']));
  });
}

/** Records of fixed width with counters, small numbers and flags: what tables in executables look like. */
function makeRecords(random, lengthBytes) {
  const width = random.pick([8, 12, 16, 24, 40]);
  let counter = random.below(1e6);
  return fill(lengthBytes, () => {
    const record = new Uint8Array(width);
    counter += random.pick([1, 4, 16, 16, 16, random.below(5000)]);
    new DataView(record.buffer).setUint32(0, counter, true);
    record[4] = random.below(4);
    record[6] = random.below(100) < 80 ? 0 : random.below(256);
    record[width - 1] = random.below(2);
    return record;
  });
}

/** Members of a tar: headers in blocks of 512 bytes, contents of other kinds, padding. */
function makeTar(random, lengthBytes) {
  return fill(lengthBytes, () => {
    const sizeBytes = random.pick([0, 10, 100, 511, 512, 3000, 20_000, random.below(100_000)]);
    const member = new Uint8Array(512 + Math.ceil(sizeBytes / 512) * 512);
    const name = `usr/lib/${random.pick(['python3', 'node', 'x86_64'])}/file-${random.below(100_000)}.txt`;
    const octal = (value, digits) => value.toString(8).padStart(digits, '0');
    member.set(encodeText(name), 0);
    member.set(encodeText('0000644\u00000000000\u00000000000\u0000'), 100);
    member.set(encodeText(`${octal(sizeBytes, 11)}\0${octal(1_700_000_000 + random.below(1e6), 11)}\0`), 124);
    member.set(encodeText(`${octal(random.below(32_768), 6)}\0 0`), 148);
    member.set(encodeText('ustar\u000000root'), 257);
    const make = random.pick([makeText, makeRecords, makeNoise, makeSkewed]);
    member.set(make(random, sizeBytes), 512);
    return member;
  });
}

function makeNoise(random, lengthBytes) {
  return random.bytes(lengthBytes);
}

function makeZeros(_random, lengthBytes) {
  return new Uint8Array(lengthBytes);
}

/** An alphabet of 1 to 60 bytes, each rarer than the one before. */
function makeSkewed(random, lengthBytes) {
  const alphabet = random.bytes(1 + random.below(60));
  const steepness = 1 + random.below(12);
  const bytes = new Uint8Array(lengthBytes);
  for (let i = 0; i < lengthBytes; i++) {
    bytes[i] = alphabet[Math.floor((random.below(1000) / 1000) ** steepness * alphabet.length)];
  }
  return bytes;
}

/** One piece again and again, now and then with a byte changed; periods about the largest distance too. */
function makeRepeats(random, lengthBytes) {
  const period = random.pick([1, 2, 3, 7, 258, 259, 4096, 4097, 32_506, 32_760 + random.below(16), 65_535]);
  const piece = random.bytes(period);
  return fill(lengthBytes, () => {
    if (random.below(3) === 0) piece[random.below(period)] = random.below(256);
    return piece.slice();
  });
}

/** Copies of earlier bytes at random and at border distances, between short new pieces. */
function makeCopies(random, lengthBytes) {
  const borders = [1, 2, 3, 4, 4095, 4096, 4097, 8192, 32_505, 32_506, 32_507, 32_767, 32_768, 32_769];
  const alphabet = 2 + random.below(254);
  return fill(lengthBytes, (bytes, at) => {
    if (at === 0 || random.below(4) === 0) {
      return random.bytes(1 + random.below(random.pick([3, 8, 40]))).map((byte) => byte % alphabet);
    }
    const distance = Math.min(at, random.below(2) === 0 ? random.pick(borders) : 1 + random.below(40_000));
    const length = random.pick([3, 4, 5, 6, 7, 16, 32, 33, 257, 258, 259, 1 + random.below(600)]);
    const copy = new Uint8Array(length);
    for (let i = 0; i < length; i++) copy[i] = i < distance ? bytes[at - distance + i] : copy[i - distance];
    return copy;
  });
}

/** Pieces of every other kind. */
function makeMixture(random, lengthBytes) {
  const kinds = [makeText, makeRecords, makeNoise, makeZeros, makeSkewed, makeRepeats, makeCopies];
  return fill(lengthBytes, () =>
    random.pick(kinds)(random, 1 + random.below(random.pick([200, 5000, 60_000]))),
  );
}

const MAKERS = {
  text: makeText,
  records: makeRecords,
  tar: makeTar,
  noise: makeNoise,
  zeros: makeZeros,
  skewed: makeSkewed,
  repeats: makeRepeats,
  copies: makeCopies,
  mixture: makeMixture,
};

/** The kinds of input that {@link makeInput} knows. */
export const INPUT_KINDS = Object.keys(MAKERS);

/** `lengthBytes` bytes of a kind, a function of the three arguments alone. */
export function makeInput(kind, seed, lengthBytes) {
  return MAKERS[kind](createRandom(seed), lengthBytes);
}

/** Lengths at and around what encoders count: literals of a block, windows, buffers. */
const BORDERS = [
  0, 1, 3, 4, 16, 17, 127, 128, 258, 262, 4096, 16_383, 16_384, 32_506, 32_768, 65_274, 65_535, 65_536,
  98_304, 131_070, 131_072, 196_608, 262_144,
];

/** A length an encoder may trip over: half of them about a border, the rest short more often than long. */
export function pickLength(random, mostBytes) {
  const around = random.pick(BORDERS) + random.below(600) - 300;
  const free = Math.floor(mostBytes * (random.below(1 << 20) / (1 << 20)) ** 3);
  return Math.min(mostBytes, Math.max(0, random.below(2) === 0 ? around : free));
}

/** Cuts `lengthBytes` into write sizes that add up to it: one, or many of a scale that is drawn too. */
export function pickWriteSizes(random, lengthBytes) {
  if (random.below(4) === 0) return [lengthBytes];
  const scale = random.pick([50, 512, 5000, 32_768, 70_000, 300_000]);
  const sizes = [];
  for (let left = lengthBytes; left > 0; left -= sizes.at(-1)) {
    sizes.push(Math.min(left, random.below(3) === 0 ? scale : 1 + random.below(scale)));
  }
  return sizes;
}
