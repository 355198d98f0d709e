import { basename } from 'node:path';
import type { OperationContext } from '../core/context.js';
import { DbupError, toDbupError } from '../core/errors.js';
import { LIMITS } from '../core/limits.js';
import type { SnapshotArchive } from '../format/snapshot.js';
import { type ArchiveInput, openArchiveInput, StreamInput } from '../image/archive-input.js';
import type { EngineClient } from '../image/engine/engine-client.js';
import { normalisedReference, readOciDirectory } from '../image/oci-directory.js';
import { looksLikeImageId, parseReference, untaggedReference } from '../oci/reference.js';
import type { Pool } from '../pool/pool.js';
import { ingestArchive } from './ingest-archive.js';
import { ingestOciDirectory } from './ingest-oci-directory.js';
import {
  type ArchiveDialect,
  archiveDialect,
  checkBlobNames,
  type FoundImage,
  type InterpretParts,
  interpretDockerArchive,
  interpretOciLayout,
} from './interpret-archive.js';
import { DEFAULT_LEVEL, type SavedImage, SaveSession, type StoredParts } from './save-session.js';
import { forecastArchive } from './scan-archive.js';

/** What to save. */
export type SaveSource =
  | { kind: 'engine'; client: EngineClient; image: string }
  | {
      kind: 'archive';
      /** `-` is standard input. */
      path: string;
      /** Refuse another dialect than this. */
      dialect?: ArchiveDialect;
      /** Save only the image of this reference. */
      reference?: string;
    }
  | { kind: 'oci-directory'; path: string; tag?: string };

export interface SaveOptions {
  /** Save under this reference instead of the source's own. For a source of one image. */
  as?: string;
  /** zstd level, 1 to 19. */
  level?: number;
}

export interface SaveResult {
  images: SavedImage[];
  /** Bytes the source handed over. */
  sourceBytes: number;
  /** Bytes added to the pool by all of it. */
  newBytes: number;
  /** What they are made of. */
  stored: StoredParts;
}

/**
 * Saves the images of one source. When it returns, every snapshot it names is durable and loads exactly.
 * When it throws, the pool has no new snapshot.
 * @throws DbupError
 */
export async function save(
  pool: Pool,
  source: SaveSource,
  options: SaveOptions,
  context: OperationContext,
): Promise<SaveResult> {
  const as = options.as === undefined ? undefined : parseReference(options.as).text;
  const session = await SaveSession.open(pool, context, options.level ?? DEFAULT_LEVEL).catch(
    (error: unknown) => {
      throw toDbupError(error, 'reading the pool');
    },
  );
  try {
    const images = await saveInto(session, source, as);
    return {
      images,
      sourceBytes: images.reduce((most, { imageBytes }) => Math.max(most, imageBytes), 0),
      newBytes: images.reduce((sum, { newBytes }) => sum + newBytes, 0),
      stored: session.stored(),
    };
  } catch (error) {
    const upgraded = toDbupError(error, 'saving into the pool');
    await session.fail(upgraded);
    throw upgraded;
  }
}

async function saveInto(
  session: SaveSession,
  source: SaveSource,
  as: string | undefined,
): Promise<SavedImage[]> {
  switch (source.kind) {
    case 'engine':
      return saveFromEngine(session, source.client, source.image, as);
    case 'archive': {
      const input = await openArchiveInput(source.path, session.context.signal);
      try {
        return await saveArchive(session, input, source, as);
      } finally {
        await input.close();
      }
    }
    case 'oci-directory':
      return saveOciDirectory(session, source.path, source.tag ?? null, as);
  }
}

/** An image whose id the pool knows need not be exported at all. */
async function saveFromEngine(
  session: SaveSession,
  client: EngineClient,
  name: string,
  as: string | undefined,
): Promise<SavedImage[]> {
  const { signal } = session.context;
  const image = await client.inspectImage(name, signal);
  if (!image) {
    throw new DbupError(
      'ENGINE_IMAGE_NOT_FOUND',
      `the engine at ${client.endpoint.origin} has no image ${name}`,
      {
        hint: '`docker images` lists what it has; `docker pull` fetches one.',
      },
    );
  }
  const byId = looksLikeImageId(name.replace(/^sha256:/, '')) && !image.repoTags.includes(`${name}:latest`);
  const reference = as ?? (byId ? untaggedReference(image.id) : parseReference(name).text);
  const description = `docker-daemon:${name}`;
  const known = await session.findImage(image.id);
  if (known) return [await session.repeat(known, reference, description)];
  const input = new StreamInput(client.exportImage([name], signal), `image ${name} of the engine`);
  try {
    return await saveArchive(session, input, {}, reference, description);
  } finally {
    await input.close();
  }
}

async function saveArchive(
  session: SaveSession,
  input: ArchiveInput,
  wanted: { dialect?: ArchiveDialect; reference?: string },
  as: string | undefined,
  description = `${wanted.dialect ?? 'archive'}:${input.description}`,
): Promise<SavedImage[]> {
  const { ingest, known, pool, context } = session;
  const { digests: expected, references } = await forecastArchive(input);
  session.expect(as === undefined ? references : [as], expected.values());
  const archive = await ingestArchive(input, {
    ingest,
    known,
    workers: pool.workers,
    context,
    gzip: session.gzip,
    newSpool: () => session.newSpool(),
    expected,
  });
  const parts = interpretParts(session, archive.members, input.description);
  const dialect = archiveDialect(archive.members);
  if (wanted.dialect !== undefined && wanted.dialect !== dialect) {
    throw new DbupError(
      'INPUT_NOT_AN_IMAGE',
      `${input.description} is a ${dialect}, not a ${wanted.dialect}`,
      {
        hint: `Write ${dialect}:${input.description}, or \`dbup save -i FILE\`, which takes either.`,
      },
    );
  }
  checkBlobNames(parts);
  const found =
    dialect === 'docker-archive' ? await interpretDockerArchive(parts) : await interpretOciLayout(parts);
  const chosen =
    wanted.reference === undefined ? found : chooseImage(found, wanted.reference, input.description);
  const named = nameImages(chosen, as, input.path ?? 'stdin');
  const snapshotArchive: SnapshotArchive = {
    dialect,
    sizeBytes: archive.sizeBytes,
    recipeId: archive.recipeId,
    imageCount: found.length,
  };
  return session.commit(
    named.map((entry) => ({
      ...entry,
      archive: snapshotArchive,
      imageBytes: imageBytesOf(entry.image, found.length, archive.sizeBytes),
    })),
    description,
  );
}

async function saveOciDirectory(
  session: SaveSession,
  path: string,
  tag: string | null,
  as: string | undefined,
): Promise<SavedImage[]> {
  const layout = await readOciDirectory(path, tag);
  if (as !== undefined) session.expect([as], []);
  const members = await ingestOciDirectory(layout, session);
  const found = await interpretOciLayout(interpretParts(session, members, path), layout.entries);
  const named = nameImages(found, as, path);
  return session.commit(
    named.map((entry) => ({ ...entry, imageBytes: imageBytesOf(entry.image, 2, 0) })),
    `oci:${path}${tag === null ? '' : `:${tag}`}`,
  );
}

function interpretParts(
  session: SaveSession,
  members: InterpretParts['members'],
  description: string,
): InterpretParts {
  return {
    members,
    description,
    storeBlob: (bytes) => session.storeBlob(bytes),
    diffIdOf: (digest) => session.known.diffIdOf(digest),
  };
}

/** An archive of one image is the image; of several, each is the sum of its blobs. */
function imageBytesOf(image: FoundImage, imageCount: number, archiveBytes: number): number {
  return imageCount === 1 ? archiveBytes : image.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}

function chooseImage(found: readonly FoundImage[], reference: string, description: string): FoundImage[] {
  const wanted = normalisedReference(reference);
  const byName = found.find(({ references }) => wanted !== null && references.includes(wanted));
  if (byName) return [{ ...byName, references: [wanted!] }];
  // An OCI layout may hold bare tags, and skopeo calls an image by the tag alone.
  const byTag = found.find(({ tag, layoutName }) => tag === reference || layoutName === reference);
  if (byTag) return [byTag];
  const names = found.flatMap(({ references, tag }) => (tag === null ? references : [...references, tag]));
  throw new DbupError('INPUT_NOT_FOUND', `${description} has no image ${reference}`, {
    hint:
      names.length > 0
        ? `It has ${names.slice(0, 10).join(', ')}.`
        : 'Its images have no names; leave the name out.',
  });
}

/** The references to save under: given, or the source's own, or made from the file's name and the tag, or from the id. */
function nameImages(
  found: readonly FoundImage[],
  as: string | undefined,
  path: string,
): { image: FoundImage; references: string[] }[] {
  if (as !== undefined) {
    if (found.length === 1) return [{ image: found[0]!, references: [as] }];
    throw new DbupError('USAGE', `--as names one image, but ${path} holds ${found.length}`, {
      hint: 'Leave --as out, or choose one image with docker-archive:FILE:reference.',
    });
  }
  const named = found.map((image) => {
    if (image.references.length > 0) return { image, references: image.references };
    return { image, references: [referenceFromTag(image, path) ?? untaggedReference(image.imageId)] };
  });
  checkNames(named, path);
  return named;
}

/** One reference for two images would make one of them a version of the other, and which one by chance. */
function checkNames(named: readonly { image: FoundImage; references: string[] }[], path: string): void {
  const identities = new Map<string, string>();
  for (const { image, references } of named) {
    const identity = image.root?.digest ?? image.imageId;
    for (const reference of references) {
      const other = identities.get(reference);
      if (other !== undefined && other !== identity) {
        throw new DbupError('INPUT_INVALID', `${path} gives the name ${reference} to two images`, {
          hint: 'Save one of them, by its tag or with --as, or name them apart where they come from.',
          details: { reference, images: [other, identity] },
        });
      }
      identities.set(reference, identity);
    }
  }
  if (identities.size <= LIMITS.archiveImages) return;
  throw new DbupError(
    'INPUT_TOO_LARGE',
    `${path} names its images by ${identities.size} references; at most ${LIMITS.archiveImages} are saved at once`,
    { hint: 'Save one of them under a name of your own with --as.' },
  );
}

function referenceFromTag(image: FoundImage, path: string): string | null {
  if (image.tag === null) return null;
  const name = basename(path)
    .replace(/\.(tar|oci)$/, '')
    .toLowerCase();
  return normalisedReference(`${name}:${image.tag}`);
}
