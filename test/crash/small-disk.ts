import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../support/run-dbup.js';

const COARSE_BYTES = 1024 * 1024;

/** A file system of its own and of a known size, mounted until it is disposed of. Only root may do that. */
export class SmallDisk implements AsyncDisposable {
  readonly path: string;
  readonly #root: string;

  private constructor(root: string) {
    this.#root = root;
    this.path = join(root, 'disk');
  }

  /** @returns the disk, or why there can be none */
  static async mount(kind: 'tmpfs' | 'ext4', sizeBytes: number): Promise<SmallDisk | string> {
    const root = mkdtempSync(join(tmpdir(), 'dbup-disk-'));
    const disk = new SmallDisk(root);
    mkdirSync(disk.path);
    const image = join(root, 'image');
    const steps: string[][] = [];
    if (kind === 'tmpfs') {
      steps.push(['mount', '-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', disk.path]);
    } else {
      writeFileSync(image, '');
      truncateSync(image, sizeBytes);
      // No blocks are kept for root, who runs this: the disk is full when it is full.
      steps.push(['mkfs.ext4', '-q', '-m', '0', image], ['mount', '-o', 'loop', image, disk.path]);
    }
    for (const [program, ...words] of steps) {
      const run = await runProgram(program!, words).catch((error: Error) => ({
        exitCode: 1,
        stdout: '',
        stderr: error.message,
      }));
      if (run.exitCode === 0) continue;
      rmSync(root, { recursive: true });
      return `${program}: ${run.stderr.trim()}`;
    }
    return disk;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.path);
    return bavail * bsize;
  }

  /** Leaves no more room than that, by a file that can be removed again. */
  async leaveFree(freeBytes: number): Promise<void> {
    this.makeRoom();
    // The last of it in small pieces: what the file system keeps of the file takes room, too.
    const fill = this.freeBytes - freeBytes - COARSE_BYTES;
    if (fill > 0) {
      const run = await runProgram('fallocate', ['-l', String(fill), this.#filler]);
      if (run.exitCode !== 0) throw new Error(run.stderr);
    }
    const file = openSync(this.#filler, 'a');
    try {
      while (this.freeBytes > freeBytes) writeSync(file, new Uint8Array(4096));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(this.#filler, { force: true });
  }

  get #filler(): string {
    return join(this.path, 'filler');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const run = await runProgram('umount', [this.path]);
    if (run.exitCode !== 0) throw new Error(run.stderr);
    rmSync(this.#root, { recursive: true });
  }
}
