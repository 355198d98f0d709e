/** The library: what the commands are made of. */
export { type OperationContext, quietContext } from './core/context.js';
export {
  DbupError,
  type DbupErrorOptions,
  ERROR_CODES,
  type ErrorCode,
  EXIT_CODES,
  type ExitKind,
} from './core/errors.js';
export type { ProgressEvent, Report } from './core/events.js';
export type { EngineEndpoint } from './image/engine/endpoint.js';
export { EngineClient } from './image/engine/engine-client.js';
export { type ResolveEngineOptions, resolveEngine } from './image/engine/resolve-engine.js';
export type { Difference } from './operations/differences.js';
export { type Estimate, estimate } from './operations/estimate.js';
export type { Finding, FindingKind, VerifyOptions, VerifyResult } from './operations/findings.js';
export { executeGc, type GcResult } from './operations/gc.js';
export { type GcOptions, type GcPlan, type PackUse, planGc } from './operations/gc-plan.js';
export { type ImageList, type ImageSummary, listImages, listVersions } from './operations/list.js';
export { type LoadOptions, type LoadResult, type LoadSink, load } from './operations/load.js';
export type { DepthBytes, KindBytes, PoolBytes } from './operations/pool-bytes.js';
export { type ReindexResult, reindex } from './operations/reindex.js';
export { type RepairResult, repair } from './operations/repair.js';
export type { KeepRules } from './operations/retention.js';
export { executeRemoval, planRemoval, type RemovalPlan, type RemovalRequest } from './operations/rm.js';
export { type RollbackResult, rollback } from './operations/rollback.js';
export { type SaveOptions, type SaveResult, type SaveSource, save } from './operations/save.js';
export type { SavedImage, StoredParts } from './operations/saved-image.js';
export {
  type ConfigSummary,
  type LayerDetail,
  type PlatformImage,
  showVersion,
  type VersionDetail,
} from './operations/show.js';
export {
  type PoolStats,
  type StatsResult,
  stats,
  type VersionStats,
} from './operations/stats.js';
export { type TaggedVersion, tagVersion } from './operations/tag.js';
export { verify } from './operations/verify.js';
export type { VersionSummary } from './operations/version-summary.js';
export { createPool } from './pool/create-pool.js';
export {
  type OpenPoolOptions,
  openOrCreatePool,
  openPool,
  type Pool,
  type PoolAccess,
} from './pool/pool.js';
