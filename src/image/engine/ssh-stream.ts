import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { DbupError } from '../../core/errors.js';
import type { EngineTransport } from './endpoint.js';
import { printable } from './printable.js';

type SshTransport = Extract<EngineTransport, { type: 'ssh' }>;

const STDERR_CHARS = 4096;

/**
 * The words after `ssh` for one connection: the remote client joins its stdio to the engine's socket
 * (`docker system dial-stdio`, or podman's command of the same name).
 */
export function sshArguments(transport: SshTransport, connectTimeoutMs: number): string[] {
  const words = ['-o', `ConnectTimeout=${Math.max(1, Math.ceil(connectTimeoutMs / 1000))}`, '-T'];
  if (transport.user !== null) words.push('-l', transport.user);
  if (transport.port !== null) words.push('-p', String(transport.port));
  if (transport.identityFile !== null) words.push('-i', transport.identityFile);
  const remote: string[] = [transport.remoteClient];
  if (transport.socketPath !== null) {
    remote.push(transport.remoteClient === 'docker' ? '--host' : '--url');
    // ssh joins its words with spaces and hands them to a shell on the other host.
    remote.push(shellQuote(`unix://${transport.socketPath}`));
  }
  return [...words, '--', transport.host, ...remote, 'system', 'dial-stdio'];
}

function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/**
 * A connection to an engine through `ssh`, shaped like a socket for `node:http`.
 * Destroying it ends the ssh process. It fails with `ENGINE_UNREACHABLE` and ssh's own words when ssh
 * cannot be started or ends with an error.
 */
export class SshStream extends Duplex {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #origin: string;
  #stderr = '';

  constructor(transport: SshTransport, origin: string, connectTimeoutMs: number) {
    super({ allowHalfOpen: true });
    this.#origin = origin;
    this.#child = spawn('ssh', sshArguments(transport, connectTimeoutMs), {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const { stdin, stdout, stderr } = this.#child;
    stdout.on('data', (bytes: Buffer) => {
      if (!this.push(bytes)) stdout.pause();
    });
    stderr.setEncoding('utf8').on('data', (text: string) => {
      if (this.#stderr.length < STDERR_CHARS)
        this.#stderr += text.slice(0, STDERR_CHARS - this.#stderr.length);
    });
    // A write to an ssh that has ended fails here; its exit, which follows, says why.
    stdin.on('error', () => {});
    stdout.on('error', (error) => this.destroy(error));
    this.#child.on('error', (error) => {
      this.destroy(this.#unreachable(`ssh cannot be started: ${error.message}`, error));
    });
    this.#child.on('close', (code, signal) => {
      if (code === 0) this.push(null);
      else if (!this.destroyed) {
        const said = printable(this.#stderr.trim());
        this.destroy(this.#unreachable(said === '' ? `ssh ended with ${code ?? signal}` : said));
      }
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(bytes: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // The error itself is left to the 'close' of the process: it knows the reason, EPIPE does not.
    this.#child.stdin.write(bytes, () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#child.stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#child.stdout.removeAllListeners('data');
    this.#child.stdin.destroy();
    this.#child.stdout.destroy();
    this.#child.kill();
    done(error);
  }

  // node:http treats its connection as a socket: an idle one must not keep the process alive.
  ref(): this {
    this.#child.ref();
    for (const pipe of this.#pipes()) pipe.ref?.();
    return this;
  }

  unref(): this {
    this.#child.unref();
    for (const pipe of this.#pipes()) pipe.unref?.();
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setTimeout(): this {
    return this;
  }

  // The pipes of a child process are sockets, which their declared type does not tell.
  #pipes(): Array<{ ref?: () => void; unref?: () => void }> {
    return [this.#child.stdin, this.#child.stdout, this.#child.stderr] as Array<Partial<Socket>>;
  }

  #unreachable(why: string, cause?: unknown): DbupError {
    return new DbupError(
      'ENGINE_UNREACHABLE',
      `cannot reach the engine at ${this.#origin} over ssh: ${why}`,
      {
        hint: 'Check that `ssh` reaches that host without a password and that docker (18.09 or later) or podman (4.0 or later) is installed there.',
        ...(cause === undefined ? {} : { cause }),
      },
    );
  }
}
