import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256Hex } from '../../format/hand-made-pool.js';
import { dockerArchive as classic, ociArchive } from '../../format/image-builder.js';
import { ARCHIVE } from '../../format/tiny-image.js';
import { dockerArchive, layerTar } from '../../support/images.js';
import { type CommandRun, runCommand } from '../../support/run-command.js';
import { setChecksum } from '../../support/tar-builder.js';
import type { FuzzTarget } from '../fuzz-target.js';
import { makeHostilePool } from '../hostile-pool.js';
import { mutated } from '../mutate.js';
import { joinParts, splitParts } from '../parts.js';
import type { Random } from '../random.js';
import { makePack } from './pack-targets.js';
import { grammarTar } from './tar-targets.js';

/** A directory that is made when it is first wanted. */
class Room {
  #root = '';

  get root(): string {
    this.#root ||= mkdtempSync(join(tmpdir(), 'dbup-fuzz-'));
    return this.#root;
  }

  path(name: string): string {
    return join(this.root, name);
  }

  get env(): NodeJS.ProcessEnv {
    return { HOME: this.root, DBUP_POOL: this.path('pool'), DBUP_CACHE_DIR: this.path('cache') };
  }

  run(...words: string[]): Promise<CommandRun> {
    return runCommand(words, this.env);
  }

  clear(): void {
    for (const name of readdirSync(this.root)) rmSync(this.path(name), { recursive: true, force: true });
  }

  /** What a pool holds, by names: files named by their digest do not change. */
  files(pool = 'pool'): string {
    const names = ['packs', 'snapshots'].map((name) => {
      const directory = this.path(`${pool}/${name}`);
      return existsSync(directory) ? readdirSync(directory).sort() : [];
    });
    return JSON.stringify(names);
  }

  remove(): void {
    if (this.#root !== '') rmSync(this.#root, { recursive: true, force: true });
    this.#root = '';
  }
}

const room = new Room();
/** What a hostile recipe claims may be terabytes of nothing: a load of that is not waited for. */
const MOST_CLAIMED_BYTES = 64 * 1024 * 1024;

function writePool(directory: string, [descriptor, counts, ...files]: Uint8Array[]): void {
  for (const name of ['packs', 'snapshots']) mkdirSync(join(directory, name), { recursive: true });
  writeFileSync(join(directory, 'dbup-pool.json'), descriptor ?? '');
  files.forEach((bytes, i) => {
    writeFileSync(join(directory, i < (counts?.[0] ?? 0) ? 'packs' : 'snapshots', sha256Hex(bytes)), bytes);
  });
}

/** True when some document claims more than is worth to be written to a disk. */
function claimsMuch(files: readonly Uint8Array[]): boolean {
  return files.some((bytes) => {
    const sizes =
      Buffer.from(bytes)
        .toString('latin1')
        .match(/"sizeBytes": ?\d+/g) ?? [];
    return sizes.some((text) => Number(text.replace(/\D/g, '')) > MOST_CLAIMED_BYTES);
  });
}

async function loaded(): Promise<string> {
  const out = room.path('out.tar');
  rmSync(out, { force: true });
  const { exitCode } = await room.run('load', 'hello:1', '-o', out);
  if (existsSync(out) !== (exitCode === 0))
    throw new TypeError('a load that failed left a file, or the other way round');
  return exitCode === 0 ? sha256Hex(readFileSync(out)) : 'none';
}

/** The first part is the descriptor, the second says how many of the others are packs; names are made of contents. */
export const hostilePoolTarget: FuzzTarget = {
  name: 'hostile-pool',
  runs: 'commands on a pool of a stranger, all names right: ls, show, stats, verify, load, save, gc, repair, each with the exit codes of the table; what loads does so after save and gc too',
  inputs: 600,
  shortInputs: 6,
  make(random) {
    const { descriptor, packs, snapshots } = makeHostilePool(random, makePack);
    return joinParts([descriptor, Uint8Array.of(packs.length), ...packs, ...snapshots]);
  },
  async run(bytes) {
    room.clear();
    const parts = splitParts(bytes);
    writePool(room.path('pool'), parts);
    writePool(room.path('other'), parts);
    for (const words of [['ls'], ['show', 'hello:1'], ['stats'], ['verify']]) await room.run(...words);
    const isLoadable = !claimsMuch(parts.slice(2));
    if (isLoadable) await room.run('verify', '--read-data');
    const before = isLoadable ? await loaded() : 'none';
    writeFileSync(room.path('in.tar'), ARCHIVE);
    const found = room.files();
    const saved = await room.run('save', '-i', room.path('in.tar'), '--as', 'new:1');
    if (saved.exitCode !== 0 && room.files() !== found)
      throw new TypeError('a save that failed changed the pool');
    await room.run('gc');
    if (before !== 'none' && (await loaded()) !== before)
      throw new TypeError('what loaded before gc does so no more');
    if (saved.exitCode === 0) {
      // A pack that claims chunks it has not makes a save lean on them: that is told, and nothing else is given.
      const again = await room.run('load', 'new:1', '-o', room.path('again.tar'));
      const isTold = again.exitCode !== 0 && !existsSync(room.path('again.tar'));
      if (!isTold && Buffer.compare(readFileSync(room.path('again.tar')), ARCHIVE) !== 0)
        throw new TypeError('what was saved into a hostile pool comes back as something else');
    }
    await repairFrom();
    return before !== 'none';
  },
  close: () => room.remove(),
};

/** A sound pool that lost a pack is repaired from the hostile one, and from nothing else: it may fail, not get worse. */
async function repairFrom(): Promise<void> {
  const env = { ...room.env, DBUP_POOL: room.path('mine') };
  await runCommand(['save', '-i', room.path('in.tar')], env);
  const before = room.files('mine');
  await runCommand(['repair', '--from', room.path('other')], env);
  const [packs, snapshots] = JSON.parse(before) as [string[], string[]];
  const [after, versions] = JSON.parse(room.files('mine')) as [string[], string[]];
  if (packs.some((name) => !after.includes(name)) || snapshots.some((name) => !versions.includes(name)))
    throw new TypeError('a repair took something away');
}

const LAYERS = [layerTar(1, 2, 900), layerTar(2, 1, 1200)];
const ARCHIVES = [
  dockerArchive({ references: ['app:1'], layers: LAYERS }),
  classic({ reference: 'app:1', layers: [LAYERS[0]!, LAYERS[1]!, LAYERS[0]!] }),
  ociArchive({ reference: 'quay.io/team/app:1', layers: LAYERS }),
];

/** Headers and documents changed; checksums of headers made right again, so that what is in them counts. */
function changedArchive(random: Random): Uint8Array {
  const changed = Buffer.from(mutated(random, random.pick(ARCHIVES)));
  for (let left = random.size(4); left > 0; left--) {
    const block = 512 * random.below(Math.floor(changed.length / 512));
    const at = block + random.pick([random.below(512), 124 + random.below(12), 156]);
    if (at < changed.length) changed[at] = random.percent(50) ? random.below(256) : 48 + random.below(8);
    if (block + 512 <= changed.length && random.percent(80)) setChecksum(changed, block);
  }
  return new Uint8Array(changed);
}

/** The text of a document changed in place, so that the tar stays whole. */
function changedText(random: Random): Uint8Array {
  const text = Buffer.from(random.pick(ARCHIVES)).toString('latin1');
  const words = [
    '"Config"',
    '"Layers"',
    '"RepoTags"',
    '"rootfs"',
    '"digest"',
    '"size"',
    'sha256:',
    'layers',
    'app:1',
    '.json',
    '"manifests"',
  ];
  const word = random.pick(words);
  const by = random
    .pick(['"config"', '[]', 'null', '../', 'sha512:', '\\u0000', '1e99', '{"a":'])
    .padEnd(word.length, ' ')
    .slice(0, word.length);
  return new Uint8Array(
    Buffer.from(random.percent(50) ? text.replace(word, by) : text.replaceAll(word, by), 'latin1'),
  );
}

const archives = new Room();

export const hostileArchiveTarget: FuzzTarget = {
  name: 'hostile-archive',
  runs: 'save and estimate of an archive of a stranger: a failed save leaves the pool as it was, a sound one comes back exactly',
  inputs: 1500,
  shortInputs: 15,
  make(random) {
    if (random.percent(10)) return grammarTar(random);
    if (random.percent(5)) return random.pick(ARCHIVES);
    return random.percent(50) ? changedArchive(random) : changedText(random);
  },
  async run(bytes) {
    if (!existsSync(archives.path('pool'))) await archives.run('init');
    const input = archives.path('in.tar');
    writeFileSync(input, bytes);
    const before = archives.files();
    const estimate = await archives.run('estimate', '-i', input);
    const { exitCode, stdout } = await archives.run('save', '-i', input);
    if ((estimate.exitCode === 0) !== (exitCode === 0)) throw new TypeError('estimate and save do not agree');
    if (exitCode !== 0) {
      if (archives.files() !== before) throw new TypeError('a save that failed changed the pool');
      return false;
    }
    const { images } = JSON.parse(stdout) as { images: { reference: string; snapshot_id: string }[] };
    const [{ reference, snapshot_id: id }] = images as [{ reference: string; snapshot_id: string }];
    const out = archives.path('out.tar');
    const load = await archives.run('load', `${reference}@${id}`, '-o', out);
    if (load.exitCode !== 0 || Buffer.compare(readFileSync(out), bytes) !== 0)
      throw new TypeError('an archive that was saved does not come back');
    return true;
  },
  close: () => archives.remove(),
};
