import { Worker } from 'node:worker_threads';

/** CPU seconds at one input after which the process is ended: a loop without an end cannot be ended otherwise. */
const MOST_CPU_SECONDS = 30;

/** Runs in a thread of its own, so that it also runs while the main one does not come back. */
const WATCHER = `
  const { workerData } = require('node:worker_threads');
  const { writeSync } = require('node:fs');
  const place = new Int32Array(workerData.place);
  let seen = -1;
  let since = 0;
  setInterval(() => {
    const now = Atomics.load(place, 0);
    const { user, system } = process.cpuUsage();
    const cpuSeconds = (user + system) / 1e6;
    if (now !== seen) [seen, since] = [now, cpuSeconds];
    if (now < 0 || cpuSeconds - since < ${MOST_CPU_SECONDS}) return;
    const name = workerData.names[Atomics.load(place, 1)];
    writeSync(2, 'hang: ' + name + ', input ' + Atomics.load(place, 2) + '\\n');
    process.kill(process.pid, 'SIGKILL');
  }, 1000).unref();
`;

/** Ends the process, naming target and input, when one input keeps it busy. */
export class Watchdog {
  readonly #place = new Int32Array(new SharedArrayBuffer(12));
  readonly #worker: Worker;

  constructor(names: readonly string[]) {
    this.#place[0] = -1;
    this.#worker = new Worker(WATCHER, {
      eval: true,
      workerData: { place: this.#place.buffer, names },
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 8 },
    });
    this.#worker.unref();
  }

  /** The next input is this one. */
  at(target: number, index: number): void {
    Atomics.store(this.#place, 1, target);
    Atomics.store(this.#place, 2, index);
    Atomics.store(this.#place, 0, (Atomics.load(this.#place, 0) + 1) & 0x7fffffff);
  }

  close(): Promise<number> {
    return this.#worker.terminate();
  }
}
