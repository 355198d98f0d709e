import {
  closeSync,
  constants,
  ftruncateSync,
  openSync,
  readSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { isSystemError } from '../core/errors.js';
import { xxh64 } from '../hash/xxh64.js';

const NAME = 'spill';
/** Of the file. A save of some hundred MB leaves less in it. */
const MOST_BYTES = 512 * 1024 * 1024;
/** Of the free memory and of the free disk, at most: what is written is to stay in memory that nobody else needs. */
const FREE_SHARE = 1 / 16;

/** A stretch of a {@link SpillFile}, the same for all threads of the process. */
export interface SpillPlace {
  fd: number;
  offsetBytes: number;
  sizeBytes: number;
  /** Bytes that had been given before, in all rounds. */
  position: number;
}

/**
 * A file of bounded size for bytes that can be made again at any time; what was written first is overwritten first. It loses its
 * name as soon as it is there, so that nothing is left of it, whatever ends the process. Nothing rests on it: where it cannot be
 * made, written or read, or holds other bytes than were written, who uses it goes on without.
 */
export class SpillFile {
  readonly #directory: string;
  readonly #mostBytes: number;
  #fd: number | null = null;
  #isTried = false;
  #sizeBytes = 0;
  #givenBytes = 0;
  #users = 0;
  #isClosed = false;

  /**
   * @param directory where the file is made when it is first wanted; there is none where that does not exist
   * @param mostBytes 512 MiB by default; less where memory or disk is short
   */
  constructor(directory: string, mostBytes: number = MOST_BYTES) {
    this.#directory = directory;
    this.#mostBytes = mostBytes;
  }

  /** A place to write to; null where there is none. */
  reserve(sizeBytes: number): SpillPlace | null {
    if (this.#isClosed) return null;
    if (!this.#isTried) this.#open();
    if (this.#fd === null || sizeBytes > this.#sizeBytes) return null;
    const leftBytes = this.#sizeBytes - (this.#givenBytes % this.#sizeBytes);
    // No place goes over the end.
    if (sizeBytes > leftBytes) this.#givenBytes += leftBytes;
    const position = this.#givenBytes;
    this.#givenBytes += sizeBytes;
    return { fd: this.#fd, offsetBytes: position % this.#sizeBytes, sizeBytes, position };
  }

  /** False when what was written to a place may have been overwritten, or the file is closed. */
  holds({ position }: SpillPlace): boolean {
    return !this.#isClosed && this.#givenBytes - position <= this.#sizeBytes;
  }

  /** Whatever reads or writes the file goes through here: until it is done, the file stays open. */
  async use<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#users++;
    try {
      return await work();
    } finally {
      this.#users--;
      this.#closeUnused();
    }
  }

  /** Lets the file go when nobody uses it any more: its number may be that of another file then. */
  close(): void {
    this.#isClosed = true;
    this.#closeUnused();
  }

  #closeUnused(): void {
    if (!this.#isClosed || this.#users > 0 || this.#fd === null) return;
    const fd = this.#fd;
    this.#fd = null;
    ifPossible(() => {
      // What is still to be written is not waited for, as a disk on the network else might.
      ftruncateSync(fd);
    });
    ifPossible(() => closeSync(fd));
  }

  #open(): void {
    this.#isTried = true;
    const path = join(this.#directory, NAME);
    ifPossible(() => {
      // What somebody left who died between the two calls.
      removeName(path);
      const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
      this.#fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
      removeName(path);
      const { bavail, bsize } = statfsSync(this.#directory);
      const memoryBytes = Math.min(freemem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
      const freeBytes = Math.min(memoryBytes, bavail * bsize);
      this.#sizeBytes = Math.min(this.#mostBytes, Math.floor(freeBytes * FREE_SHARE));
    });
  }
}

function removeName(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!isSystemError(error, 'ENOENT')) throw error;
  }
}

/** Writes `bytes` to their place. @returns their XXH64, for {@link readSpilled}; null when they could not be written */
export function writeSpilled({ fd, offsetBytes }: SpillPlace, bytes: Uint8Array): bigint | null {
  const isWritten = transfer(bytes.length, (done) =>
    writeSync(fd, bytes, done, bytes.length - done, offsetBytes + done),
  );
  return isWritten ? xxh64(bytes) : null;
}

/** Reads what was written to a place. @returns false when `into` does not hold it: it could not be read, or is not what was written */
export function readSpilled({ fd, offsetBytes }: SpillPlace, checksum: bigint, into: Uint8Array): boolean {
  const isRead = transfer(into.length, (done) =>
    readSync(fd, into, done, into.length - done, offsetBytes + done),
  );
  return isRead && xxh64(into) === checksum;
}

/** @returns whether all bytes were transferred, in steps */
function transfer(sizeBytes: number, step: (done: number) => number): boolean {
  let done = 0;
  ifPossible(() => {
    while (done < sizeBytes) {
      const count = step(done);
      if (count === 0) return;
      done += count;
    }
  });
  return done === sizeBytes;
}

/** Does what the system may refuse to. */
function ifPossible(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}
