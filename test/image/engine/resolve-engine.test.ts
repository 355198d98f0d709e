import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DbupError } from '../../../src/core/errors.js';
import { LIMITS } from '../../../src/core/limits.js';
import { type ResolveEngineOptions, resolveEngine } from '../../../src/image/engine/resolve-engine.js';

let home: string;

async function writeContext(
  dockerDir: string,
  name: string,
  docker: Record<string, unknown>,
  pem: Record<string, string> = {},
): Promise<void> {
  const id = createHash('sha256').update(name).digest('hex');
  await mkdir(join(dockerDir, 'contexts', 'meta', id), { recursive: true });
  await writeFile(
    join(dockerDir, 'contexts', 'meta', id, 'meta.json'),
    JSON.stringify({ Name: name, Metadata: {}, Endpoints: { docker } }),
  );
  await mkdir(join(dockerDir, 'contexts', 'tls', id, 'docker'), { recursive: true });
  for (const [file, text] of Object.entries(pem)) {
    await writeFile(join(dockerDir, 'contexts', 'tls', id, 'docker', file), text);
  }
}

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'dbup-resolve-'));
  const docker = join(home, '.docker');
  await mkdir(docker);
  await writeFile(join(docker, 'config.json'), JSON.stringify({ currentContext: 'current' }));
  await writeContext(docker, 'current', { Host: 'unix:///context/current.sock' });
  await writeContext(docker, 'remote', { Host: 'ssh://me@build.example:2222' });
  await writeContext(
    docker,
    'tls',
    { Host: 'tcp://build.example:2376', SkipTLSVerify: false },
    { 'ca.pem': 'CA', 'cert.pem': 'CERT', 'key.pem': 'KEY' },
  );
  await writeContext(docker, 'insecure', { Host: 'tcp://build.example:2376', SkipTLSVerify: true });
  await writeContext(docker, 'empty', {});
  await mkdir(join(home, 'certs'));
  for (const name of ['ca', 'cert', 'key']) await writeFile(join(home, 'certs', `${name}.pem`), name);
  await mkdir(join(home, 'half'));
  await writeFile(join(home, 'half', 'cert.pem'), 'CERT');
  await mkdir(join(home, 'plain', '.docker'), { recursive: true });
  await writeFile(join(home, 'plain', '.docker', 'config.json'), JSON.stringify({ auths: {} }));
});

afterAll(async () => {
  await rm(home, { recursive: true, force: true });
});

function resolve(options: Partial<ResolveEngineOptions>) {
  return resolveEngine({ env: {}, homeDir: home, exists: () => false, ...options });
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof DbupError) return error.code;
    throw error;
  }
  return 'no error';
}

describe('the order in which an engine is looked for', () => {
  const everything = {
    DOCKER_HOST: 'unix:///env/docker.sock',
    DOCKER_CONTEXT: 'remote',
    CONTAINER_HOST: 'unix:///env/podman.sock',
  };
  const { DOCKER_HOST: _host, ...withoutHost } = everything;

  it.each([
    ['--host first', { host: 'unix:///flag.sock', env: everything }, '--host=unix:///flag.sock'],
    [
      'then --context',
      { context: 'tls', env: everything },
      '--context, context "tls", host=tcp://build.example:2376',
    ],
    ['then DOCKER_HOST', { env: everything }, 'DOCKER_HOST=unix:///env/docker.sock'],
    [
      'then DOCKER_CONTEXT',
      { env: withoutHost },
      'DOCKER_CONTEXT, context "remote", host=ssh://me@build.example:2222',
    ],
    [
      '--context default means no context',
      { context: 'default', env: everything },
      'DOCKER_HOST=unix:///env/docker.sock',
    ],
    [
      '--context default hides DOCKER_CONTEXT',
      { context: 'default', env: withoutHost },
      'CONTAINER_HOST=unix:///env/podman.sock',
    ],
    [
      'DOCKER_CONTEXT=default hides the configured one',
      { env: { DOCKER_CONTEXT: 'default' } },
      'unix:///var/run/docker.sock',
    ],
    [
      'empty variables count as unset',
      { env: { ...everything, DOCKER_HOST: '', DOCKER_CONTEXT: 'tls' } },
      'DOCKER_CONTEXT, context "tls", host=tcp://build.example:2376',
    ],
  ])('%s', (_name, options, origin) => {
    expect(resolve(options).origin).toBe(origin);
  });

  it('then the current context of the configuration', () => {
    const endpoint = resolve({ env: { CONTAINER_HOST: 'unix:///env/podman.sock' } });
    expect(endpoint.transport).toEqual({ type: 'unix', path: '/context/current.sock' });
    expect(endpoint.origin).toContain(join(home, '.docker', 'config.json'));
  });

  it('reads the configuration where DOCKER_CONFIG says', () => {
    const endpoint = resolve({ env: { DOCKER_CONFIG: join(home, '.docker') }, homeDir: '/nowhere' });
    expect(endpoint.transport).toEqual({ type: 'unix', path: '/context/current.sock' });
  });

  it('then CONTAINER_HOST, whose ssh hosts run podman', () => {
    const env = {
      CONTAINER_HOST: 'ssh://core@vm:52000/run/user/1/podman.sock',
      CONTAINER_SSHKEY: '/keys/id',
    };
    expect(resolve({ env, homeDir: join(home, 'plain') }).transport).toEqual({
      type: 'ssh',
      host: 'vm',
      user: 'core',
      port: 52000,
      socketPath: '/run/user/1/podman.sock',
      remoteClient: 'podman',
      identityFile: '/keys/id',
    });
  });

  it.each([
    [['/var/run/docker.sock', '/run/podman/podman.sock'], '/var/run/docker.sock'],
    [['/run/user/7/podman/podman.sock', '/run/podman/podman.sock'], '/run/user/7/podman/podman.sock'],
    [['/run/podman/podman.sock'], '/run/podman/podman.sock'],
    [[], '/var/run/docker.sock'],
  ])('then the first socket of %j', (sockets: string[], path) => {
    const endpoint = resolve({
      env: { XDG_RUNTIME_DIR: '/run/user/7' },
      homeDir: join(home, 'plain'),
      exists: (candidate) => sockets.includes(candidate),
    });
    expect(endpoint.transport).toEqual({ type: 'unix', path });
    expect(endpoint.tried).toEqual([
      '/var/run/docker.sock',
      '/run/user/7/podman/podman.sock',
      '/run/podman/podman.sock',
    ]);
  });
});

describe('TLS', () => {
  const text = (bytes: Uint8Array | null | undefined) => Buffer.from(bytes ?? []).toString();

  it('comes from DOCKER_CERT_PATH when DOCKER_TLS_VERIFY is set to anything', () => {
    const env = { DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '0', DOCKER_CERT_PATH: join(home, 'certs') };
    const { transport } = resolve({ env });
    if (transport.type !== 'tcp') throw new Error(transport.type);
    expect(transport.port).toBe(2376);
    expect(transport.tls?.verify).toBe(true);
    expect([transport.tls?.ca, transport.tls?.cert, transport.tls?.key].map(text)).toEqual([
      'ca',
      'cert',
      'key',
    ]);
  });

  it('is not checked with DOCKER_TLS alone, and absent without either', () => {
    const checked = (env: NodeJS.ProcessEnv) => {
      const { transport } = resolve({ env: { DOCKER_HOST: 'tcp://h', ...env } });
      return transport.type === 'tcp' ? (transport.tls?.verify ?? null) : 'not tcp';
    };
    expect(checked({ DOCKER_TLS: '1' })).toBe(false);
    expect(checked({})).toBeNull();
  });

  it('comes from the context', () => {
    const { transport } = resolve({ context: 'tls' });
    if (transport.type !== 'tcp') throw new Error(transport.type);
    expect([transport.tls?.ca, transport.tls?.cert, transport.tls?.key].map(text)).toEqual([
      'CA',
      'CERT',
      'KEY',
    ]);
    const insecure = resolve({ context: 'insecure' }).transport;
    expect(insecure.type === 'tcp' && insecure.tls?.verify).toBe(false);
  });

  it('wants both halves of a client certificate, and an authority where one was promised', () => {
    const env = { DOCKER_HOST: 'tcp://h', DOCKER_TLS_VERIFY: '1' };
    expect(codeOf(() => resolve({ env: { ...env, DOCKER_CERT_PATH: join(home, 'half') } }))).toBe('USAGE');
    expect(codeOf(() => resolve({ env: { ...env, DOCKER_CERT_PATH: join(home, 'plain') } }))).toBe('USAGE');
  });
});

describe('what cannot be resolved', () => {
  it.each([
    ['--host with --context', { host: 'unix:///a', context: 'tls' }],
    ['a context that does not exist', { context: 'nope' }],
    ['a context without a docker endpoint', { context: 'empty' }],
    ['a name that is a path', { context: '../../../etc' }],
  ])('%s is a usage error', (_name, options) => {
    expect(codeOf(() => resolve(options))).toBe('USAGE');
  });

  it('names a configuration that is not JSON', async () => {
    const dir = join(home, 'broken');
    await mkdir(dir);
    await writeFile(join(dir, 'config.json'), '{"currentContext": ');
    expect(codeOf(() => resolve({ env: { DOCKER_CONFIG: dir } }))).toBe('INPUT_INVALID');
  });

  it('does not read a configuration without bounds', async () => {
    const dir = join(home, 'large');
    await mkdir(dir);
    await writeFile(join(dir, 'config.json'), Buffer.alloc(LIMITS.engineConfigBytes + 1, 0x20));
    expect(codeOf(() => resolve({ env: { DOCKER_CONFIG: dir } }))).toBe('INPUT_TOO_LARGE');
  });
});
