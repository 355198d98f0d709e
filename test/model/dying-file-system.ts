import { type FileSystem, nodeFileSystem, type OpenFile } from '../../src/store/file-system.js';

/** What every call answers in a process that is dead. */
export class Dead extends Error {}

/** The real disk for the first calls, and none from then on: what `kill -9` at that moment leaves behind. */
export class DyingFileSystem {
  readonly fs: FileSystem;
  #left: number;
  readonly #underWay = new Set<Promise<unknown>>();

  /** @param calls those that still succeed */
  constructor(calls: number) {
    this.#left = calls;
    const guard =
      <Arguments extends unknown[], Result>(call: (...args: Arguments) => Promise<Result>) =>
      async (...args: Arguments): Promise<Result> => {
        this.#step();
        return this.#watched(call(...args));
      };
    const file = (real: OpenFile): OpenFile => ({
      read: guard((into: Uint8Array, position: number) => real.read(into, position)),
      write: (bytes, position) => this.#write(real, bytes, position),
      sync: guard(() => real.sync()),
      sizeBytes: guard(() => real.sizeBytes()),
      // The kernel closes a dead process's files.
      close: () => real.close(),
    });
    const real = nodeFileSystem;
    this.fs = {
      openRead: guard(async (path: string) => file(await real.openRead(path))),
      createNew: guard(async (path: string, mode?: number) => file(await real.createNew(path, mode))),
      rename: guard((from: string, to: string) => real.rename(from, to)),
      unlink: guard((path: string) => real.unlink(path)),
      makeDirectory: guard((path: string) => real.makeDirectory(path)),
      syncDirectory: guard((path: string) => real.syncDirectory(path)),
      list: guard((path: string) => real.list(path)),
      info: guard((path: string) => real.info(path)),
      setTimes: guard((path: string, seconds: number) => real.setTimes(path, seconds)),
    };
  }

  get died(): boolean {
    return this.#left < 0;
  }

  /** Waits for the calls that were under way at death: the kernel ends them before it lets go of a dead process's locks. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.#underWay);
  }

  #watched<Result>(call: Promise<Result>): Promise<Result> {
    const ended = call.finally(() => this.#underWay.delete(ended));
    this.#underWay.add(ended);
    return ended;
  }

  /** Death in the middle of a write leaves a part of it. */
  async #write(real: OpenFile, bytes: Uint8Array, position: number): Promise<number> {
    const wasAlive = !this.died;
    try {
      this.#step();
    } catch (error) {
      if (wasAlive) await this.#watched(real.write(bytes.subarray(0, bytes.length >> 1), position));
      throw error;
    }
    return this.#watched(real.write(bytes, position));
  }

  #step(): void {
    if (--this.#left < 0) throw new Dead('the process is dead');
  }
}
