import { execFile, spawnSync } from 'node:child_process';
import { extract } from 'tar-stream';
import { describe, expect, test } from 'vitest';
import { writeTar } from '../../src/archive/tar-write.js';
import { ODD_TARS, type OddTar } from '../support/odd-tars.js';
import { concatBytes, randomTar } from '../support/tar-builder.js';
import { splitTar } from '../support/tar-split.js';

/**
 * Agreement with readers we did not write: names, sizes and link targets.
 */
const RANDOM: OddTar[] = [1, 2, 3, 4, 5].map((seed) => {
  const bytes = randomTar(seed, { members: 40, maxFileBytes: 5000 });
  const { content, members } = splitTar(bytes);
  return { name: `random tar of seed ${seed}`, bytes, content, members, readers: ['gnu', 'tar-stream'] };
});
const TARS = [...ODD_TARS, ...RANDOM];
const hasGnuTar = /GNU tar/.test(spawnSync('tar', ['--version'], { encoding: 'utf8' }).stdout ?? '');

/** `size name` and what a link points at, as `tar -tv` prints them. */
async function gnuList(tar: Uint8Array): Promise<string[]> {
  const args = ['-tv', '--full-time', '--utc', '--numeric-owner', '--quoting-style=literal', '-P', '-f', '-'];
  const output = await new Promise<string>((resolve, reject) => {
    const env = { ...process.env, LC_ALL: 'C.UTF-8' };
    const child = execFile('tar', args, { encoding: 'utf8', env }, (error, stdout, stderr) =>
      error === null ? resolve(stdout) : reject(new Error(`${error.message}\n${stderr}`)),
    );
    child.stdin?.end(tar);
  });
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const fields = /^\S+ +\S+ +(\d+) \S+ \S+ +(.*)$/.exec(line);
      if (fields === null) throw new Error(`not understood: ${line}`);
      return `${fields[1]} ${fields[2]!.replace(/ -> | link to /, ' > ')}`;
    });
}

async function tarStreamList(tar: Uint8Array): Promise<string[]> {
  const members: string[] = [];
  // Its types leave out an option its documentation names.
  const reader = extract({ allowUnknownFormat: true } as Parameters<typeof extract>[0]);
  reader.on('entry', (header, body, next) => {
    const link = header.linkname ? ` > ${header.linkname}` : '';
    members.push(`${header.size} ${header.name}${link}`);
    body.on('end', () => next());
    body.resume();
  });
  await new Promise<void>((resolve, reject) => {
    reader.on('finish', () => resolve());
    reader.on('error', reject);
    reader.end(Buffer.from(tar));
  });
  return members;
}

const withoutType = (members: string[]) => members.map((line) => line.slice(2));

test.skipIf(!hasGnuTar)('GNU tar lists what we write', async () => {
  const parts: Uint8Array[] = [];
  const names = ['a', 'größe', `${'long/'.repeat(40)}name`, `/${'absolute/'.repeat(20)}name`];
  const link = { name: 'link', sizeBytes: 0, type: 'symlink', linkName: 'l'.repeat(200) } as const;
  for await (const part of writeTar([...names.map((name) => ({ name, sizeBytes: 0 })), link]))
    parts.push(part);
  expect(await gnuList(concatBytes(parts))).toEqual([
    ...names.map((name) => `0 ${name}`),
    `0 link > ${link.linkName}`,
  ]);
});

/** GNU tar prints what a sparse file unfolds to; the walk tells what is stored. Equal without holes. */
describe.skipIf(!hasGnuTar)('GNU tar lists the same members', () => {
  test.each(TARS.filter(({ readers }) => readers.includes('gnu')))('$name', async ({ bytes }) => {
    expect(withoutType(splitTar(bytes).members)).toEqual(await gnuList(bytes));
  });
});

describe('tar-stream lists the same members', () => {
  test.each(TARS.filter(({ readers }) => readers.includes('tar-stream')))('$name', async ({ bytes }) => {
    expect(withoutType(splitTar(bytes).members)).toEqual(await tarStreamList(bytes));
  });
});
