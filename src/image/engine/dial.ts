import { connect as connectNet, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { DbupError, isSystemError } from '../../core/errors.js';
import type { EngineEndpoint, EngineTransport } from './endpoint.js';
import { printable } from './printable.js';
import { SshStream } from './ssh-stream.js';

/**
 * Opens one connection to the engine. Returns at once; a failure comes as the stream's `error` event, and
 * {@link connectionError} turns it into words. Destroying the stream closes it.
 */
export function dial(endpoint: EngineEndpoint, connectTimeoutMs: number): Duplex {
  const { transport } = endpoint;
  switch (transport.type) {
    case 'ssh':
      return new SshStream(transport, endpoint.origin, connectTimeoutMs);
    case 'unix':
      return withConnectTimeout(connectNet({ path: transport.path }), 'connect', connectTimeoutMs);
    case 'tcp':
      return transport.tls === null
        ? withConnectTimeout(
            connectNet({ host: transport.host, port: transport.port }),
            'connect',
            connectTimeoutMs,
          )
        : withConnectTimeout(dialTls(transport), 'secureConnect', connectTimeoutMs);
  }
}

function dialTls(transport: Extract<EngineTransport, { type: 'tcp' }>): Socket {
  const { ca, cert, key, verify } = transport.tls!;
  return connectTls({
    host: transport.host,
    port: transport.port,
    // A server name must be a name: node refuses an address here.
    ...(/^[\d.]+$|:/.test(transport.host) ? {} : { servername: transport.host }),
    rejectUnauthorized: verify,
    ...(ca === null ? {} : { ca: Buffer.from(ca) }),
    ...(cert === null ? {} : { cert: Buffer.from(cert) }),
    ...(key === null ? {} : { key: Buffer.from(key) }),
  });
}

function withConnectTimeout(socket: Socket, connected: string, timeoutMs: number): Socket {
  const timer = setTimeout(() => {
    const error: NodeJS.ErrnoException = new Error(`no connection within ${timeoutMs} ms`);
    error.code = 'ETIMEDOUT';
    socket.destroy(error);
  }, timeoutMs);
  const stop = () => clearTimeout(timer);
  socket.once(connected, stop).once('close', stop);
  return socket;
}

/**
 * Says why a request got no answer: `PERMISSION_DENIED` for a socket this user may not open, `ENGINE_ERROR`
 * for an engine that hung up or does not speak HTTP, `ENGINE_UNREACHABLE` for everything else.
 * A DbupError passes through.
 */
export function connectionError(endpoint: EngineEndpoint, error: unknown): DbupError {
  if (error instanceof DbupError) return error;
  const where = `the engine at ${endpoint.origin}`;
  const details = { origin: endpoint.origin, tried: endpoint.tried };
  const code = isSystemError(error) ? (error.code ?? '') : '';
  const words = printable(error instanceof Error ? error.message : String(error));
  if (code === 'EACCES' || code === 'EPERM') {
    return new DbupError('PERMISSION_DENIED', `not permitted to open ${where}`, {
      hint: 'Add yourself to the docker group (`sudo usermod -aG docker $USER`, then log in again), or use sudo.',
      details,
      cause: error,
    });
  }
  if (code === 'ECONNRESET' || code === 'EPIPE') {
    return new DbupError('ENGINE_ERROR', `${where} closed the connection without an answer`, {
      hint: 'Look at its log, and check that it is still running; if it wants TLS, set DOCKER_TLS_VERIFY=1.',
      details,
      cause: error,
    });
  }
  if (code.startsWith('HPE_')) {
    return new DbupError('ENGINE_ERROR', `${where} does not speak HTTP: ${words}`, {
      hint: 'Check the address and whether the engine wants TLS (DOCKER_TLS_VERIFY=1).',
      details,
      cause: error,
    });
  }
  return new DbupError('ENGINE_UNREACHABLE', `cannot reach ${where}: ${reason(code, words, endpoint)}`, {
    hint: unreachableHint(endpoint),
    details,
    cause: error,
  });
}

function reason(code: string, words: string, { transport }: EngineEndpoint): string {
  if (transport.type === 'unix' && (code === 'ENOENT' || code === 'ENOTDIR')) {
    return `there is no socket ${transport.path}`;
  }
  if (transport.type === 'unix' && code === 'ECONNREFUSED') return `nothing listens on ${transport.path}`;
  return words;
}

function unreachableHint({ tried }: EngineEndpoint): string {
  const start = 'Start it, or name another with --host, --context or DOCKER_HOST.';
  return tried.length === 0 ? start : `Looked for ${tried.join(', ')}. ${start}`;
}
