import { createHash } from 'node:crypto';
import { parseDockerManifest, resolveMember } from '../../../src/archive/docker-manifest.js';
import { listLayoutImages, parseOciLayoutFile, walkImageTree } from '../../../src/archive/oci-layout.js';
import { decodeDescriptor } from '../../../src/format/descriptor.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  readCheckedSnapshot,
  type Snapshot,
} from '../../../src/format/snapshot.js';
import { parseImageConfig } from '../../../src/oci/config.js';
import type { Descriptor } from '../../../src/oci/descriptor.js';
import { parseIndex } from '../../../src/oci/image-index.js';
import { parseManifest } from '../../../src/oci/manifest.js';
import { CHUNKER } from '../../format/hand-made-pool.js';
import { tinySnapshot } from '../../format/tiny-image.js';
import {
  CONFIG_JSON,
  DOCKER_ARCHIVE_JSON,
  INDEX_JSON,
  LAYOUT_INDEX_JSON,
  MANIFEST_JSON,
  OCI_LAYOUT_JSON,
  SCHEMA2_MANIFEST_JSON,
} from '../../oci/samples.js';
import { accepts, type FuzzTarget } from '../fuzz-target.js';
import { anyJson, type Json, mutatedJson } from '../mutate-json.js';
import type { Random } from '../random.js';

const parse = (text: string | Uint8Array): Json => JSON.parse(Buffer.from(text).toString()) as Json;
const DOCUMENTS = [
  CONFIG_JSON,
  DOCKER_ARCHIVE_JSON,
  INDEX_JSON,
  LAYOUT_INDEX_JSON,
  MANIFEST_JSON,
  OCI_LAYOUT_JSON,
  SCHEMA2_MANIFEST_JSON,
].map(parse);
const CONFIG = parse(CONFIG_JSON);
const MANIFEST = parse(MANIFEST_JSON);

const SNAPSHOTS = [
  parse(tinySnapshot()),
  parse(
    tinySnapshot({
      features: ['gzip-recipe'],
      root: {
        digest: `sha256:${'1'.repeat(64)}`,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        sizeBytes: 7,
      },
      absent: [`sha256:${'2'.repeat(64)}`],
      rollbackOf: '3'.repeat(64),
    }),
  ),
];
const DESCRIPTOR: Json = {
  kind: 'dbup-pool',
  format: 1,
  poolId: '00112233445566778899aabbccddeeff',
  createdAt: '2026-01-01T00:00:00.000Z',
  features: [],
  chunker: CHUNKER,
};

export const snapshotTarget: FuzzTarget = {
  name: 'snapshot',
  runs: 'snapshots; one that is read is written again to mean the same, and the quick way to read it agrees',
  inputs: 80_000,
  shortInputs: 1000,
  make: (random) => mutatedJson(random, random.pick(SNAPSHOTS), SNAPSHOTS),
  run(bytes) {
    let read: Snapshot | undefined;
    const accepted = accepts(() => {
      read = decodeSnapshot(bytes, 'fuzz');
    });
    if (!read) return accepted;
    const again = decodeSnapshot(encodeSnapshot(read), 'fuzz');
    if (JSON.stringify(again) !== JSON.stringify(read))
      throw new TypeError('a snapshot changes when it is written');
    const quick = readCheckedSnapshot(Buffer.from(bytes));
    if (quick.reference !== read.reference || quick.createdAt !== read.createdAt)
      throw new TypeError('two ways to read a snapshot do not agree');
    return true;
  },
};

export const descriptorTarget: FuzzTarget = {
  name: 'pool-descriptor',
  runs: 'dbup-pool.json',
  inputs: 50_000,
  shortInputs: 500,
  make: (random) => mutatedJson(random, DESCRIPTOR, SNAPSHOTS),
  run: (bytes) => accepts(() => decodeDescriptor(bytes, 'fuzz')),
};

/** A document for any of the parsers of what images hold. */
export const imageDocumentTarget: FuzzTarget = {
  name: 'image-document',
  runs: 'docker manifest.json, OCI index, manifest, config, layout file and schema 2 manifests, each with every parser',
  inputs: 60_000,
  shortInputs: 800,
  make: (random) =>
    random.percent(3)
      ? new Uint8Array(Buffer.from(JSON.stringify(anyJson(random, 6))))
      : mutatedJson(random, random.pick(DOCUMENTS), DOCUMENTS),
  run(bytes) {
    const parsers = [
      parseDockerManifest,
      parseIndex,
      parseManifest,
      parseImageConfig,
      parseOciLayoutFile,
      listLayoutImages,
    ];
    return parsers.map((parser) => accepts(() => parser(bytes, 'fuzz'))).some((accepted) => accepted);
  },
};

/** Documents one after the other, each behind its length in four bytes; every one is found by its digest. */
export const imageTreeTarget: FuzzTarget = {
  name: 'image-tree',
  runs: 'the walk from an index to its manifests and configs, all digests right',
  inputs: 25_000,
  shortInputs: 300,
  make: makeTree,
  run(bytes) {
    const documents = documentsOf(bytes);
    const root = documents.at(-1);
    if (!root) return false;
    const byDigest = new Map(documents.map((document) => [digestOf(document), document]));
    return accepts(() => {
      walkImageTree(describe(root) as unknown as Descriptor, ({ digest }) => byDigest.get(digest) ?? null);
    });
  },
};

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function describe(bytes: Uint8Array): { [name: string]: Json } & { sizeBytes: number } {
  const text = Buffer.from(bytes).toString();
  const isIndex = text.includes('"manifests"');
  const mediaType = isIndex
    ? 'application/vnd.oci.image.index.v1+json'
    : text.includes('"rootfs"')
      ? 'application/vnd.oci.image.config.v1+json'
      : 'application/vnd.oci.image.manifest.v1+json';
  return { mediaType, digest: digestOf(bytes), size: bytes.length, sizeBytes: bytes.length };
}

function makeTree(random: Random): Uint8Array {
  const documents: Uint8Array[] = [];
  const add = (json: Json): void => {
    documents.push(
      random.percent(85) ? Buffer.from(JSON.stringify(json)) : mutatedJson(random, json, DOCUMENTS),
    );
  };
  const some = (from: number): Json[] =>
    Array.from({ length: random.size(5) }, () =>
      describe(documents[random.between(from, documents.length - 1)] ?? new Uint8Array(0)),
    );
  for (let i = 0; i <= random.size(2); i++) add(CONFIG);
  for (let i = 0; i <= random.size(3); i++)
    add({ ...(MANIFEST as object), config: describe(random.pick(documents)) } as Json);
  for (let i = 0; i <= random.size(12); i++) add({ schemaVersion: 2, manifests: some(0) });
  return new Uint8Array(
    Buffer.concat(
      documents.flatMap((document) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(document.length);
        return [length, document];
      }),
    ),
  );
}

function documentsOf(bytes: Uint8Array): Uint8Array[] {
  const view = Buffer.from(bytes);
  const documents: Uint8Array[] = [];
  for (let at = 0; at + 4 <= view.length; ) {
    const end = at + 4 + view.readUInt32LE(at);
    documents.push(bytes.slice(at + 4, end));
    at = end;
  }
  return documents;
}

const KINDS = ['file', 'directory', 'symlink', 'hardlink', 'other'] as const;
const PIECES = ['a', 'b', '.', '..', '', 'layer.tar', 'x'.repeat(70_000), '\0', 'é'];

/** Lines of `kind name target`; the first name is what is looked for. */
export const memberTarget: FuzzTarget = {
  name: 'archive-links',
  runs: 'links between the members of an archive',
  inputs: 60_000,
  shortInputs: 500,
  make(random) {
    const path = (): string =>
      Array.from({ length: 1 + random.size(4) }, () =>
        random.pick(PIECES.slice(0, random.percent(3) ? 9 : 6)),
      ).join('/');
    const lines = Array.from(
      { length: 1 + random.size(12) },
      () => `${random.pick(KINDS)}\t${path()}\t${path()}`,
    );
    return new Uint8Array(Buffer.from(lines.join('\n')));
  },
  run(bytes) {
    const lines = Buffer.from(bytes)
      .toString()
      .split('\n')
      .map((line) => line.split('\t'));
    const members = new Map(
      lines.map(([kind, name, linkName]) => [
        name ?? '',
        { kind: KINDS.find((one) => one === kind) ?? 'other', linkName: linkName ?? '' },
      ]),
    );
    return accepts(() => {
      const { name, member } = resolveMember(lines[0]?.[2] ?? '', members);
      if (member.kind !== 'file' || name.split('/').includes('..') || name.startsWith('/'))
        throw new TypeError('a link led to what is no file of the archive');
    });
  },
};
