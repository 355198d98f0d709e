import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { PoolRoom } from '../support/pool-room.js';

const run = promisify(execFile);
const SCRIPT = fileURLToPath(new URL('../support/measure-memory.mjs', import.meta.url));
const DIST = fileURLToPath(new URL('../../dist', import.meta.url));
const LIMIT_MIB = 256;
const LONG = process.env.DBUP_LONG_TESTS === '1';

interface Measured {
  expected: { hex: string; sizeBytes: number };
  path: string;
  saveMiB: number;
  maxRssMiB: number;
}

async function measure(kind: string, root: string): Promise<Measured> {
  const { stdout } = await run(process.execPath, [SCRIPT, DIST, root, kind], { maxBuffer: 1 << 20 });
  return JSON.parse(stdout) as Measured;
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Uint8Array);
  return hash.digest('hex');
}

describe('memory of a save and a load', () => {
  it.each(['gzip-bomb', 'zstd-bomb'])(
    '%s: what a layer of 512 MiB unfolds to is never gathered',
    async (kind) => {
      await using room = await PoolRoom.create();
      const { maxRssMiB } = await measure(kind, room.root);
      expect(maxRssMiB).toBeLessThanOrEqual(LIMIT_MIB);
    },
  );

  for (const [kind, what] of [
    ['large', 'an image of 1.5 GB'],
    ['entries', 'a layer of a million entries'],
    ['outer-entries', 'an archive of a million members'],
  ] as const) {
    it.skipIf(!LONG)(
      `${what} (DBUP_LONG_TESTS=1: gigabytes of disk, a minute)`,
      async () => {
        await using room = await PoolRoom.create();
        const { expected, path, maxRssMiB } = await measure(kind, room.root);
        expect(maxRssMiB).toBeLessThanOrEqual(LIMIT_MIB);
        expect(await sha256OfFile(path)).toBe(expected.hex);
      },
      600_000,
    );
  }
});
