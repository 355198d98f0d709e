import { EXIT_CODES } from '../core/errors.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Where signals come from and where the process ends; `process` but for tests. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  exit(code: number): void;
}

/**
 * Turns the first SIGINT, SIGTERM or SIGHUP into an abort, on which the command ends in order. The second
 * ends the process at once, which the pool survives as it survives everything.
 */
export class Interrupts {
  readonly #source: SignalSource;
  readonly #controller = new AbortController();
  readonly #onFirst: () => void;

  constructor(source: SignalSource, onFirst: () => void) {
    this.#source = source;
    this.#onFirst = onFirst;
    for (const name of SIGNALS) source.on(name, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  close(): void {
    for (const name of SIGNALS) this.#source.off(name, this.#listener);
  }

  readonly #listener = (): void => {
    if (this.#controller.signal.aborted) {
      this.#source.exit(EXIT_CODES.interrupted.code);
      return;
    }
    this.#controller.abort();
    this.#onFirst();
  };
}
