import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfigFile } from '../../../src/commands/config-file.js';
import { configKeys, resolveSettings } from '../../../src/commands/settings.js';
import { parseEndpoint } from '../../../src/image/engine/endpoint.js';
import { parseImageAddress } from '../../../src/image/source.js';
import { parsePlatform } from '../../../src/oci/platform.js';
import { fullReference, parseReference, parseVersionAddress } from '../../../src/oci/reference.js';
import { accepts, type FuzzTarget } from '../fuzz-target.js';
import { maybeMutated } from '../mutate.js';
import { mutatedJson } from '../mutate-json.js';
import type { Random } from '../random.js';

const NAMES = [
  'app',
  'app:1.0',
  'docker.io/library/app:latest',
  'index.docker.io/team/app',
  'localhost:5000/a/b:c',
  '[::1]:80/x:y',
  'quay.io/a.b/c__d:1',
  'app:1.0~2',
  'app:1.0@3f1a',
  `app@sha256:${'3'.repeat(64)}`,
  'sha256:3f1ac2',
  '3'.repeat(64),
  'docker-archive:/tmp/x.tar:app:1',
  'oci:dir:tag',
  'linux/arm64/v8',
];
const PIECES = [
  '/',
  ':',
  '@',
  '~',
  '.',
  '-',
  '_',
  '__',
  'A',
  'a',
  '0',
  'sha256:',
  'x'.repeat(300),
  '\u202e',
  '\u001b[31m',
  'é',
  '%2e',
  '\0',
];

function text(random: Random, sound: readonly string[]): Uint8Array {
  if (random.percent(60)) return maybeMutated(random, Buffer.from(random.pick(sound)));
  return new Uint8Array(
    Buffer.from(Array.from({ length: random.size(12) }, () => random.pick(PIECES)).join('')),
  );
}

export const referenceTarget: FuzzTarget = {
  name: 'reference',
  runs: 'references, addresses of versions, names of sources, platforms; what is normalised stays as it is',
  inputs: 120_000,
  shortInputs: 2000,
  make: (random) => text(random, NAMES),
  run(bytes) {
    const given = Buffer.from(bytes).toString();
    accepts(() => parseVersionAddress(given));
    accepts(() => parseImageAddress(given));
    accepts(() => parsePlatform(given));
    return accepts(() => {
      const reference = parseReference(given);
      const again = parseReference(reference.text);
      if (again.text !== reference.text || parseReference(fullReference(reference)).text !== reference.text)
        throw new TypeError('a reference has two normal forms');
      // Printed, compared and made part of requests: nothing but the grammar's characters may be in it.
      if (!/^[a-zA-Z0-9._:/[\]-]+$/.test(reference.text))
        throw new TypeError('a reference holds odd characters');
    });
  },
};

const ADDRESSES = [
  'unix:///var/run/docker.sock',
  'tcp://user:secret@host.example:2376/path',
  'https://[::1]:443',
  'ssh://user@host:22/run/podman.sock',
  'npipe:////./pipe/docker',
  '/run/docker.sock',
  'host:2375',
];

export const endpointTarget: FuzzTarget = {
  name: 'engine-address',
  runs: 'addresses of engines; no message holds what stands before the @',
  inputs: 80_000,
  shortInputs: 1000,
  make: (random) => text(random, ADDRESSES),
  run: (bytes) => {
    const given = Buffer.from(bytes).toString();
    return accepts(() => {
      const { origin } = parseEndpoint(given, 'DOCKER_HOST');
      if (/^(tcp|https?):.*:secret@/i.test(given) && origin.includes('secret'))
        throw new TypeError('a password was told');
    });
  },
};

const CONFIG = {
  pool: '/srv/pool',
  lock_wait: 3,
  threads: 2,
  progress: 'none',
  quiet: true,
  json: false,
  level: 'max',
};
const room = { directory: '' };

export const configFileTarget: FuzzTarget = {
  name: 'config-file',
  runs: 'the config file, and the settings made of it',
  inputs: 20_000,
  shortInputs: 300,
  make: (random) => mutatedJson(random, CONFIG, [{ [random.pick(configKeys())]: 1 }]),
  run(bytes) {
    room.directory ||= mkdtempSync(join(tmpdir(), 'dbup-fuzz-'));
    const path = join(room.directory, 'config.json');
    writeFileSync(path, bytes);
    return accepts(() => {
      const values = readConfigFile(path, configKeys());
      const env: NodeJS.ProcessEnv = {};
      for (const [key, value] of values) env[`DBUP_${key.toUpperCase()}`] = value;
      resolveSettings({ flags: {}, env, homeDirectory: '/nowhere' });
    });
  },
  close() {
    if (room.directory !== '') rmSync(room.directory, { recursive: true, force: true });
    room.directory = '';
  },
};
