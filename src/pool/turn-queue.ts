/** A job of a {@link TurnQueue}. */
export interface Turn<T> {
  done: Promise<T>;
  /** Begins the job at once if it has not begun. */
  hurry(): void;
}

/**
 * Runs jobs in the order in which they came, a few at a time. A job that another one waits for is hurried: it begins
 * out of turn and takes nobody's place, so that no job can wait for itself.
 */
export class TurnQueue {
  readonly #atOnce: number;
  readonly #waiting: (() => Promise<unknown> | null)[] = [];
  #running = 0;

  constructor(atOnce: number) {
    this.#atOnce = atOnce;
  }

  /** @returns when the job is done, or what it throws; nobody need wait for that */
  add<T>(job: () => Promise<T>): Turn<T> {
    let begin!: () => void;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const done = begun.then(job);
    done.catch(() => {});
    let hasBegun = false;
    const start = (): Promise<T> | null => {
      if (hasBegun) return null;
      hasBegun = true;
      begin();
      return done;
    };
    this.#waiting.push(start);
    this.#next();
    return { done, hurry: () => void start() };
  }

  #next(): void {
    while (this.#running < this.#atOnce) {
      const start = this.#waiting.shift();
      if (!start) return;
      const done = start();
      if (done === null) continue;
      this.#running++;
      const ended = (): void => {
        this.#running--;
        this.#next();
      };
      done.then(ended, ended);
    }
  }
}
