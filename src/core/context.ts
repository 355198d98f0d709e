import { DbupError } from './errors.js';
import type { Report } from './events.js';

/** What every operation is given: how to report, when to stop, and what time it is. */
export interface OperationContext {
  report: Report;
  signal: AbortSignal;
  /** Milliseconds since the epoch; replaced in tests. */
  now: () => number;
}

/** A context that reports nothing and never stops; the default of the library's public functions. */
export function quietContext(overrides: Partial<OperationContext> = {}): OperationContext {
  return { report: () => {}, signal: new AbortController().signal, now: Date.now, ...overrides };
}

/** Throws `INTERRUPTED` once the context's signal is aborted; every long loop calls it. */
export function throwIfInterrupted(signal: AbortSignal): void {
  if (signal.aborted) {
    throw new DbupError('INTERRUPTED', 'interrupted', {
      hint: 'Nothing is lost. Run the same command again: what was already stored is reused.',
    });
  }
}
