import { existsSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveOf, type SampleImage } from '../support/archive-layouts.js';
import { layerTar } from '../support/images.js';
import { entriesIn, signedLayout, writeLayout } from '../support/signed-layout.js';
import { Sandbox } from './dbup-process.js';

const sandbox = new Sandbox();
const image: SampleImage = { references: [], layers: [layerTar(1, 1, 3000)] };
const { builder, root, manifests } = signedLayout({
  'linux/amd64': image,
  'linux/arm64': { ...image, config: { architecture: 'arm64' } },
  'linux/s390x': { ...image, config: { architecture: 's390x' } },
});

beforeAll(async () => {
  await writeLayout(sandbox.path('layout'), builder.layout());
  await sandbox.json(['save', 'oci:layout:1.0', '--as', 'app:1.0']);
});
afterAll(() => sandbox.remove());

describe('--platform', () => {
  test('repeated or with commas, saves those, and show says what was left out', async () => {
    const words = ['save', 'oci:layout:1.0', '--as', 'some:1'];
    await sandbox.json([...words, '--platform', 'linux/arm64,linux/s390x']);
    const shown = await sandbox.json(['show', 'some:1']);
    expect(shown).toMatchObject({
      absent: [manifests.get('linux/amd64')!.digest],
      absent_platforms: ['linux/amd64'],
    });
    const again = ['--platform', 'linux/s390x', '--platform', 'Linux/aarch64'];
    expect(await sandbox.json([...words, ...again])).toMatchObject({ images: [{ already_saved: true }] });
    const text = await sandbox.run(['show', 'some:1']);
    expect(text.stdout).toContain('Not saved: linux/amd64');
    expect(text.stdout).toContain(`sha256-${root.digest.slice(7)}.sig`);
  });

  test('that is not one, or not there, is an error that lists those there are', async () => {
    const bad = await sandbox.run(['save', 'oci:layout:1.0', '--platform', 'linux']);
    expect(bad).toMatchObject({ code: 2 });
    const absent = await sandbox.run(['save', 'oci:layout:1.0', '--platform', 'linux/riscv64']);
    expect(absent).toMatchObject({ code: 12, stderr: expect.stringContaining('linux/amd64, linux/arm64') });
    const loaded = await sandbox.run(['load', 'app:1.0', '-o', 'x.tar', '--platform', 'linux/riscv64']);
    expect(loaded).toMatchObject({ code: 12, stderr: expect.stringContaining('linux/amd64, linux/arm64') });
    expect(existsSync(sandbox.path('x.tar'))).toBe(false);
  });

  test('an estimate is of what would be saved', async () => {
    const words = ['oci:layout:1.0', '--as', 'new:1', '--pool', 'none'];
    const all = await sandbox.json(['estimate', ...words]);
    const one = await sandbox.json(['estimate', ...words, '--platform', 'linux/arm64']);
    expect(Number(one.new_bytes)).toBeLessThan(Number(all.new_bytes));
    expect(one.sources).toMatchObject([{ images: [{ platforms: ['linux/arm64'] }] }]);
  });
});

describe('load', () => {
  test('--format says the form, and both stderr and --json what is lost', async () => {
    const words = [
      'load',
      'app:1.0',
      '--format',
      'docker-archive',
      '-o',
      'd.tar',
      '--platform',
      'linux/arm64',
    ];
    const result = await sandbox.run(words);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain(root.digest);
    expect(result.stderr).toContain('left out: linux/amd64, linux/s390x');
    const told = await sandbox.json(words);
    expect(told).toMatchObject({
      platforms: ['linux/arm64'],
      differences: [
        { kind: 'manifest-digest', items: [root.digest, manifests.get('linux/arm64')!.digest] },
        { kind: 'platforms', items: ['linux/amd64', 'linux/s390x'] },
        { kind: 'companions' },
      ],
    });
    const quiet = await sandbox.run([...words, '--quiet']);
    expect(quiet.stderr).toBe('');
  });

  test('to each OCI form keeps the digests, and says nothing', async () => {
    const forms = [
      ['--format', 'oci', '-o', 'by-format'],
      ['--format', 'oci-dir', '-o', 'by-podmans-word'],
      ['-o', 'oci:by-address:1.0'],
    ];
    for (const [at, words] of forms.entries()) {
      expect(await sandbox.json(['load', 'app:1.0', ...words])).toMatchObject({ differences: [] });
      const directory = ['by-format', 'by-podmans-word', 'by-address'][at]!;
      expect((await entriesIn(sandbox.path(directory)))[0]!.digest).toBe(root.digest);
    }
    const piped = await sandbox.run(['load', 'app:1.0', '--format', 'oci-archive', '-o', '-']);
    await sandbox.json(['load', 'app:1.0', '-o', 'oci-archive:o.tar']);
    expect(piped.stdoutBytes).toEqual(readFileSync(sandbox.path('o.tar')));
    expect(piped.stdoutBytes.length).toBeGreaterThan(archiveOf(builder.layout()).length / 2);
  });

  test('refuses forms that contradict or make no sense', async () => {
    const code = async (...words: string[]) => (await sandbox.run(['load', 'app:1.0', ...words])).code;
    expect(await code('--format', 'oci', '-o', 'oci-archive:x.tar')).toBe(2);
    expect(await code('--format', 'oci')).toBe(2);
    expect(await code('--format', 'squashfs', '-o', 'x')).toBe(2);
    expect(await code('--format', 'oci', '-o', '-')).toBe(2);
    expect(await code('-o', 'x.tar', '--platform', 'linux/amd64,linux/arm64')).toBe(2);
    expect(await code('--archive', '--platform', 'linux/amd64', '-o', 'x.tar')).toBe(2);
  });
});
