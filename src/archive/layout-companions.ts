import { DbupError } from '../core/errors.js';
import { type Descriptor, readDescriptor } from '../oci/descriptor.js';
import { type Digest, digestFromHex } from '../oci/digest.js';
import { readJsonDocument } from '../oci/json-document.js';
import { isIndexMediaType, isManifestMediaType } from '../oci/media-types.js';
import { type LayoutImage, walkImageTree } from './oci-layout.js';

/** An image of a layout, and the entries that are about it: signatures, SBOMs, attestations. */
export interface LayoutGroup {
  image: LayoutImage;
  companions: LayoutImage[];
}

type ReadDocument = (descriptor: Descriptor) => Uint8Array | null;

/** What cosign and the referrers tag schema of OCI distribution 1.1 call a content about another: by its digest. */
const ABOUT_TAG = /(?:^|:)sha256-([0-9a-f]{64})(?:\.[A-Za-z0-9_.-]+)?$/;
/** How `cosign save` marks the entries of its layout. */
const COSIGN_KIND = 'kind';
const COSIGN_ABOUT = /^dev\.cosignproject\.cosign\/(?:sigs|atts|sboms)$/;
const COSIGN_IMAGE = /^dev\.cosignproject\.cosign\/image(?:Index)?$/;

interface Candidate {
  entry: LayoutImage;
  /** Digests of manifests that the entry is about. */
  subjects: Digest[];
  /** The manifests and indexes it consists of, there or not. */
  own: Set<Digest>;
}

/**
 * Puts what is about an image to that image: by a tag made of its digest, by a manifest's `subject` (OCI 1.1), or by
 * cosign's marks; also what is about such a companion. An entry without a name that is part of another is left to that
 * one. What is about nothing in the layout stands for itself.
 *
 * @param chosen the entries wanted, of which each image leads a group
 * @param others entries that only count as companions
 * @param readDocument as for {@link walkImageTree}; of `others` the top document will do
 */
export function groupCompanions(
  chosen: readonly LayoutImage[],
  others: readonly LayoutImage[],
  readDocument: ReadDocument,
): LayoutGroup[] {
  const all = [...chosen, ...others];
  const trees = new Map<Digest, Set<Digest>>();
  const candidateOf = (entry: LayoutImage): Candidate => {
    const { digest } = entry.descriptor;
    const own = trees.get(digest) ?? manifestsOf(entry, readDocument);
    trees.set(digest, own);
    return { entry, subjects: subjectsOf(entry, all, readDocument), own };
  };
  const wanted = chosen.map(candidateOf);
  const rest = others.map(candidateOf);
  const candidates = [...wanted, ...rest];
  const leaders = wanted.filter((one) => !isPart(one, wanted) && !isAbout(one, wanted));
  const groups = leaders.map((leader) => gather(leader, candidates));
  const placed = new Set(groups.flatMap(({ image, companions }) => [image, ...companions]));
  // Two that are about each other, and about nothing else.
  for (const one of wanted) {
    if (placed.has(one.entry) || isPart(one, wanted)) continue;
    const group = gather(one, candidates);
    groups.push(group);
    for (const entry of [group.image, ...group.companions]) placed.add(entry);
  }
  return groups;
}

/** True for an entry without a name that another one contains. */
function isPart({ entry }: Candidate, all: readonly Candidate[]): boolean {
  const { digest } = entry.descriptor;
  if (entry.name !== null) return false;
  return all.some((other) => other.entry.descriptor.digest !== digest && other.own.has(digest));
}

function isAbout(one: Candidate, all: readonly Candidate[]): boolean {
  return one.subjects.some((subject) => all.some((other) => other !== one && other.own.has(subject)));
}

function gather(leader: Candidate, candidates: readonly Candidate[]): LayoutGroup {
  const own = new Set(leader.own);
  const waiting = new Set(candidates.filter((one) => one !== leader && one.subjects.length > 0));
  const companions: LayoutImage[] = [];
  for (let found = true; found; ) {
    found = false;
    for (const one of waiting) {
      if (!one.subjects.some((subject) => own.has(subject))) continue;
      waiting.delete(one);
      companions.push(one.entry);
      for (const digest of one.own) own.add(digest);
      found = true;
    }
  }
  return { image: leader.entry, companions };
}

function subjectsOf(entry: LayoutImage, all: readonly LayoutImage[], readDocument: ReadDocument): Digest[] {
  const { descriptor, name } = entry;
  const hex = ABOUT_TAG.exec(name ?? '')?.[1];
  if (hex !== undefined) return [digestFromHex(hex)];
  if (COSIGN_ABOUT.test(descriptor.annotations?.[COSIGN_KIND] ?? '')) {
    const images = all.filter((other) =>
      COSIGN_IMAGE.test(other.descriptor.annotations?.[COSIGN_KIND] ?? ''),
    );
    const same = images.length === 1 ? images : images.filter((other) => other.name === name);
    return same.map((image) => image.descriptor.digest);
  }
  const bytes = isDocument(descriptor) ? readDocument(descriptor) : null;
  if (bytes === null) return [];
  try {
    const subject = readJsonDocument(bytes, descriptor.digest).field('subject');
    return subject.isAbsent ? [] : [readDescriptor(subject).digest];
  } catch (error) {
    // What is wrong with it is told when it is stored, if it is.
    if (error instanceof DbupError) return [];
    throw error;
  }
}

/** Of a tree that cannot be read only its top. */
function manifestsOf({ descriptor }: LayoutImage, readDocument: ReadDocument): Set<Digest> {
  try {
    const { documents, absent } = walkImageTree(descriptor, readDocument);
    return new Set([descriptor, ...documents, ...absent].filter(isDocument).map(({ digest }) => digest));
  } catch (error) {
    if (error instanceof DbupError) return new Set([descriptor.digest]);
    throw error;
  }
}

function isDocument({ mediaType }: Descriptor): boolean {
  return isIndexMediaType(mediaType) || isManifestMediaType(mediaType);
}
