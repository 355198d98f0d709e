import type { Snapshot, SnapshotBlob, SnapshotLayer } from '../format/snapshot.js';

/**
 * How a layer is held: `plain`, as the tar it came as; `exact`, compressed when it came, held as its tar and
 * compressed again to the very same bytes; `corrected`, the same with the help of corrections; `verbatim`, compressed when it came and held so.
 */
export interface LayerForm {
  form: 'plain' | 'exact' | 'corrected' | 'verbatim';
  /** Of an exact one, the encoder; of a corrected one, the model of encoders that came nearest. */
  encoder?: string;
  /** Of a corrected one, what the corrections take, at most. */
  correctionBytes?: number;
  /** Of a verbatim or corrected one, why, in words. */
  reason?: string;
}

const REASONS: Readonly<Record<string, string>> = {
  damaged: 'the gzip data is damaged or has a wrong checksum',
  'unknown-encoder': 'no known encoder makes these gzip bytes, and none comes near',
  'differs-late': 'a known encoder makes only its beginning, and none comes near',
  'too-complex': 'it has more gzip members, changes of encoder or trailing bytes than are looked into',
};

/** @param blob what the snapshot lists for the layer's digest */
export function layerForm({ digest, diffId }: SnapshotLayer, blob: SnapshotBlob | undefined): LayerForm {
  if (digest === diffId) return { form: 'plain' };
  if (blob?.correctionBytes !== undefined) {
    const { encoder = '', correctionBytes } = blob;
    return { form: 'corrected', encoder, correctionBytes, reason: 'no known encoder makes these gzip bytes' };
  }
  if (blob?.encoder !== undefined) return { form: 'exact', encoder: blob.encoder };
  if (blob?.mediaType.endsWith('zstd')) return { form: 'verbatim', reason: 'it is compressed with zstd' };
  const reason = REASONS[blob?.verbatim ?? ''] ?? blob?.verbatim ?? 'an earlier dbup saved it';
  return { form: 'verbatim', reason };
}

/** How many distinct layers of snapshots are held in which form. */
export interface LayerForms {
  plain: number;
  exact: number;
  corrected: number;
  verbatim: number;
  /** What the corrections of all corrected ones take, at most. */
  correctionBytes: number;
  /** How many by encoder or model, and why how many are verbatim. */
  encoders: { encoder: string; layers: number }[];
  reasons: { reason: string; layers: number }[];
}

export function countLayerForms(snapshots: Iterable<Snapshot>): LayerForms {
  const forms = new Map<string, LayerForm>();
  for (const { images, blobs } of snapshots) {
    const byDigest = new Map(blobs.map((blob) => [blob.digest, blob]));
    for (const layer of images.flatMap(({ layers }) => layers)) {
      forms.set(layer.digest, layerForm(layer, byDigest.get(layer.digest)));
    }
  }
  const all = [...forms.values()];
  const count = (form: LayerForm['form']): number => all.filter((one) => one.form === form).length;
  return {
    plain: count('plain'),
    exact: count('exact'),
    corrected: count('corrected'),
    correctionBytes: all.reduce((sum, one) => sum + (one.correctionBytes ?? 0), 0),
    verbatim: count('verbatim'),
    encoders: tally(all.map(({ encoder }) => encoder)).map(([encoder, layers]) => ({ encoder, layers })),
    reasons: tally(all.map(({ form, reason }) => (form === 'verbatim' ? reason : undefined))).map(
      ([reason, layers]) => ({ reason, layers }),
    ),
  };
}

/** The most frequent first. */
function tally(words: readonly (string | undefined)[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const word of words) if (word !== undefined) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}
