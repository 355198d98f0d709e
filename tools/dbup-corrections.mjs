/**
 * Puts deflate streams together of their plain bytes and corrections, for dbup-extract.mjs. Written from docs/format.md,
 * "Corrections", alone.
 */

/** By number from 1 on: bytes, takes three, links, good, lazy, nice, distance, far, weighed, longest whose positions it has. */
const MODELS = [
  [3, 0, 4, 258, 0, 8, 32_506, 32_768, 0, 4],
  [3, 0, 32, 258, 0, 32, 32_506, 32_768, 0, 6],
  [3, 0, 16, 4, 4, 16, 32_506, 4096, 0, 258],
  [3, 0, 32, 8, 16, 32, 32_506, 4096, 0, 258],
  [3, 0, 128, 8, 16, 128, 32_506, 4096, 0, 258],
  [3, 0, 256, 8, 32, 128, 32_506, 4096, 0, 258],
  [3, 0, 1024, 32, 128, 258, 32_506, 4096, 0, 258],
  [3, 0, 4096, 32, 258, 258, 32_506, 4096, 0, 258],
  [4, 1, 2, 258, 0, 32, 32_768, 8192, 1, 258],
  [4, 1, 16, 258, 0, 30, 32_768, 8192, 1, 258],
  [4, 1, 35, 258, 65, 65, 32_768, 8192, 1, 258],
  [4, 1, 600, 258, 258, 258, 32_768, 8192, 1, 258],
  [4, 0, 1, 258, 0, 258, 32_768, 32_768, 0, 258],
  [4, 0, 1, 258, 258, 258, 32_768, 32_768, 0, 258],
  [4, 0, 32, 8, 32, 128, 32_768, 32_768, 0, 258],
  [4, 0, 256, 32, 258, 258, 32_768, 32_768, 0, 258],
].map(([shares, takesThree, links, good, lazy, nice, distance, far, weighs, inserts]) => ({
  shares,
  takesThree: takesThree === 1,
  links,
  good,
  lazy,
  nice,
  distance,
  far,
  weighs: weighs === 1,
  inserts,
}));

const FRAME_BYTES = 16;
const MOST_TOKEN_BYTES = 2_097_152;
const MOST_BLOCK_BYTES = 524_288;
const MOST_TOKENS = 1_048_576;
const MOST_LENGTH = 258;
const WINDOW_BYTES = 32_768;
const STRINGS_LOOKED_AT = 4096;

const LENGTH_BASES = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195,
  227, 258,
];
const LENGTH_EXTRA = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BASES = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
  6145, 8193, 12_289, 16_385, 24_577,
];
const distanceExtra = (code) => (code < 4 ? 0 : (code >> 1) - 1);
const CODE_LENGTH_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const RUN_EXTRA = { 16: 2, 17: 3, 18: 7 };
const FIXED_LENGTHS = [
  ...Array(144).fill(8),
  ...Array(112).fill(9),
  ...Array(24).fill(7),
  ...Array(8).fill(8),
];

function codeOf(bases, value) {
  let code = bases.length - 1;
  while (bases[code] > value) code--;
  return code;
}

const wrong = (why) => new RangeError(`corrections: ${why}`);

/** Probabilities by name, and the coder they are used with. */
class Decoder {
  #probabilities = new Map();
  #bytes = Buffer.alloc(0);
  #at = 0;
  #range = 0;
  #code = 0;

  begin(bytes) {
    this.#bytes = bytes;
    this.#at = 0;
    this.#range = 0xffffffff;
    this.#code = 0;
    for (let i = 0; i < 5; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  #next() {
    return this.#at < this.#bytes.length ? this.#bytes[this.#at++] : 0;
  }

  #normalise() {
    while (this.#range < 0x1000000) {
      this.#range = (this.#range << 8) >>> 0;
      this.#code = ((this.#code << 8) | this.#next()) >>> 0;
    }
  }

  bit(name) {
    const state = this.#probabilities.get(name) ?? { p: 16_384, n: 0 };
    if (state.n === 0) this.#probabilities.set(name, state);
    const bound = (this.#range >>> 15) * state.p;
    const shift = Math.min(++state.n, 5);
    const bit = this.#code < bound ? 0 : 1;
    if (bit === 0) {
      this.#range = bound;
      state.p += (32_768 - state.p) >> shift;
    } else {
      this.#range -= bound;
      this.#code -= bound;
      state.p -= state.p >> shift;
    }
    this.#normalise();
    return bit;
  }

  even(count) {
    let value = 0;
    for (let i = 0; i < count; i++) {
      this.#range >>>= 1;
      const bit = this.#code >= this.#range ? 1 : 0;
      if (bit) this.#code -= this.#range;
      value = value * 2 + bit;
      this.#normalise();
    }
    return value;
  }

  tree(name, bits) {
    let node = 1;
    for (let i = 0; i < bits; i++) node = 2 * node + this.bit(`${name}/${node}`);
    return node - 2 ** bits;
  }

  number(name) {
    const bits = this.tree(name, 5);
    return 2 ** bits + this.even(bits) - 1;
  }
}

/** Code lengths as zlib's trees.c makes them for how often symbols occur. */
function codeLengths(counts, mostBits) {
  const size = counts.length;
  const frequency = [...counts];
  const depth = [];
  const parent = [];
  const length = Array(size).fill(0);
  let largest = -1;
  const heap = [0];
  for (let i = 0; i < size; i++) {
    depth[i] = 0;
    if (frequency[i] > 0) {
      heap.push(i);
      largest = i;
    }
  }
  while (heap.length < 3) {
    const node = largest < 2 ? ++largest : 0;
    heap.push(node);
    frequency[node] = 1;
    depth[node] = 0;
  }
  const isSmaller = (n, m) =>
    frequency[n] < frequency[m] || (frequency[n] === frequency[m] && depth[n] <= depth[m]);
  const sift = (at) => {
    const value = heap[at];
    let place = at;
    for (let next = 2 * at; next < heap.length; next *= 2) {
      if (next + 1 < heap.length && isSmaller(heap[next + 1], heap[next])) next++;
      if (isSmaller(value, heap[next])) break;
      heap[place] = heap[next];
      place = next;
    }
    heap[place] = value;
  };
  for (let at = (heap.length - 1) >> 1; at >= 1; at--) sift(at);
  const sorted = [];
  let node = size;
  for (;;) {
    const n = heap[1];
    const last = heap.pop();
    if (heap.length > 1) {
      heap[1] = last;
      sift(1);
    }
    const m = heap[1];
    sorted.push(n, m);
    frequency[node] = frequency[n] + frequency[m];
    depth[node] = Math.max(depth[n], depth[m]) + 1;
    parent[n] = node;
    parent[m] = node;
    heap[1] = node++;
    if (heap.length === 2) break;
    sift(1);
  }
  // The root first, then from the largest down.
  const order = [heap[1], ...sorted.reverse()];
  const perLength = Array(mostBits + 1).fill(0);
  const bitsOf = [];
  bitsOf[order[0]] = 0;
  let overflow = 0;
  for (const one of order.slice(1)) {
    let bits = bitsOf[parent[one]] + 1;
    if (bits > mostBits) {
      bits = mostBits;
      overflow++;
    }
    bitsOf[one] = bits;
    if (one < size) perLength[bits]++;
  }
  if (overflow === 0) {
    for (const one of order) if (one < size) length[one] = bitsOf[one];
    return { length, largest };
  }
  for (; overflow > 0; overflow -= 2) {
    let bits = mostBits - 1;
    while (perLength[bits] === 0) bits--;
    perLength[bits]--;
    perLength[bits + 1] += 2;
    perLength[mostBits]--;
  }
  const leaves = order.filter((one) => one < size).reverse();
  let at = 0;
  for (let bits = mostBits; bits > 0; bits--)
    for (let left = perLength[bits]; left > 0; left--) length[leaves[at++]] = bits;
  return { length, largest };
}

/** The symbols with which zlib gives code lengths, each with its extra bits. */
function runsOf(lengths) {
  const symbols = [];
  let before = -1;
  let count = 0;
  let [most, least] = lengths[0] === 0 ? [138, 3] : [7, 4];
  for (let i = 0; i < lengths.length; i++) {
    const current = lengths[i];
    const next = lengths[i + 1];
    if (++count < most && current === next) continue;
    if (count < least) for (; count > 0; count--) symbols.push([current, 0]);
    else if (current !== 0) {
      if (current !== before) {
        symbols.push([current, 0]);
        count--;
      }
      symbols.push([16, count - 3]);
    } else if (count <= 10) symbols.push([17, count - 3]);
    else symbols.push([18, count - 11]);
    count = 0;
    before = current;
    if (next === 0) [most, least] = [138, 3];
    else if (current === next) [most, least] = [6, 3];
    else [most, least] = [7, 4];
  }
  return symbols;
}

/** Bits, the lowest of a byte first; codes their highest first. */
class BitWriter {
  #bytes = [];
  #pending = 0;
  #count = 0;

  put(value, count) {
    for (let i = 0; i < count; i++) {
      this.#pending |= (Math.floor(value / 2 ** i) & 1) << this.#count++;
      if (this.#count < 8) continue;
      this.#bytes.push(this.#pending);
      this.#pending = this.#count = 0;
    }
  }

  putCode({ code, length }) {
    if (length === 0) throw wrong('a symbol without a code');
    for (let i = length - 1; i >= 0; i--) this.put((code >> i) & 1, 1);
  }

  /** Fills the byte, if one was begun. */
  pad(value) {
    if (this.#count > 0) this.put(value, 8 - this.#count);
  }

  take() {
    const bytes = Buffer.from(this.#bytes);
    this.#bytes = [];
    return bytes;
  }
}

function codesOf(lengths) {
  const next = [];
  let code = 0;
  for (let bits = 1; bits <= 15; bits++) {
    code = (code + (bits === 1 ? 0 : lengths.filter((length) => length === bits - 1).length)) << 1;
    next[bits] = code;
  }
  return lengths.map((length) => ({ length, code: length > 0 ? next[length]++ : 0 }));
}

function classOf(length) {
  if (length <= 10) return length;
  return length <= 17 ? 11 : length <= 33 ? 12 : length <= 129 ? 13 : length <= 257 ? 14 : 15;
}

const bitsOf = (value) => 32 - Math.clz32(value);

/** The members of one file, in order. */
export class CorrectedStreams {
  #model;
  #frames;
  #tokens = new Decoder();
  #blocks = new Decoder();
  /** Frames read whose blocks are still to come, and blocks left of the one in use. */
  #forBlocks = [];
  #leftBlocks = 0;
  #leftPlain = 0;
  /** What goes on from member to member, and what does not. */
  #state = { at: 0, past: 0, waiting: null, out: null, count: 0, type: 0 };
  #plain = Buffer.alloc(0);
  #previous = new Int32Array(0);
  #hasNot = new Uint8Array(0);
  #heads = new Int32Array(0);
  #inserted = 0;

  /** @param corrections all of the file's */
  constructor(model, corrections) {
    this.#model = MODELS[model - 1];
    if (!this.#model) throw wrong(`there is no model ${model}`);
    this.#frames = framesOf(corrections);
  }

  /** The deflate stream of the next member's plain bytes. */
  member(plain) {
    this.#plain = plain;
    this.#previous = new Int32Array(plain.length).fill(-1);
    this.#hasNot = new Uint8Array(plain.length);
    this.#heads = new Int32Array(65_536).fill(-1);
    this.#inserted = 0;
    const out = new BitWriter();
    const state = this.#state;
    Object.assign(state, { at: 0, waiting: null, out });
    while (!this.#block(state));
    if (state.at !== plain.length) throw wrong('they end before the plain bytes do');
    out.pad(this.#blocks.number('padding'));
    return out.take();
  }

  #nextFrame() {
    const { value, done } = this.#frames.next();
    if (done) throw wrong('some are missing');
    this.#tokens.begin(value.tokens);
    this.#leftPlain = value.plainBytes;
    this.#forBlocks.push(value);
  }

  #nextBlocks() {
    if (this.#forBlocks.length === 0) this.#nextFrame();
    const { blocks, blockCount } = this.#forBlocks.shift();
    this.#blocks.begin(blocks);
    this.#leftBlocks = blockCount;
  }

  /** @returns whether it is the last of the member */
  #block(state) {
    while (this.#leftBlocks === 0) this.#nextBlocks();
    this.#leftBlocks--;
    const { out } = state;
    const last = this.#blocks.bit('last');
    state.type = this.#blocks.tree(`type${state.type}`, 2);
    out.put(last, 1);
    out.put(state.type, 2);
    if (state.type === 3) throw wrong('a block of no type');
    if (state.type === 0) this.#stored(state);
    else this.#coded(state);
    return last === 1;
  }

  #stored(state) {
    const count = this.#blocks.number('storedCount');
    state.out.pad(this.#blocks.number('padding'));
    if (count > 65_535 || state.at + count > this.#plain.length) throw wrong('a stored block is too long');
    state.out.put(count, 16);
    state.out.put(65_535 - count, 16);
    for (let i = 0; i < count; i++) {
      this.#use(1);
      state.out.put(this.#plain[state.at++], 8);
    }
    state.waiting = null;
  }

  #coded(state) {
    if (this.#blocks.bit('otherCount') === 1) state.count = this.#blocks.number('count');
    if (state.count > MOST_TOKENS) throw wrong('a block is too long');
    const tokens = Array.from({ length: state.count }, () => this.#token(state));
    const counts = [Array(286).fill(0), Array(30).fill(0)];
    counts[0][256] = 1;
    for (const { length, symbol, distanceSymbol } of tokens) {
      counts[0][symbol]++;
      if (length > 0) counts[1][distanceSymbol]++;
    }
    const { out } = state;
    const lengths = state.type === 1 ? [FIXED_LENGTHS, Array(30).fill(5)] : this.#header(counts, out);
    const [literals, distances] = lengths.map(codesOf);
    const putSymbol = (codes, symbol) => out.putCode(codes[symbol] ?? { length: 0 });
    for (const { length, distance, symbol, distanceSymbol } of tokens) {
      putSymbol(literals, symbol);
      if (length === 0) continue;
      out.put(length - LENGTH_BASES[symbol - 257], LENGTH_EXTRA[symbol - 257]);
      putSymbol(distances, distanceSymbol);
      out.put(distance - DISTANCE_BASES[distanceSymbol], distanceExtra(distanceSymbol));
    }
    putSymbol(literals, 256);
  }

  /** Writes the header of a block with codes of its own. @returns the lengths of these */
  #header(counts, out) {
    const blocks = this.#blocks;
    const trees = counts.map((list) => codeLengths(list, 15));
    const sizes = trees.map(({ largest }, i) =>
      blocks.bit(`otherSymbols${i}`) === 1 ? blocks.even(5) + [257, 1][i] : largest + 1,
    );
    const lengths = trees.map(({ length }, i) =>
      Array.from({ length: sizes[i] }, (_, symbol) => {
        const expected = length[symbol] ?? 0;
        return blocks.bit(`otherLength${expected}`) === 1 ? blocks.tree(`length${expected}`, 4) : expected;
      }),
    );
    const all = lengths.flat();
    const runs = blocks.bit('otherRuns') === 1 ? this.#otherRuns(all.length) : lengths.flatMap(runsOf);
    const used = Array(19).fill(0);
    for (const [symbol] of runs) used[symbol]++;
    const expected = codeLengths(used, 7).length;
    const codes = expected.map((length) =>
      blocks.bit(`otherCodeLength${length}`) === 1 ? blocks.tree(`codeLength${length}`, 3) : length,
    );
    const ranked = CODE_LENGTH_ORDER.map((symbol) => codes[symbol]);
    let ranks = 19;
    while (ranks > 4 && ranked[ranks - 1] === 0) ranks--;
    if (blocks.bit('otherRanks') === 1) ranks = blocks.even(4) + 4;
    out.put(sizes[0] - 257, 5);
    out.put(sizes[1] - 1, 5);
    out.put(ranks - 4, 4);
    for (const length of ranked.slice(0, ranks)) out.put(length, 3);
    const written = codesOf(codes);
    for (const [symbol, extra] of runs) {
      out.putCode(written[symbol]);
      out.put(extra, RUN_EXTRA[symbol] ?? 0);
    }
    return lengths;
  }

  #otherRuns(count) {
    const runs = [];
    for (let covered = 0; covered < count; ) {
      const symbol = this.#blocks.tree('runSymbol', 5);
      if (symbol > 18) throw wrong('a run of no length');
      const extra = this.#blocks.even(RUN_EXTRA[symbol] ?? 0);
      runs.push([symbol, extra]);
      covered += symbol < 16 ? 1 : extra + (symbol === 18 ? 11 : 3);
    }
    return runs;
  }

  /** Takes plain bytes off what the frame has tokens for. */
  #use(count) {
    while (this.#leftPlain === 0) this.#nextFrame();
    this.#leftPlain -= count;
    if (this.#leftPlain < 0) throw wrong('a token goes beyond its frame');
  }

  #token(state) {
    while (this.#leftPlain === 0) this.#nextFrame();
    const { at, past } = state;
    const tokens = this.#tokens;
    const found = state.waiting ?? this.#search(at, this.#model.links, 2);
    state.waiting = null;
    const { next, isMatch } = this.#foresee(at, found);
    let match = null;
    let isOther;
    if (!isMatch) {
      isOther = tokens.bit(`isMatch${past + (next ? 16 : 0)}`);
      if (isOther) match = this.#distance(at, tokens.tree('newLength', 8) + 3);
      else state.waiting = next;
    } else {
      const kind = classOf(found.length);
      isOther = tokens.bit(`other${(past & 7) + 8 * kind}`);
      if (!isOther) match = found;
      else if (tokens.bit(`isLiteral${kind}`) === 0) {
        const other = tokens.bit(`isLength${kind}`) === 1;
        match = this.#distance(at, other ? tokens.tree('otherLength', 8) + 3 : found.length);
      }
    }
    state.past = ((past << 2) | (match ? 1 : 0) | (isOther ? 2 : 0)) & 15;
    return this.#take(state, match);
  }

  #take(state, match) {
    const { at } = state;
    const length = match ? match.length : 1;
    if (at + length > this.#plain.length || (match && match.distance > at))
      throw wrong('a match leaves its member');
    if (match && length > this.#model.inserts) this.#hasNot.fill(1, at + 1, at + length);
    this.#use(length);
    state.at += length;
    if (!match) return { length: 0, symbol: this.#plain[at] };
    const symbol = 257 + codeOf(LENGTH_BASES, length);
    return { ...match, symbol, distanceSymbol: codeOf(DISTANCE_BASES, match.distance) };
  }

  /** Whether the match found is foreseen; else a literal, and the match that waits behind it, if one does. */
  #foresee(at, found) {
    const { lazy, good, links, weighs } = this.#model;
    if (found.length < 3) return { isMatch: false, next: null };
    if (found.length >= lazy) return { isMatch: true, next: null };
    const some = found.length >= good ? Math.max(1, links >> 2) : links;
    const next = this.#search(at + 1, some, found.length - (weighs ? 1 : 0));
    const gain = 4 * (next.length - found.length) + bitsOf(found.distance) - bitsOf(next.distance);
    const isBetter = weighs ? next.length >= found.length && gain > 2 : next.length > found.length;
    return isBetter ? { isMatch: false, next } : { isMatch: true, next: null };
  }

  /** The earlier strings with the hash of that at a position, the nearest first. */
  *#chain(at) {
    if (at + 3 > this.#plain.length) return;
    for (; this.#inserted <= at; this.#inserted++) {
      const place = this.#inserted;
      const hash = Math.imul(this.#plain.readUIntLE(place, 3), 0x9e3779b1) >>> 16;
      this.#previous[place] = this.#heads[hash];
      this.#heads[hash] = place;
    }
    for (
      let place = this.#previous[at];
      place >= 0 && at - place <= WINDOW_BYTES;
      place = this.#previous[place]
    )
      yield place;
  }

  #common(at, place) {
    const most = Math.min(MOST_LENGTH, this.#plain.length - at);
    let length = 0;
    while (length < most && this.#plain[at + length] === this.#plain[place + length]) length++;
    return length;
  }

  #search(at, links, beat) {
    const { shares, takesThree, distance, far, nice } = this.#model;
    let best = { length: beat, distance: 0 };
    const none = { length: 0, distance: 0 };
    if (at + shares > this.#plain.length) return none;
    let three = null;
    let left = links;
    let looks = 4 * links + 64;
    for (const place of this.#chain(at)) {
      if (at - place > distance || looks-- === 0) break;
      if (this.#hasNot[place]) continue;
      const length = this.#common(at, place);
      if (length === 3 && shares === 4) three ??= { length, distance: at - place };
      if (length < shares) continue;
      if (length > best.length) best = { length, distance: at - place };
      if (best.distance > 0 && best.length >= nice) break;
      if (--left === 0) break;
    }
    if (best.distance === 0 && beat === 2 && takesThree && three) best = three;
    if (best.distance === 0 || (best.length === 3 && best.distance > far)) return none;
    return best;
  }

  /** A match of this length whose distance follows. */
  #distance(at, length) {
    if (this.#tokens.bit('isFar') === 1) return { length, distance: this.#tokens.even(15) + 1 };
    let hops = this.#tokens.number('hops');
    let looks = STRINGS_LOOKED_AT;
    for (const place of this.#chain(at)) {
      if (looks-- === 0) break;
      if (this.#common(at, place) >= length && hops-- === 0) return { length, distance: at - place };
    }
    throw wrong('a distance that is not there');
  }
}

function* framesOf(bytes) {
  for (let at = 0; at < bytes.length; ) {
    if (at + FRAME_BYTES > bytes.length) throw wrong('a frame is cut off');
    const [plainBytes, blockCount, tokenBytes, blockBytes] = [0, 4, 8, 12].map((i) =>
      bytes.readUInt32LE(at + i),
    );
    const blocksAt = at + FRAME_BYTES + tokenBytes;
    if (
      tokenBytes > MOST_TOKEN_BYTES ||
      blockBytes > MOST_BLOCK_BYTES ||
      blocksAt + blockBytes > bytes.length
    )
      throw wrong('a frame is too long');
    yield {
      plainBytes,
      blockCount,
      tokens: bytes.subarray(at + FRAME_BYTES, blocksAt),
      blocks: bytes.subarray(blocksAt, blocksAt + blockBytes),
    };
    at = blocksAt + blockBytes;
  }
}
