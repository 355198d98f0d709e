const WINDOW_MS = 5_000;

/** Bytes per second over the last few seconds, steady enough to be read and quick enough to be true. */
export class RateMeter {
  readonly #now: () => number;
  readonly #samples: { timeMs: number; bytes: number }[] = [];

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
    this.add(0);
  }

  /** Tells how many bytes are done in all. */
  add(doneBytes: number): void {
    const timeMs = this.#now();
    this.#samples.push({ timeMs, bytes: doneBytes });
    // One sample older than the window stays, to measure from.
    while (this.#samples.length > 2 && this.#samples[1]!.timeMs < timeMs - WINDOW_MS) this.#samples.shift();
  }

  bytesPerSecond(): number {
    const first = this.#samples[0]!;
    const last = this.#samples.at(-1)!;
    const elapsedMs = this.#now() - first.timeMs;
    return elapsedMs > 0 ? ((last.bytes - first.bytes) * 1000) / elapsedMs : 0;
  }
}
