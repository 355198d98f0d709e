import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  buildScratchImage,
  callEngine,
  type EngineKind,
  engineAvailable,
  type RunningEngine,
  startDockerd,
  startPodman,
} from '../support/engines.js';
import { CliRoom, runProgram } from '../support/run-dbup.js';
import { releaseImage, staticProgram } from './static-image.js';

const RELEASES = [1, 2, 3];
const SHARED_LAYERS = 2;
const LAYERS = 4;

interface Inspected {
  Id: string;
  Config: Record<string, unknown>;
  RootFS: unknown;
  Architecture: string;
}

interface Loaded {
  image_id: string;
  layer_count: number;
  layers_left_out: number;
}

async function inspect(engine: RunningEngine, name: string): Promise<Inspected | null> {
  const { status, text } = await callEngine(engine.socketPath, 'GET', `/v1.41/images/${name}/json`);
  return status === 200 ? (JSON.parse(text) as Inspected) : null;
}

/** What must be the same after a round trip. */
function essence(image: Inspected | null) {
  return (
    image && { Id: image.Id, Config: image.Config, RootFS: image.RootFS, Architecture: image.Architecture }
  );
}

async function removeAll(engine: RunningEngine): Promise<void> {
  const { text } = await callEngine(engine.socketPath, 'GET', '/v1.41/images/json?all=1');
  for (const { Id } of JSON.parse(text) as { Id: string }[]) {
    await callEngine(engine.socketPath, 'DELETE', `/v1.41/images/${Id}?force=true`);
  }
}

function installed(program: string): boolean {
  if (spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0) return true;
  if (process.env.CI) throw new Error(`${program} is not installed`);
  console.warn(`skipping what needs ${program}: it is not installed`);
  return false;
}

describe.each<[EngineKind, () => Promise<RunningEngine>]>([
  ['docker', startDockerd],
  ['podman', startPodman],
])('saved from and loaded into a real %s', (kind, start) => {
  const available = engineAvailable(kind);
  let engine: RunningEngine;
  let room: CliRoom;
  /** As the engine showed each release before it was removed. */
  const originals: Inspected[] = [];

  beforeAll(async () => {
    if (!available) return;
    engine = await start();
    room = await CliRoom.create(
      kind === 'docker' ? { DOCKER_HOST: engine.host } : { CONTAINER_HOST: engine.host },
    );
    const program = staticProgram();
    for (const release of RELEASES) {
      await buildScratchImage(engine.socketPath, 'localhost/app:latest', releaseImage(program, release));
      originals.push((await inspect(engine, 'localhost/app:latest'))!);
      await room.json(['save', 'localhost/app:latest']);
    }
  });

  afterAll(async () => {
    await engine?.stop();
    await room?.[Symbol.asyncDispose]();
  });

  const version = (release: number) => `localhost/app:latest~${RELEASES.length - release}`;

  test.skipIf(!available)('each version comes back with its id, config and layers', async () => {
    await removeAll(engine);
    expect(await inspect(engine, 'localhost/app:latest')).toBeNull();
    for (const [at, release] of RELEASES.entries()) {
      const loaded = await room.json<Loaded>(['load', version(release), '--as', `localhost/app:${release}`]);
      expect(loaded.layer_count).toBe(LAYERS);
      // podman wants every layer, docker only those it lacks.
      expect(loaded.layers_left_out).toBe(kind === 'docker' && at > 0 ? SHARED_LAYERS : 0);
      expect(loaded.image_id.replace('sha256:', '')).toBe(originals[at]!.Id.replace('sha256:', ''));
      expect(essence(await inspect(engine, `localhost/app:${release}`))).toEqual(essence(originals[at]!));
    }
    const again = await room.json<Loaded>(['load', version(1), '--as', 'localhost/app:1']);
    expect(again.layers_left_out).toBe(kind === 'docker' ? LAYERS : 0);
  });

  test.skipIf(!available)(
    'rollback makes the earlier release current, in the pool and in the engine',
    async () => {
      await removeAll(engine);
      await room.json(['rollback', 'localhost/app:latest', '--to', '~2']);
      expect(essence(await inspect(engine, 'localhost/app:latest'))).toEqual(essence(originals[0]!));
      await room.json(['rm', 'localhost/app:latest~0']);
    },
  );

  test.skipIf(!available)('saving it again adds no content', async () => {
    await room.json(['load', version(2)]);
    const saved = await room.json<{ new_bytes: number }>(['save', 'localhost/app:latest', '--as', 'again:1']);
    expect(saved.new_bytes).toBeLessThan(10_000);
    const run = await room.run(['load', 'again:1', '-o', room.path('again.tar')]);
    expect(run.exitCode, run.stderr).toBe(0);
  });

  test.skipIf(!available)(
    'an image the engine has not ends in exit code 12, an engine that is away in 5',
    async () => {
      expect((await room.run(['save', 'localhost/nothing:1'])).exitCode).toBe(12);
      const away = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
      expect((await room.run(['save', 'localhost/app:latest'], away)).exitCode).toBe(5);
    },
  );

  test.skipIf(!available || kind !== 'docker' || !installed('docker'))(
    'a container of each version runs and prints its release',
    async () => {
      for (const release of RELEASES) {
        await room.json(['load', version(release), '--as', `localhost/app:${release}`]);
        const words = ['-H', engine.host, 'run', '--rm', '--network', 'none', `localhost/app:${release}`];
        const run = await runProgram('docker', words, room.env);
        expect(run, engine.log().slice(-1000)).toMatchObject({ exitCode: 0, stdout: `release ${release}\n` });
      }
    },
  );

  test.skipIf(!available || kind !== 'docker' || !installed('docker'))(
    'contexts and DOCKER_HOST are heeded in the order docker heeds them',
    async () => {
      const own = await CliRoom.create();
      await using _ = own;
      const config = { DOCKER_CONFIG: own.path('docker-config'), DBUP_POOL: room.env.DBUP_POOL };
      const docker = async (...words: string[]) => {
        const run = await runProgram('docker', words, { ...own.env, ...config });
        expect(run.exitCode, run.stderr).toBe(0);
      };
      await docker('context', 'create', 'real', '--docker', `host=${engine.host}`);
      await docker('context', 'create', 'away', '--docker', 'host=unix:///nonexistent/away.sock');
      await docker('context', 'use', 'real');
      const words = ['load', 'localhost/app:latest'];
      const exitCode = async (more: string[], env: NodeJS.ProcessEnv) =>
        (await own.run([...words, ...more], { ...config, ...env })).exitCode;
      const away = { DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
      expect(await exitCode([], {}), 'the current context').toBe(0);
      expect(
        await exitCode([], { DOCKER_CONTEXT: 'away' }),
        'DOCKER_CONTEXT before the current context',
      ).toBe(5);
      expect(await exitCode([], away), 'DOCKER_HOST before the current context').toBe(5);
      expect(
        await exitCode([], { ...away, DOCKER_CONTEXT: 'real' }),
        'DOCKER_HOST before DOCKER_CONTEXT',
      ).toBe(5);
      expect(await exitCode(['--context', 'real'], away), '--context before DOCKER_HOST').toBe(0);
      expect(await exitCode(['--host', engine.host], { DOCKER_CONTEXT: 'away' }), '--host before all').toBe(
        0,
      );
    },
  );

  test.skipIf(!available || !installed('skopeo'))('skopeo reads what -o writes', async () => {
    const skopeo = async (...words: string[]) => {
      const run = await runProgram('skopeo', ['--insecure-policy', ...words]);
      expect(run.exitCode, run.stderr).toBe(0);
      return run.stdout;
    };
    for (const [at, release] of RELEASES.entries()) {
      const written = [
        [room.path(`${release}.tar`), `docker-archive:${room.path(`${release}.tar`)}`],
        [
          `docker-archive:${room.path(`${release}.d.tar`)}`,
          `docker-archive:${room.path(`${release}.d.tar`)}`,
        ],
        [`oci-archive:${room.path(`${release}.o.tar`)}`, `oci-archive:${room.path(`${release}.o.tar`)}`],
        [`oci:${room.path(`${release}.layout`)}:v1`, `oci:${room.path(`${release}.layout`)}:v1`],
      ];
      for (const [to, source] of written) {
        const run = await room.run(['load', version(release), '-o', to!]);
        expect(run.exitCode, run.stderr).toBe(0);
        const config = JSON.parse(await skopeo('inspect', '--config', source!)) as {
          config: { Env: string[] };
        };
        expect(config.config.Env).toContain(`RELEASE=${release}`);
        const copy = join(room.root, `copy-${release}-${written.findIndex((each) => each[0] === to)}`);
        await skopeo('copy', '--quiet', source!, `dir:${copy}`);
        const manifest = JSON.parse(await skopeo('inspect', '--raw', `dir:${copy}`)) as {
          config: { digest: string };
        };
        expect(manifest.config.digest.replace('sha256:', '')).toBe(originals[at]!.Id.replace('sha256:', ''));
      }
    }
  });
});
