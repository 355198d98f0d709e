import {
  listNode,
  packFile,
  recipe,
  segments,
  sha256Hex,
  streamReference,
  streamSegment,
} from '../format/hand-made-pool.js';
import { ARCHIVE, LAYER, tinyPool, tinySnapshot } from '../format/tiny-image.js';
import { noise } from '../support/tar-builder.js';
import { compressedRecipe, type MadeRecipe, openedSegment } from './hostile-streams.js';
import { edge, mutated } from './mutate.js';
import { type Json, mutatedJson } from './mutate-json.js';
import type { Random } from './random.js';

/** A descriptor, packs and snapshots of a pool whose names match its contents and which no dbup has written. */
export interface HostilePool {
  descriptor: Uint8Array;
  packs: Uint8Array[];
  snapshots: Uint8Array[];
}

const SOUND = tinyPool();
const DESCRIPTOR = SOUND.get('dbup-pool.json')!;
const [PACK] = [...SOUND].filter(([name]) => name.startsWith('packs/')).map(([, bytes]) => bytes) as [
  Uint8Array,
];
const SNAPSHOT = JSON.parse(Buffer.from(tinySnapshot()).toString()) as { [name: string]: Json };

/** Chunks made one after the other, of which later ones name earlier ones; all ids are right. */
class ChunkMaker {
  readonly #random: Random;
  readonly plain: Uint8Array[] = [noise(1, 700), new Uint8Array(4096), ARCHIVE, LAYER];
  readonly recipes: MadeRecipe[] = [];
  readonly nodes: { bytes: Uint8Array; sizeBytes: number; depth: number }[] = [];

  constructor(random: Random) {
    this.#random = random;
    for (let left = 1 + random.size(5); left > 0; left--) this.#addNode();
    for (let left = 2 + random.size(8); left > 0; left--) this.#addRecipe();
  }

  get all(): Uint8Array[] {
    const all = [
      ...this.plain,
      ...this.nodes.map(({ bytes }) => bytes),
      ...this.recipes.map(({ bytes }) => bytes),
    ];
    return [...new Map(all.map((bytes) => [sha256Hex(bytes), bytes])).values()];
  }

  /** A stream of chunks that are there, as long as they are or a little off. */
  stream(): { reference: Uint8Array; sizeBytes: number } {
    const random = this.#random;
    if (this.nodes.length > 0 && random.percent(40)) {
      const node = random.pick(this.nodes);
      const sizeBytes = this.#nearly(node.sizeBytes);
      const depth = random.percent(90) ? node.depth : random.below(10);
      return { reference: streamReference(node.bytes, depth, sizeBytes), sizeBytes };
    }
    const chunk = random.pick(random.percent(90) ? this.plain : this.all);
    const sizeBytes = this.#nearly(chunk.length);
    return {
      reference: streamReference(chunk, random.percent(95) ? 0 : random.below(9), sizeBytes),
      sizeBytes,
    };
  }

  #nearly(size: number): number {
    if (this.#random.percent(93)) return size;
    return Number(edge(this.#random) % 2n ** 53n) || 1;
  }

  #addNode(): void {
    const random = this.#random;
    const below = random.percent(50) && this.nodes.length > 0 ? this.nodes : null;
    const entries = Array.from({ length: 1 + random.size(below ? 6 : 30) }, () => {
      const chunk = below ? random.pick(below) : null;
      const bytes = chunk?.bytes ?? random.pick(this.plain);
      return { chunk: bytes, length: this.#nearly(chunk?.sizeBytes ?? bytes.length) };
    });
    const bytes = new Uint8Array(listNode(entries));
    const sizeBytes = entries.reduce((sum, { length }) => sum + length, 0) % 2 ** 52;
    const depth = 1 + Math.max(0, ...(below ? below.map((node) => node.depth) : [0]));
    this.nodes.push({ bytes, sizeBytes, depth: Math.min(depth, 8) });
  }

  #addRecipe(): void {
    const random = this.#random;
    const { reference, sizeBytes } = this.stream();
    const inner = random.percent(60) ? random.pick(this.recipes) : undefined;
    if (inner && random.percent(40)) {
      for (const made of compressedRecipe(random, inner, (chunk) => this.#keep(chunk)))
        this.recipes.push({ ...made, bytes: this.#maybeChanged(made.bytes) });
      return;
    }
    if (random.percent(50)) {
      const bytes = recipe(1, sizeBytes, reference);
      this.recipes.push({ bytes: this.#maybeChanged(bytes), sizeBytes });
      return;
    }
    const list = Array.from({ length: random.size(6) }, () => this.#segment());
    const total = sizeBytes + list.reduce((sum, segment) => sum + segment.sizeBytes, 0);
    const size = total % 2 ** 53;
    const bytes = recipe(2, size, reference, segments(...list.map((segment) => segment.bytes)));
    this.recipes.push({ bytes: this.#maybeChanged(bytes), sizeBytes: size });
  }

  /** A chunk that streams name. */
  #keep(chunk: Uint8Array): Uint8Array {
    if (chunk.length > 0) this.plain.push(chunk);
    return chunk;
  }

  #segment(): { bytes: Uint8Array; sizeBytes: number } {
    if (this.#random.percent(25)) return openedSegment(this.#random, (chunk) => this.#keep(chunk));
    const inner = this.#random.percent(50) ? this.#random.pick(this.recipes) : undefined;
    if (!inner) {
      const { reference, sizeBytes } = this.stream();
      return { bytes: streamSegment(reference), sizeBytes };
    }
    const bytes = Buffer.alloc(88);
    bytes.writeUInt8(1, 0);
    bytes.set(Buffer.from(inner.digestHex ?? sha256Hex(this.#random.pick(this.plain)), 'hex'), 8);
    bytes.writeBigUInt64LE(BigInt(inner.sizeBytes), 40);
    bytes.set(Buffer.from(sha256Hex(inner.bytes), 'hex'), 56);
    return { bytes, sizeBytes: inner.sizeBytes };
  }

  #maybeChanged(bytes: Uint8Array): Uint8Array {
    return this.#random.percent(92) ? new Uint8Array(bytes) : mutated(this.#random, bytes).slice(0, 100_000);
  }
}

/** Pools of the grammar above, and sound ones in which one file was changed and named anew. */
export function makeHostilePool(random: Random, makePack: (random: Random) => Uint8Array): HostilePool {
  if (random.percent(35)) {
    const snapshot = mutatedJson(random, SNAPSHOT);
    return random.percent(50)
      ? { descriptor: DESCRIPTOR, packs: [PACK], snapshots: [snapshot] }
      : {
          descriptor: DESCRIPTOR,
          packs: [random.percent(50) ? PACK : makePack(random), makePack(random)],
          snapshots: [tinySnapshot()],
        };
  }
  const chunks = new ChunkMaker(random);
  const all = chunks.all.filter(({ length }) => length > 0);
  const half = random.below(all.length);
  const packs = [all.slice(0, half), all.slice(half)]
    .filter(({ length }) => length > 0)
    .map((list) => packFile([{ codec: random.below(2), kind: random.below(4), chunks: list }]));
  const snapshots = Array.from({ length: 1 + random.size(3) }, (_, i) => snapshotOf(random, chunks, i));
  return { descriptor: DESCRIPTOR, packs: packs.map((pack) => new Uint8Array(pack)), snapshots };
}

function snapshotOf(random: Random, { recipes, plain }: ChunkMaker, number: number): Uint8Array {
  const digest = (): string => `sha256:${sha256Hex(random.pick(plain))}`;
  const blob = (): { [name: string]: Json } => {
    const { bytes, sizeBytes, digestHex } = random.pick(recipes);
    return {
      digest: digestHex ? `sha256:${digestHex}` : digest(),
      sizeBytes,
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      recipeId: sha256Hex(bytes),
    };
  };
  const { bytes, sizeBytes } = random.pick(recipes);
  const blobs = Array.from({ length: random.size(5) }, blob);
  const layers = blobs.map((one) => ({ digest: one.digest!, diffId: digest() }));
  const archive = {
    dialect: 'docker-archive',
    sizeBytes,
    recipeId: sha256Hex(bytes),
    imageCount: random.below(3),
  };
  const fields = {
    features: random.percent(90)
      ? ['gzip-recipe', 'gzip-checkpoints', 'gzip-corrections', 'nested-deflate']
      : [],
    createdAt: `2026-01-0${1 + (number % 9)}T00:00:00.000Z`,
    images: [{ platform: 'linux/amd64', configDigest: digest(), layers }],
    blobs,
    ...(random.percent(70) ? { archive } : { archive: undefined }),
  };
  return new Uint8Array(tinySnapshot(fields));
}
