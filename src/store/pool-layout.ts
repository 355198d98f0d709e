import { join } from 'node:path';
import { isSha256Hex } from '../hash/sha256.js';

/**
 * The names inside a pool directory. rsync sends a directory's own files first and then its directories in
 * name order: `packs`, `parity`, `snapshots`, content before what points to it.
 */
export class PoolLayout {
  readonly directory: string;
  readonly descriptorPath: string;
  readonly lockPath: string;
  readonly packsDirectory: string;
  readonly parityDirectory: string;
  readonly snapshotsDirectory: string;
  readonly temporaryDirectory: string;

  constructor(directory: string) {
    this.directory = directory;
    this.descriptorPath = join(directory, 'dbup-pool.json');
    this.lockPath = join(directory, 'dbup.lock');
    this.packsDirectory = join(directory, 'packs');
    this.parityDirectory = join(directory, 'parity');
    this.snapshotsDirectory = join(directory, 'snapshots');
    this.temporaryDirectory = join(directory, 'tmp');
  }

  packPath(name: string): string {
    return join(this.packsDirectory, assertName(name));
  }

  parityPath(name: string): string {
    return join(this.parityDirectory, assertName(name));
  }

  snapshotPath(name: string): string {
    return join(this.snapshotsDirectory, assertName(name));
  }
}

function assertName(name: string): string {
  if (!isSha256Hex(name)) throw new TypeError(`not a pool file name: ${name}`);
  return name;
}
