import type { FuzzTarget } from './fuzz-target.js';
import { catalogTarget } from './targets/catalog-targets.js';
import {
  deltaTarget,
  inflateTarget,
  sketchTarget,
  x86Target,
  zstdBlockTarget,
} from './targets/coder-targets.js';
import { correctionsTarget, gzipCorrectionTarget } from './targets/corrections-targets.js';
import {
  descriptorTarget,
  imageDocumentTarget,
  imageTreeTarget,
  memberTarget,
  snapshotTarget,
} from './targets/document-targets.js';
import { encoderStateTarget } from './targets/encoder-state-target.js';
import { engineAnswerTarget, engineHttpTarget } from './targets/engine-targets.js';
import { gzipFileTarget, gzipHeaderTarget, gzipProofTarget } from './targets/gzip-targets.js';
import { configFileTarget, endpointTarget, referenceTarget } from './targets/name-targets.js';
import {
  nestedProofTarget,
  nestedScanTarget,
  openedPartsTarget,
  openedSegmentTarget,
} from './targets/nested-targets.js';
import { blockTarget, packTarget, sketchIndexTarget } from './targets/pack-targets.js';
import { parityTarget } from './targets/parity-targets.js';
import { hostileArchiveTarget, hostilePoolTarget } from './targets/product-targets.js';
import {
  baseListTarget,
  encoderSpecTarget,
  encoderTarget,
  gzipRecipeTarget,
  listNodeTarget,
  recipeTarget,
} from './targets/recipe-targets.js';
import { paxTarget, tarTarget } from './targets/tar-targets.js';

/** Everything that reads what a stranger may have written. */
export const ALL_TARGETS: readonly FuzzTarget[] = [
  packTarget,
  blockTarget,
  sketchIndexTarget,
  parityTarget,
  zstdBlockTarget,
  deltaTarget,
  x86Target,
  sketchTarget,
  inflateTarget,
  recipeTarget,
  gzipRecipeTarget,
  encoderSpecTarget,
  encoderTarget,
  encoderStateTarget,
  listNodeTarget,
  baseListTarget,
  snapshotTarget,
  descriptorTarget,
  imageDocumentTarget,
  imageTreeTarget,
  memberTarget,
  referenceTarget,
  endpointTarget,
  configFileTarget,
  tarTarget,
  paxTarget,
  gzipHeaderTarget,
  gzipFileTarget,
  gzipProofTarget,
  correctionsTarget,
  gzipCorrectionTarget,
  openedPartsTarget,
  openedSegmentTarget,
  nestedScanTarget,
  nestedProofTarget,
  engineAnswerTarget,
  engineHttpTarget,
  catalogTarget,
  hostilePoolTarget,
  hostileArchiveTarget,
];
