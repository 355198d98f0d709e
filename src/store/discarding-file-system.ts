import type { FileSystem, OpenFile } from './file-system.js';

/**
 * Reads as `base` does and changes nothing: what is written to a new file is forgotten, and the file is never there.
 * For finding out what an operation would write.
 */
export function discardingFileSystem(base: FileSystem): FileSystem {
  return {
    openRead: (path) => base.openRead(path),
    createNew: async () => new DiscardedFile(),
    rename: async () => {},
    unlink: async () => {},
    makeDirectory: async () => {},
    syncDirectory: async () => {},
    list: (path) => base.list(path),
    info: (path) => base.info(path),
    setTimes: async () => {},
  };
}

class DiscardedFile implements OpenFile {
  #sizeBytes = 0;

  read(): Promise<number> {
    throw new TypeError('what was written here is not kept');
  }

  async write(bytes: Uint8Array, position: number): Promise<number> {
    this.#sizeBytes = Math.max(this.#sizeBytes, position + bytes.length);
    return bytes.length;
  }

  async sync(): Promise<void> {}

  async sizeBytes(): Promise<number> {
    return this.#sizeBytes;
  }

  async close(): Promise<void> {}
}
