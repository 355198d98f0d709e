import type { OperationContext } from '../core/context.js';
import { DbupError, toDbupError } from '../core/errors.js';
import type { SnapshotArchive } from '../format/snapshot.js';
import { type ArchiveInput, openArchiveInput, StreamInput } from '../image/archive-input.js';
import type { EngineClient } from '../image/engine/engine-client.js';
import { type OciLayout, readOciDirectory } from '../image/oci-directory.js';
import { type Platform, parsePlatform } from '../oci/platform.js';
import { looksLikeImageId, parseReference, untaggedReference } from '../oci/reference.js';
import type { Pool } from '../pool/pool.js';
import { openArchiveLayout, spoolInput } from './archive-layout.js';
import type { FoundImage, InterpretParts } from './found-image.js';
import { ingestArchive } from './ingest-archive.js';
import { holdsUnwanted, ingestOciLayout } from './ingest-oci-layout.js';
import {
  type ArchiveDialect,
  archiveDialects,
  checkBlobNames,
  interpretArchive,
} from './interpret-archive.js';
import { interpretOciLayout } from './interpret-layout.js';
import { chooseImage, countImages, imagesFor, nameImages } from './name-images.js';
import { DEFAULT_LEVEL, SaveSession } from './save-session.js';
import type { SavedImage, StoredParts } from './saved-image.js';
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
  /** Of images for several platforms, only these: `linux/arm64`. Each must be there. */
  platforms?: readonly string[];
  /** Whether compressed files inside layers are stored open where they can be made again; true by default. */
  opensNested?: boolean;
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
  const platforms = (options.platforms ?? []).map(parsePlatform);
  const { level = DEFAULT_LEVEL, opensNested = true } = options;
  const session = await SaveSession.open(pool, context, { level, opensNested }).catch((error: unknown) => {
    throw toDbupError(error, 'reading the pool');
  });
  try {
    const images = await saveInto(session, source, { as, platforms });
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

/** The options of a save, taken apart. */
interface Wishes {
  as: string | undefined;
  /** All where there are none. */
  platforms: readonly Platform[];
}

async function saveInto(session: SaveSession, source: SaveSource, wishes: Wishes): Promise<SavedImage[]> {
  switch (source.kind) {
    case 'engine':
      return saveFromEngine(session, source.client, source.image, wishes);
    case 'archive': {
      const input = await openArchiveInput(source.path, session.context.signal);
      try {
        return await saveArchive(session, input, source, wishes);
      } finally {
        await input.close();
      }
    }
    case 'oci-directory': {
      const { path, tag = null } = source;
      const layout = await readOciDirectory(path, tag);
      return saveLayout(session, layout, wishes, `oci:${path}${tag === null ? '' : `:${tag}`}`);
    }
  }
}

/** An image whose id the pool knows need not be exported at all. */
async function saveFromEngine(
  session: SaveSession,
  client: EngineClient,
  name: string,
  { as, platforms }: Wishes,
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
  // Of an image for several platforms the engine may have others now than when it was saved.
  const isWhole = known?.snapshot.absent.length === 0 && platforms.length === 0;
  if (known && isWhole) return [await session.repeat(known, reference, description)];
  const input = new StreamInput(client.exportImage([name], signal), `image ${name} of the engine`);
  try {
    return await saveArchive(session, input, {}, { as: reference, platforms }, description);
  } finally {
    await input.close();
  }
}

interface WantedOfArchive {
  dialect?: ArchiveDialect;
  reference?: string;
}

/** With platforms chosen, the blobs of others are passed over where the archive is a layout; else it is kept whole. */
async function saveArchive(
  session: SaveSession,
  input: ArchiveInput,
  wanted: WantedOfArchive,
  wishes: Wishes,
  description = `${wanted.dialect ?? 'archive'}:${input.description}`,
): Promise<SavedImage[]> {
  const path = input.path ?? 'stdin';
  const whole = (file: ArchiveInput): Promise<SavedImage[]> =>
    saveWholeArchive(session, file, { ...wanted, path }, wishes, description);
  if (wishes.platforms.length === 0) return whole(input);
  const spooled = input.path === null ? await spoolInput(input, session) : null;
  const file = spooled?.input ?? input;
  try {
    const layout = await openArchiveLayout(file, wanted.reference ?? null);
    const isPart = layout !== null && (await holdsUnwanted(layout, wishes.platforms));
    return isPart ? await saveLayout(session, layout, wishes, description, path) : await whole(file);
  } finally {
    await spooled?.dispose();
  }
}

async function saveWholeArchive(
  session: SaveSession,
  input: ArchiveInput,
  wanted: WantedOfArchive & { path: string },
  { as, platforms }: Wishes,
  description: string,
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
  const dialects = archiveDialects(archive.members);
  const dialect = dialects[0]!;
  if (wanted.dialect !== undefined && !dialects.includes(wanted.dialect)) {
    throw new DbupError(
      'INPUT_NOT_AN_IMAGE',
      `${input.description} is a ${dialect}, not a ${wanted.dialect}`,
      {
        hint: `Write ${dialect}:${input.description}, or \`dbup save -i FILE\`, which takes either.`,
      },
    );
  }
  checkBlobNames(parts);
  const found = await interpretArchive(parts);
  const imageCount = countImages(found);
  const chosen =
    wanted.reference === undefined ? found : chooseImage(found, wanted.reference, input.description);
  const named = nameImages(imagesFor(platforms, chosen, input.description), as, wanted.path);
  const snapshotArchive: SnapshotArchive = {
    dialect,
    sizeBytes: archive.sizeBytes,
    recipeId: archive.recipeId,
    imageCount,
  };
  return session.commit(
    named.map((entry) => ({
      ...entry,
      archive: snapshotArchive,
      imageBytes: imageCount === 1 ? archive.sizeBytes : blobBytesOf(entry.image),
    })),
    description,
  );
}

async function saveLayout(
  session: SaveSession,
  layout: OciLayout,
  { as, platforms }: Wishes,
  description: string,
  path = layout.path,
): Promise<SavedImage[]> {
  if (as !== undefined) session.expect([as], []);
  const { members, ...choice } = await ingestOciLayout(layout, platforms, session);
  const found = await interpretOciLayout(interpretParts(session, members, layout.path), choice);
  const named = nameImages(found, as, path);
  return session.commit(
    named.map((entry) => ({ ...entry, imageBytes: blobBytesOf(entry.image) })),
    description,
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

function blobBytesOf({ blobs }: FoundImage): number {
  return blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
