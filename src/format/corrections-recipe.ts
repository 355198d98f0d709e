/**
 * docs/format.md, "Corrections": the plain bytes of a gzip file, and what its `corrected` encoders need beside them.
 */
export interface CorrectionsRecipe<Stream> {
  kind: 'corrections';
  sizeBytes: number;
  /** As long as this blob, being the same bytes. */
  inner: { recipeId: string; sizeBytes: number };
  corrections: Stream;
}
