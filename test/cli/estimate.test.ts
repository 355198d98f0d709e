import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dockerArchive, layerTar } from '../support/images.js';
import { Sandbox } from './dbup-process.js';

const sandbox = new Sandbox();
const base = layerTar(1, 3, 200_000);
const archives = [1, 2].map((n) =>
  dockerArchive({ references: ['app:1.0'], layers: [base, layerTar(10 + n, 1, 50_000)] }),
);

beforeAll(() => {
  archives.forEach((archive, at) => {
    writeFileSync(sandbox.path(`v${at + 1}.tar`), archive);
  });
});
afterAll(() => sandbox.remove());

describe('dbup estimate', () => {
  test('where there is no pool tells of a first save, and makes none', async () => {
    const told = await sandbox.json(['estimate', '-i', 'v1.tar', '--pool', 'none']);
    expect(told).toMatchObject({ command: 'estimate', pool_exists: false, failed: [] });
    expect(existsSync(sandbox.path('none'))).toBe(false);
    const saved = await sandbox.json(['save', '-i', 'v1.tar', '--pool', 'fresh']);
    expect(told.new_bytes).toBe(saved.new_bytes);
  });

  test('of a file and of a pipe is what the save adds', async () => {
    await sandbox.json(['save', '-i', 'v1.tar']);
    const told = await sandbox.json(['estimate', '-i', 'v2.tar']);
    const piped = await sandbox.json(['estimate', '-i', '-'], { stdin: archives[1]! });
    const saved = await sandbox.json(['save', '-i', 'v2.tar']);
    expect(told).toMatchObject({ pool_exists: true, new_bytes: saved.new_bytes });
    expect(piped.sources).toMatchObject([{ source: '-', images: [{ reference: 'app:1.0' }] }]);
    const again = await sandbox.run(['estimate', '-i', 'v2.tar']);
    expect(again).toMatchObject({ code: 0 });
    expect(again.stdout).toContain('saved already, nothing would be added');
  });

  test('refuses what a save refuses, with its exit codes', async () => {
    expect((await sandbox.run(['estimate'])).code).toBe(2);
    expect((await sandbox.run(['estimate', '-i', 'absent.tar'])).code).toBe(12);
    expect((await sandbox.run(['estimate', 'app.tar'])).code).toBe(2);
    writeFileSync(sandbox.path('other.txt'), 'x');
    const occupied = await sandbox.run(['estimate', '-i', 'v1.tar', '--pool', '.']);
    expect(occupied.code).toBe(10);
    const some = await sandbox.run(['estimate', 'docker-archive:v1.tar', 'docker-archive:other.txt']);
    expect(some.code).toBe(3);
    expect(some.stdout).toContain('app:1.0');
  });
});
