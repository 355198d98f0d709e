import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, relative } from 'node:path';
import type { FileSystem, OpenFile } from '../../../src/store/file-system.js';
import { ModelDirectory, ModelFile, modelOf } from './disk-model.js';
import { type Call, type FaultKind, ProcessDied } from './faults.js';
import { POWER_LOSSES, treeAfter } from './power-loss.js';
import { type Tree, writeTree } from './tree.js';

/**
 * A directory of the real disk behind the seam, with a model beside it of what would be left if the power went. One
 * call can be made to fail, or to be the process's last. Calls do their work at once, so that the same operation
 * makes the same calls in the same order.
 */
export class CrashDisk {
  readonly root: string;
  readonly fs: FileSystem;
  readonly #model: ModelDirectory;
  readonly #openFiles = new Set<number>();
  #fault: FaultKind | null = null;
  #at = 0;
  #random: () => number = () => 0;
  #dead = false;
  /** Counted calls since the fault was armed. */
  calls = 0;
  /** The call that was hit first. */
  fired: string | null = null;
  /** Called when the process dies, before anything is cleared up. */
  onDeath: () => void = () => {};

  /** Makes `root` hold `tree`, all of it durable. */
  constructor(root: string, tree: Tree) {
    this.root = root;
    writeTree(root, tree);
    this.#model = modelOf(tree);
    this.fs = this.#seam();
  }

  /** Arms a fault for the N-th of its calls from now; 0 only counts. */
  arm(fault: FaultKind, at: number, random: () => number): void {
    this.#fault = fault;
    this.#at = at;
    this.#random = random;
    this.calls = 0;
    this.fired = null;
  }

  /** A new process on the same machine: what was written is there, synced or not. */
  restart(): void {
    this.#fault = null;
    this.#dead = false;
    this.closeFiles();
  }

  closeFiles(): void {
    for (const fd of this.#openFiles) closeSync(fd);
    this.#openFiles.clear();
  }

  /** What is left if the power goes now. */
  afterPowerLoss(loss: string, random: () => number): Tree {
    return treeAfter(this.#model, POWER_LOSSES[loss]!(random));
  }

  /** Counts a call. @returns of a call that is hit, which part of its work it may still do and what happens then */
  #step(call: Call, path: string): { share: number; finish(): void } | null {
    if (this.#dead) throw new ProcessDied();
    const fault = this.#fault;
    if (!fault?.calls.includes(call)) return null;
    this.calls++;
    const hit = this.#at > 0 && (fault.stays ? this.calls >= this.#at : this.calls === this.#at);
    if (!hit) return null;
    this.fired ??= `${call} ${relative(this.root, path)}`;
    return { share: fault.partly ? this.#random() : 0, finish: () => this.#finish(fault, call, path) };
  }

  #finish(fault: FaultKind, call: Call, path: string): void {
    if (fault.effect === 'short') return;
    if (fault.effect === 'death') {
      this.#dead = true;
      this.onDeath();
      throw new ProcessDied();
    }
    const { errno } = fault;
    throw Object.assign(new Error(`${errno}: injected, ${call} '${path}'`), {
      code: errno,
      path,
      syscall: call,
    });
  }

  #guard(call: Call, path: string): void {
    this.#step(call, path)?.finish();
  }

  /** The model's directory at a path; null outside of the root. */
  #directory(path: string): ModelDirectory | null {
    const inside = relative(this.root, path);
    if (inside.startsWith('..')) return null;
    let directory = this.#model;
    for (const name of inside.split('/').filter((part) => part !== '')) {
      const next = directory.live.get(name);
      if (!(next instanceof ModelDirectory)) return null;
      directory = next;
    }
    return directory;
  }

  #open(path: string, flags: number, mode?: number): number {
    const fd = openSync(path, flags | constants.O_NOFOLLOW, mode);
    this.#openFiles.add(fd);
    return fd;
  }

  #close(fd: number): void {
    if (this.#openFiles.delete(fd)) closeSync(fd);
  }

  /** Adds what is missing on the way to a directory. */
  #makeDirectory(path: string): void {
    const inside = relative(this.root, path);
    if (inside.startsWith('..')) return;
    let directory = this.#model;
    for (const name of inside.split('/').filter((part) => part !== '')) {
      const known = directory.live.get(name);
      const next = known instanceof ModelDirectory ? known : new ModelDirectory();
      if (next !== known) directory.set(name, next);
      directory = next;
    }
  }

  /** Reads or writes all of it, or the part that a hit call still does. */
  #transfer(call: Call, path: string, bytes: Uint8Array, move: (part: Uint8Array) => number): number {
    const hit = this.#step(call, path);
    if (!hit) return move(bytes);
    const part = bytes.subarray(0, Math.max(call === 'write' ? 0 : 1, Math.floor(hit.share * bytes.length)));
    const moved = hit.share > 0 ? move(part) : 0;
    hit.finish();
    return moved;
  }

  #file(path: string, fd: number, model: ModelFile | null): OpenFile {
    return {
      read: async (into, position) =>
        this.#transfer('read', path, into, (part) => readSync(fd, part, 0, part.length, position)),
      write: async (bytes, position) =>
        this.#transfer('write', path, bytes, (part) => {
          for (let done = 0; done < part.length; )
            done += writeSync(fd, part, done, part.length - done, position + done);
          model?.write(position, part);
          return part.length;
        }),
      sync: async () => {
        this.#guard('sync', path);
        model?.sync();
      },
      sizeBytes: async () => {
        this.#guard('sizeBytes', path);
        return fstatSync(fd).size;
      },
      close: async () => {
        // A file is closed even where closing says that something went wrong.
        this.#close(fd);
        this.#guard(model ? 'closeNew' : 'close', path);
      },
    };
  }

  #seam(): FileSystem {
    const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = constants;
    return {
      blocking: {
        open: (path) => {
          this.#guard('blockingOpen', path);
          return this.#open(path, O_RDONLY);
        },
        read: (fd, into, position) =>
          this.#transfer('blockingRead', `file ${fd}`, into, (part) =>
            readSync(fd, part, 0, part.length, position),
          ),
        close: (fd) => this.#close(fd),
      },
      openRead: async (path) => {
        this.#guard('openRead', path);
        return this.#file(path, this.#open(path, O_RDONLY), null);
      },
      createNew: async (path, mode = 0o644) => {
        this.#guard('createNew', path);
        const fd = this.#open(path, O_RDWR | O_CREAT | O_EXCL, mode);
        const model = new ModelFile();
        this.#directory(dirname(path))?.set(basename(path), model);
        return this.#file(path, fd, model);
      },
      rename: async (from, to) => {
        this.#guard('rename', from);
        renameSync(from, to);
        const source = this.#directory(dirname(from));
        const entry = source?.live.get(basename(from));
        this.#directory(dirname(to))?.set(basename(to), entry ?? null);
        source?.set(basename(from), null);
      },
      unlink: async (path) => {
        this.#guard('unlink', path);
        unlinkSync(path);
        this.#directory(dirname(path))?.set(basename(path), null);
      },
      makeDirectory: async (path) => {
        this.#guard('makeDirectory', path);
        mkdirSync(path, { recursive: true });
        this.#makeDirectory(path);
      },
      syncDirectory: async (path) => {
        this.#guard('syncDirectory', path);
        this.#close(this.#open(path, O_RDONLY | constants.O_DIRECTORY));
        this.#directory(path)?.sync();
      },
      list: async (path) => {
        this.#guard('list', path);
        return readdirSync(path).sort();
      },
      info: async (path) => {
        this.#guard('info', path);
        const stats = lstatSync(path, { throwIfNoEntry: false });
        if (stats === undefined) return null;
        return {
          sizeBytes: stats.size,
          isFile: stats.isFile(),
          isDirectory: stats.isDirectory(),
          mtimeMs: stats.mtimeMs,
        };
      },
      setTimes: async (path, mtimeSeconds) => {
        this.#guard('setTimes', path);
        utimesSync(path, mtimeSeconds, mtimeSeconds);
      },
    };
  }
}
