/** What `verify` found wrong, by what it is about. */
export type FindingKind =
  | 'snapshot-damaged'
  | 'pack-damaged'
  | 'pack-footer-damaged'
  | 'block-damaged'
  | 'chunk-damaged'
  | 'recipe-damaged'
  | 'blob-damaged'
  | 'chunk-missing'
  | 'snapshots-missing'
  | 'parity-damaged'
  | 'parity-incomplete'
  | 'descriptor-damaged'
  | 'foreign-file';

export interface Finding {
  kind: FindingKind;
  /** `damage` ends in exit code 4, `incomplete` in 13; a `note` is nothing wrong. */
  severity: 'damage' | 'incomplete' | 'note';
  /** Relative to the pool. */
  file?: string;
  message: string;
  /** Ids of the chunks hit; no more than the first 1,000. */
  chunks?: string[];
  /** Addresses of the versions that cannot be loaded because of it. */
  images: string[];
}

export interface VerifyOptions {
  /** Read and check every byte; a number is the part of the packs in percent, 0 < p <= 100, chosen by `seed`. */
  readData: boolean | number;
  /** Only what this version needs. */
  address?: string;
  /**
   * With `readData: true`: end the reading of files about this long after it began, those checked least recently first. One
   * file is read in any case, and what was checked is remembered for the next time.
   */
  maxDurationMs?: number;
  /** For the choice of packs; made from the clock by default and given in the result. */
  seed?: number;
}

/** How far the checking of a pool's packs and parity files has come, over all runs on this machine. */
export interface CheckProgress {
  files: number;
  /** In this run. */
  filesRead: number;
  neverChecked: number;
  /** When the least recently checked one was; null when none ever was. */
  oldestCheckedAt: string | null;
}

/** What parity a pool has. */
export interface ParitySummary {
  files: number;
  /** Packs that some parity file covers, of those that are there. */
  packsCovered: number;
}

export interface VerifyResult {
  findings: Finding[];
  /** True when some file is not what its name or its checksums say. */
  damaged: boolean;
  /** True when versions need chunks that no usable pack of the pool holds, or there are packs and no `snapshots/`. */
  incomplete: boolean;
  /** Addresses of all versions hit by damage or incompleteness. */
  imagesHit: string[];
  snapshotsChecked: number;
  packsChecked: number;
  /** Packs of which the bytes were read. */
  packsRead: number;
  /** Absent when only one version was looked at. */
  parity?: ParitySummary;
  /** Bytes of blocks read and checked. */
  bytesRead: number;
  /** Set when the data of the whole pool was read, or part of it. */
  checked?: CheckProgress;
  /** Set when a part of the packs was chosen by it. */
  seed?: number;
}
