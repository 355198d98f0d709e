import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fstatSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { readSpilled, SpillFile, type SpillPlace, writeSpilled } from '../../src/store/spill-file.js';
import { noise } from '../support/tar-builder.js';

const MODULE = new URL('../../dist/store/spill-file.js', import.meta.url).href;
const root = await mkdtemp(join(tmpdir(), 'dbup-spill-'));
afterAll(() => rm(root, { recursive: true, force: true }));

let directory = '';
let count = 0;
beforeEach(async () => {
  directory = join(root, `${count++}`);
  await mkdir(directory);
});

function readBack(place: SpillPlace, checksum: bigint): Uint8Array | null {
  const into = new Uint8Array(place.sizeBytes);
  return readSpilled(place, checksum, into) ? into : null;
}

describe('a spill file', () => {
  it('gives back what was written, and has no name and no reader but its owner', async () => {
    const file = new SpillFile(directory);
    const [first, second] = [noise(1, 70_000), noise(2, 5_000)];
    const places = [file.reserve(first.length)!, file.reserve(second.length)!] as const;
    const sums = [writeSpilled(places[0], first)!, writeSpilled(places[1], second)!] as const;
    expect(readBack(places[0], sums[0])).toEqual(first);
    expect(readBack(places[1], sums[1])).toEqual(second);
    expect(await readdir(directory)).toEqual([]);
    const { nlink, mode } = fstatSync(places[0].fd);
    expect([nlink, mode & 0o077]).toEqual([0, 0]);
    file.close();
  });

  it('overwrites what was written first, and says so', () => {
    const file = new SpillFile(directory, 10_000);
    const places: SpillPlace[] = [];
    const isFirstHeld: boolean[] = [];
    for (const sizeBytes of [4_000, 4_000, 4_000, 4_000, 10_000]) {
      places.push(file.reserve(sizeBytes)!);
      isFirstHeld.push(file.holds(places[0]!));
    }
    expect(places.map(({ offsetBytes }) => offsetBytes)).toEqual([0, 4_000, 0, 4_000, 0]);
    expect(isFirstHeld).toEqual([true, true, false, false, false]);
    expect(places.map((place) => file.holds(place))).toEqual([false, false, false, false, true]);
    expect(file.reserve(10_001)).toBeNull();
    file.close();
  });

  it('takes other bytes than were written for nothing, and so a file that ends too early', () => {
    const file = new SpillFile(directory);
    const bytes = noise(3, 9_000);
    const place = file.reserve(bytes.length)!;
    const sum = writeSpilled(place, bytes)!;
    writeSpilled({ ...place, offsetBytes: 4_000, sizeBytes: 1 }, Uint8Array.of(bytes[4_000]! ^ 1));
    expect(readBack(place, sum)).toBeNull();
    writeSpilled(place, bytes);
    expect(readBack(place, sum)).toEqual(bytes);
    expect(readBack({ ...place, offsetBytes: 1 }, sum)).toBeNull();
    file.close();
  });

  it('is none where there is no directory, or something in its place', async () => {
    expect(new SpillFile(join(directory, 'none')).reserve(10)).toBeNull();
    await mkdir(join(directory, 'spill'));
    expect(new SpillFile(directory).reserve(10)).toBeNull();
  });

  it('does not mind what one left that died before its file lost its name', async () => {
    await writeFile(join(directory, 'spill'), 'left behind');
    const file = new SpillFile(directory);
    expect(file.reserve(10)).not.toBeNull();
    expect(await readdir(directory)).toEqual([]);
    file.close();
  });

  it('is not made any more once it is closed', () => {
    const file = new SpillFile(directory);
    const openBefore = readdirSync('/proc/self/fd').length;
    file.close();
    expect(file.reserve(10)).toBeNull();
    expect(readdirSync('/proc/self/fd').length).toBe(openBefore);
  });

  it('stays open until nobody uses it', async () => {
    const file = new SpillFile(directory);
    const { fd } = file.reserve(10)!;
    const isOpen = (): boolean => {
      try {
        return fstatSync(fd).nlink === 0;
      } catch {
        return false;
      }
    };
    let end = (): void => {};
    const used = file.use(
      () =>
        new Promise<void>((resolve) => {
          end = resolve;
        }),
    );
    file.close();
    expect([isOpen(), file.reserve(10)]).toEqual([true, null]);
    end();
    await used;
    expect(isOpen()).toBe(false);
  });

  it('leaves nothing behind when the process is killed', async () => {
    const script = `
      import { SpillFile, writeSpilled } from ${JSON.stringify(MODULE)};
      const file = new SpillFile(${JSON.stringify(directory)});
      const sum = writeSpilled(file.reserve(1e6), new Uint8Array(1e6));
      process.stdout.write(String(sum !== null));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script]);
    const [said] = await once(child.stdout, 'data');
    expect(String(said)).toBe('true');
    child.kill('SIGKILL');
    expect((await once(child, 'exit'))[1]).toBe('SIGKILL');
    expect(await readdir(directory)).toEqual([]);
  });
});
