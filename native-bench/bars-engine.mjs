import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { dbup, has, measure, median } from './bench.mjs';
import { writeTar } from './made-images.mjs';
import { packImage } from './pack-image.mjs';

/** The bars of loads into a real engine, that of DOCKER_HOST. Images it is given are tagged dbup-bars and removed. */
const TAG = 'dbup-bars';

async function pack({ corpus, work }, release) {
  const top = join(work, `top-${release}.layer`);
  writeTar(top, new Map([['app/release', Buffer.from(`${release}\n`)]]), release);
  const out = join(work, `engine-${release}.tar`);
  await packImage({
    out,
    tag: `${TAG}:${release}`,
    layers: [...['base-1', 'modules-1'].map((name) => join(corpus, `build/${name}.tar`)), top],
    architecture: 'amd64',
    cmd: ['/bin/sh'],
  });
  return out;
}

function remove(...releases) {
  for (const release of releases)
    spawnSync('docker', ['image', 'rm', '-f', `${TAG}:${release}`], { stdio: 'ignore' });
}

/** Docker and dbup in turn from the same state, which `prepare` makes before each. */
async function loads({ work, rounds }, release, tar, prepare) {
  const docker = [];
  const ours = [];
  for (let round = 0; round < rounds; round++) {
    prepare();
    docker.push((await measure(['docker', 'load', '-q', '-i', tar])).wallSeconds);
    prepare();
    ours.push((await measure(dbup(work, 'load', `${TAG}:${release}`))).wallSeconds);
  }
  return { docker: median(docker), ours: median(ours) };
}

function row(what, { ours, docker }, atMost) {
  const note = `${ours.toFixed(2)} and ${docker.toFixed(2)} s`;
  return { what, value: ours / docker, unit: ' ×', atMost, note };
}

async function engine(setting) {
  const what = 'load into an engine by `docker load`';
  if (!process.env.DOCKER_HOST) return [{ what, left: 'DOCKER_HOST is not set' }];
  if (!has('docker') || spawnSync('docker', ['version'], { stdio: 'ignore' }).status !== 0)
    return [{ what, left: 'no docker command that reaches it' }];
  const tars = [await pack(setting, 1), await pack(setting, 2)];
  try {
    for (const tar of tars) await measure(dbup(setting.work, 'save', '-i', tar));
    const whole = await loads(setting, 1, tars[0], () => remove(1, 2));
    remove(1, 2);
    await measure(['docker', 'load', '-q', '-i', tars[0]]);
    const layersKnown = await loads(setting, 2, tars[1], () => remove(2));
    return [
      row(what, whole, 1.05),
      row(
        'load, only the top layer new, by a `docker load` of all',
        { ...layersKnown, docker: whole.docker },
        0.3,
      ),
      {
        ...row('the same, by a `docker load` that finds the layers there', layersKnown),
        atMost: undefined,
      },
    ];
  } finally {
    remove(1, 2);
    for (const name of ['pool', 'cache']) rmSync(join(setting.work, name), { recursive: true, force: true });
  }
}

export const engineBars = { engine };
