import { type FileSystem, nodeFileSystem, type OpenFile } from '../../src/store/file-system.js';

/** A disk that dies at the N-th call that changes something: that call and all after it fail. */
export class FailingFileSystem implements FileSystem {
  #callsLeft: number;
  /** True once a call has failed; a test whose fault never fired proves nothing. */
  failed = false;

  constructor(failAtCall: number) {
    this.#callsLeft = failAtCall;
  }

  openRead(path: string): Promise<OpenFile> {
    return nodeFileSystem.openRead(path);
  }

  async createNew(path: string): Promise<OpenFile> {
    this.#step();
    const file = await nodeFileSystem.createNew(path);
    return {
      read: (into, position) => file.read(into, position),
      write: async (bytes, position) => {
        this.#step();
        return file.write(bytes, position);
      },
      sync: async () => {
        this.#step();
        await file.sync();
      },
      sizeBytes: () => file.sizeBytes(),
      close: () => file.close(),
    };
  }

  async rename(from: string, to: string): Promise<void> {
    this.#step();
    await nodeFileSystem.rename(from, to);
  }

  async unlink(path: string): Promise<void> {
    this.#step();
    await nodeFileSystem.unlink(path);
  }

  async makeDirectory(path: string): Promise<void> {
    this.#step();
    await nodeFileSystem.makeDirectory(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.#step();
    await nodeFileSystem.syncDirectory(path);
  }

  list(path: string): Promise<string[]> {
    return nodeFileSystem.list(path);
  }

  info(path: string): ReturnType<FileSystem['info']> {
    return nodeFileSystem.info(path);
  }

  async setTimes(path: string, mtimeSeconds: number): Promise<void> {
    this.#step();
    await nodeFileSystem.setTimes(path, mtimeSeconds);
  }

  #step(): void {
    if (--this.#callsLeft > 0) return;
    this.failed = true;
    throw Object.assign(new Error('the disk is gone'), { code: 'EIO' });
  }
}
