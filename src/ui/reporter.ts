import type { Report } from '../core/events.js';

export const PROGRESS_MODES = ['auto', 'tty', 'plain', 'json', 'none'] as const;
export type ProgressMode = (typeof PROGRESS_MODES)[number];

/** Renders what operations report while they run. */
export interface Reporter {
  readonly report: Report;
  /** Ends it and leaves the terminal clean; what is written later stands on a line of its own. */
  close(): void;
}

/** What a reporter writes to. */
export interface ReporterStream {
  write(text: string): unknown;
  readonly columns?: number;
  readonly isTTY?: boolean;
}

export interface ReporterOptions {
  stream: ReporterStream;
  /** Milliseconds of a clock that never goes back. */
  now: () => number;
}
