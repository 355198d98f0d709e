import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack } from 'tar-stream';

export type EngineKind = 'docker' | 'podman';

/** A real engine of its own, apart from any other on this machine. */
export interface RunningEngine {
  kind: EngineKind;
  socketPath: string;
  /** `unix://` and the socket's path. */
  host: string;
  /** What the engine wrote to its standard output and error so far. */
  log(): string;
  /** Ends the engine and what it started, unmounts and deletes all it kept. May be called twice. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 15_000;
const SYSTEM_DIRS = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];

/** Which engines can be started here: the path of the program, or the reason why not. */
export function engineTools(): Record<EngineKind, { path: string } | { missing: string }> {
  const isRoot = process.getuid?.() === 0;
  const dockerd = findProgram('dockerd');
  const podman = findProgram('podman');
  return {
    docker:
      dockerd === null
        ? { missing: 'dockerd is not installed' }
        : isRoot
          ? { path: dockerd }
          : { missing: 'dockerd must be started by root' },
    podman: podman === null ? { missing: 'podman is not installed' } : { path: podman },
  };
}

/**
 * Whether tests with that engine can run: `describe.skipIf(!engineAvailable('docker'))`. Prints why not;
 * in continuous integration a missing engine is an error, so that no suite is skipped unnoticed.
 */
export function engineAvailable(kind: EngineKind): boolean {
  const tool = engineTools()[kind];
  if ('path' in tool) return true;
  if (process.env.CI) throw new Error(`the ${kind} tests cannot run: ${tool.missing}`);
  console.warn(`skipping the ${kind} tests: ${tool.missing}`);
  return false;
}

/** Starts a dockerd without network, with overlay2 or, where the kernel refuses that, vfs. Needs root. */
export async function startDockerd(options: { storageDriver?: string } = {}): Promise<RunningEngine> {
  const program = requireTool('docker');
  const drivers = options.storageDriver === undefined ? ['overlay2', 'vfs'] : [options.storageDriver];
  const failures: string[] = [];
  for (const driver of drivers) {
    const dir = await mkdtemp(join(tmpdir(), 'dbup-dockerd-'));
    const socketPath = join(dir, 'docker.sock');
    const words = [
      ['--host', `unix://${socketPath}`],
      ['--data-root', join(dir, 'data')],
      ['--exec-root', join(dir, 'exec')],
      ['--pidfile', join(dir, 'docker.pid')],
      ['--config-file', join(dir, 'none.json')],
      ['--storage-driver', driver],
      ['--iptables=false', '--ip6tables=false', '--bridge=none'],
    ].flat();
    // An explicit --config-file must exist.
    await writeFile(join(dir, 'none.json'), '{}');
    try {
      return await startEngine('docker', program, words, dir, socketPath);
    } catch (error) {
      failures.push(`${driver}: ${String(error)}`);
    }
  }
  throw new Error(`dockerd did not start\n${failures.join('\n')}`);
}

/** Starts podman's API service with its own storage. */
export async function startPodman(options: { storageDriver?: string } = {}): Promise<RunningEngine> {
  const program = requireTool('podman');
  const dir = await mkdtemp(join(tmpdir(), 'dbup-podman-'));
  const socketPath = join(dir, 'podman.sock');
  const words = [
    ['--root', join(dir, 'root')],
    ['--runroot', join(dir, 'run')],
    ['--tmpdir', join(dir, 'tmp')],
    ['--storage-driver', options.storageDriver ?? 'vfs'],
    ['--cgroup-manager', 'cgroupfs'],
    ['system', 'service', '--time=0', `unix://${socketPath}`],
  ].flat();
  return await startEngine('podman', program, words, dir, socketPath);
}

export interface ScratchImage {
  /** One layer each: path to content. */
  layers: Array<Record<string, string | Uint8Array>>;
  /** More Dockerfile lines, such as `ENV A=b`. */
  instructions?: string[];
}

/**
 * Builds `FROM scratch` on the engine, one `COPY` a layer, and returns the image's id. Needs no network:
 * the classic builder runs inside the engine. Does not use dbup's own client.
 */
export async function buildScratchImage(
  socketPath: string,
  reference: string,
  image: ScratchImage,
): Promise<string> {
  const copies = image.layers.map((_, index) => `COPY layer${index}/ /`);
  const dockerfile = ['FROM scratch', ...copies, ...(image.instructions ?? []), ''].join('\n');
  const context = pack();
  const mtime = new Date(1_700_000_000_000);
  context.entry({ name: 'Dockerfile', mtime }, dockerfile);
  image.layers.forEach((files, index) => {
    for (const [path, content] of Object.entries(files)) {
      context.entry({ name: `layer${index}/${path}`, mtime, mode: 0o755 }, Buffer.from(content as string));
    }
  });
  context.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of context) pieces.push(piece as Buffer);
  const query = `t=${encodeURIComponent(reference)}&nocache=1`;
  const answer = await callEngine(socketPath, 'POST', `/v1.41/build?${query}`, Buffer.concat(pieces));
  const id = /"ID":\s*"(sha256:[0-9a-f]{64})"/.exec(answer.text)?.[1];
  if (answer.status !== 200 || id === undefined)
    throw new Error(`the build failed: ${answer.status} ${answer.text}`);
  return id;
}

/** One raw call of the engine's API, independent of dbup's client. */
export function callEngine(
  socketPath: string,
  method: string,
  path: string,
  body?: Uint8Array,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-type': 'application/x-tar' };
    const outgoing = request({ socketPath, method, path, headers, agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (piece: Buffer) => pieces.push(piece));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString('utf8') }),
      );
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

async function startEngine(
  kind: EngineKind,
  program: string,
  words: string[],
  dir: string,
  socketPath: string,
): Promise<RunningEngine> {
  // Its own process group: containerd and shims end with it.
  const child = spawn(program, words, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: dir, DOCKER_TMPDIR: join(dir, 'docker-tmp') },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-200_000);
    });
  }
  let spawnError: Error | null = null;
  child.once('error', (error) => {
    spawnError = error;
  });
  // For a test process that ends without stopping its engine; nothing asynchronous runs any more by then.
  const killNow = () => {
    signalGroup(child, 'SIGKILL');
    unmountBelow(dir);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  process.once('exit', killNow);
  const stop = async () => {
    await endProcess(child);
    process.removeListener('exit', killNow);
    unmountBelow(dir);
    await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const ready = await callEngine(socketPath, 'GET', '/_ping').catch(() => null);
    if (ready?.status === 200) break;
    if (spawnError !== null || hasEnded(child) || Date.now() > deadline) {
      await stop();
      throw new Error(`${program} did not get ready: ${String(spawnError ?? '')}\n${output.slice(-2000)}`);
    }
    await sleep(100);
  }
  return { kind, socketPath, host: `unix://${socketPath}`, log: () => output, stop };
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined) return;
  if (!hasEnded(child)) {
    const ended = once(child, 'exit');
    // Only the engine itself is asked: it ends what it started in good order.
    child.kill('SIGTERM');
    await Promise.race([ended, sleep(STOP_TIMEOUT_MS, null, { ref: false })]);
  }
  signalGroup(child, 'SIGKILL');
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended already.
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function unmountBelow(dir: string): void {
  const targets = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target.startsWith(`${dir}/`))
    .reverse();
  for (const target of targets) spawnSync('umount', ['-l', target], { stdio: 'ignore' });
}

function requireTool(kind: EngineKind): string {
  const tool = engineTools()[kind];
  if ('missing' in tool) throw new Error(tool.missing);
  return tool.path;
}

function findProgram(name: string): string | null {
  for (const dir of [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_DIRS]) {
    if (dir === '') continue;
    try {
      accessSync(join(dir, name), constants.X_OK);
      return join(dir, name);
    } catch {
      // Not in this directory.
    }
  }
  return null;
}
