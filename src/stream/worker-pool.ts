import { Worker } from 'node:worker_threads';

/** Workers keep their bytes outside the heap; a small young generation saves tens of MB a thread. */
const RESOURCE_LIMITS = { maxYoungGenerationSizeMb: 1 };

interface Pending {
  weight: number;
  resolve: (value: never) => void;
  reject: (error: unknown) => void;
}

/** Runs jobs one after the other in one thread, which may keep something between them. */
export interface WorkerLane<Job> {
  run<Result>(job: Job): Promise<Result>;
  close(): void;
}

interface Member {
  worker: Worker;
  lanes: number;
  pending: Map<number, Pending>;
  /** Of its unfinished jobs. */
  weight: number;
}

/** How a job is given to a thread. */
export interface WorkerShare {
  /** Threads, by number, that do not take it: what a job of its kind keeps in memory, each that does keeps. */
  from?: number | undefined;
  to?: number | undefined;
  /** Unfinished work that the threads from `from` on have at least where others take it all the same. */
  sharedFrom?: number | undefined;
  /** How long it takes, by a short one: what comes after it goes to other threads meanwhile. */
  weight?: number | undefined;
  /** Memory in the job that the thread gets instead of a copy: it is gone here. */
  handOver?: ArrayBuffer[] | undefined;
}

/** What a worker answers. An error crosses as its message and code: classes do not survive the thread border. */
export type WorkerAnswer =
  | { id: number; value: unknown }
  | { id: number; error: { message: string; code?: string } };

/**
 * A fixed number of worker threads running one module, started when the first job comes. Each job goes to
 * the thread with the least unfinished work. A message costs about 10 µs whatever its size: hand out
 * units of 256 KiB and more.
 */
export class WorkerPool<Job extends { type: string }> {
  readonly #module: URL;
  readonly #size: number;
  readonly #members: Member[] = [];
  #nextId = 0;
  #closed = false;

  constructor(module: URL, size: number) {
    this.#module = module;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  /** Begins to start as many threads, which takes each a while, before there is work for them. */
  start(threads: number): void {
    while (!this.#closed && this.#members.length < Math.min(threads, this.#size)) {
      // Nothing is waited for yet.
      this.#start().worker.unref();
    }
  }

  /**
   * Runs a job.
   * @throws Error with the worker's message and `code`, or when the worker died
   */
  run<Result>(
    job: Job,
    {
      from = 0,
      to = this.#size,
      sharedFrom = Number.POSITIVE_INFINITY,
      weight = 1,
      handOver = [],
    }: WorkerShare = {},
  ): Promise<Result> {
    if (this.#closed) return refused();
    const member = this.#leastBusy(from, to);
    const isShared = member.weight >= sharedFrom;
    return this.#send(isShared ? this.#leastBusy(0, this.#size) : member, job, weight, handOver);
  }

  /** Keeps to the thread with the least unfinished work, of several that with the fewest lanes. The caller closes the lane. */
  openLane(): WorkerLane<Job> {
    const mayStart =
      !this.#closed && this.#members.length < this.#size && this.#members.every(({ lanes }) => lanes > 0);
    const member = mayStart ? this.#start() : this.#freest();
    if (member) member.lanes++;
    let isOpen = member !== undefined;
    return {
      // A thread that has died answers nothing any more.
      run: (job) => (member && this.#members.includes(member) ? this.#send(member, job) : refused()),
      close: () => {
        if (isOpen) member!.lanes--;
        isOpen = false;
      },
    };
  }

  #send<Result>(member: Member, job: Job, weight = 1, handOver: ArrayBuffer[] = []): Promise<Result> {
    const id = this.#nextId++;
    return new Promise<Result>((resolve, reject) => {
      member.pending.set(id, { weight, resolve, reject });
      member.weight += weight;
      member.worker.ref();
      member.worker.postMessage({ id, job }, handOver);
    });
  }

  /** Ends the threads; jobs not yet answered are rejected. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#members.map(({ worker }) => worker.terminate()));
  }

  #leastBusy(from: number, to: number): Member {
    while (this.#members.length < from) this.#start();
    const members = this.#members.slice(from, to);
    const idle = members.find((member) => member.pending.size === 0);
    if (idle) return idle;
    if (members.length < to - from) return this.#start();
    return members.reduce((best, member) => (member.weight < best.weight ? member : best));
  }

  /** A lane whose jobs are all done may stay open for long: what comes next must not wait behind others meanwhile. */
  #freest(): Member | undefined {
    const [first, ...others] = this.#members;
    return others.reduce((best, member) => {
      const more = member.weight - best.weight || member.lanes - best.lanes;
      return more < 0 ? member : best;
    }, first!);
  }

  #start(): Member {
    const member: Member = {
      worker: new Worker(this.#module, { resourceLimits: RESOURCE_LIMITS }),
      lanes: 0,
      pending: new Map(),
      weight: 0,
    };
    member.worker.on('message', (answer: WorkerAnswer) => {
      const pending = member.pending.get(answer.id);
      member.pending.delete(answer.id);
      member.weight -= pending?.weight ?? 0;
      // An idle worker must not keep the process alive, but one that is being ended must: somebody waits for its end.
      if (member.pending.size === 0 && !this.#closed) member.worker.unref();
      if ('error' in answer)
        pending?.reject(Object.assign(new Error(answer.error.message), { code: answer.error.code }));
      else pending?.resolve(answer.value as never);
    });
    const fail = (error: unknown): void => {
      for (const pending of member.pending.values()) pending.reject(error);
      member.pending.clear();
      const at = this.#members.indexOf(member);
      if (at >= 0) this.#members.splice(at, 1);
    };
    member.worker.on('error', fail);
    member.worker.on('exit', () => fail(new Error('a worker thread ended before its job was done')));
    this.#members.push(member);
    return member;
  }
}

function refused(): Promise<never> {
  return Promise.reject(new Error('the worker pool is closed, or its thread has ended'));
}
