import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import type { Duplex } from 'node:stream';
import { throwIfInterrupted } from '../../core/context.js';
import { DbupError, isSystemError } from '../../core/errors.js';
import { isNestedDeeper } from '../../core/json-nesting.js';
import { LIMITS } from '../../core/limits.js';
import { connectionError, dial } from './dial.js';
import type { EngineEndpoint } from './endpoint.js';
import { errorOf } from './load-answer.js';
import { printable } from './printable.js';

export interface EngineTimeouts {
  /** To open a connection. */
  connectTimeoutMs: number;
  /** Until a JSON answer begins. Exports and loads have none: an engine may work for minutes before it speaks. */
  answerTimeoutMs: number;
}

export interface JsonAnswer {
  status: number;
  /** The parsed body; null when it is empty. */
  value: unknown;
}

/** Connections kept open for short questions, and at most this many at once. */
export const ENGINE_CONNECTIONS = 4;

/** HTTP to one engine, whatever the transport: every connection is opened by {@link dial}. */
export class EngineConnection {
  readonly endpoint: EngineEndpoint;
  readonly #timeouts: EngineTimeouts;
  readonly #questions: Agent;
  readonly #streams: Agent;

  constructor(endpoint: EngineEndpoint, timeouts: EngineTimeouts) {
    this.endpoint = endpoint;
    this.#timeouts = timeouts;
    const open = () => dial(endpoint, timeouts.connectTimeoutMs);
    this.#questions = new DialAgent(open, { keepAlive: true, maxSockets: ENGINE_CONNECTIONS });
    this.#streams = new DialAgent(open, { keepAlive: false });
  }

  /** `the engine at DOCKER_HOST=…`: how messages name it. */
  get name(): string {
    return `the engine at ${this.endpoint.origin}`;
  }

  /** Closes every connection, also those in use. */
  close(): void {
    this.#questions.destroy();
    this.#streams.destroy();
  }

  /**
   * Asks a question with a JSON answer, which is bounded by `LIMITS.engineJsonBytes`. Any status is an answer.
   *
   * @throws DbupError what {@link connectionError} returns, `INTERRUPTED`, `ENGINE_ERROR` for an answer that is
   *   cut off, too large or not JSON.
   */
  async askJson(method: string, path: string, signal: AbortSignal): Promise<JsonAnswer> {
    const first = this.#start(this.#questions, method, path, signal);
    let response: IncomingMessage;
    try {
      response = await this.#response(first, signal);
    } catch (error) {
      // The engine may close an idle connection just as it is used again; asking anew is safe for a GET.
      if (!(first.reusedSocket && method === 'GET' && isHangUp(error))) throw error;
      response = await this.#response(this.#start(this.#streams, method, path, signal), signal);
    }
    const text = await this.readText(response, signal);
    return { status: response.statusCode ?? 0, value: this.#parse(text, response, `${method} ${path}`) };
  }

  /** Starts a GET whose answer is read as a stream by the caller, who destroys it when done. */
  async openStream(path: string, signal: AbortSignal): Promise<IncomingMessage> {
    return await this.#response(this.#start(this.#streams, 'GET', path, signal, false), signal);
  }

  /** Starts a POST of a tar; the caller writes and ends it, and listens to `response`, `error` and `close`. */
  startUpload(path: string, signal: AbortSignal): ClientRequest {
    return this.#start(this.#streams, 'POST', path, signal, false, { 'content-type': 'application/x-tar' });
  }

  /** The whole body as text. @throws DbupError as {@link EngineConnection.askJson}. */
  async readText(response: IncomingMessage, signal: AbortSignal): Promise<string> {
    const pieces: Buffer[] = [];
    let sizeBytes = 0;
    try {
      for await (const piece of response as AsyncIterable<Buffer>) {
        sizeBytes += piece.length;
        if (sizeBytes > LIMITS.engineJsonBytes) {
          throw new DbupError(
            'ENGINE_ERROR',
            `${this.name} gave an answer of more than ${LIMITS.engineJsonBytes} bytes`,
          );
        }
        pieces.push(piece);
      }
    } catch (error) {
      throw this.readError(error, signal, 'its answer');
    }
    const bytes = Buffer.concat(pieces);
    if (isNestedDeeper(bytes, LIMITS.engineJsonDepth)) {
      throw new DbupError(
        'ENGINE_ERROR',
        `${this.name} gave an answer nested deeper than ${LIMITS.engineJsonDepth} levels`,
      );
    }
    return bytes.toString('utf8');
  }

  /** What a failure while reading an answer means; `what` is what was being read. */
  readError(error: unknown, signal: AbortSignal, what: string): DbupError {
    throwIfInterrupted(signal);
    if (error instanceof DbupError) return error;
    return new DbupError('ENGINE_ERROR', `${this.name} stopped in the middle of ${what}`, {
      hint: 'Look at the log of the engine, then run the same command again.',
      cause: error,
    });
  }

  /** The error for an answer whose status says that the request failed. */
  statusError(doing: string, answer: JsonAnswer): DbupError {
    const said = wordsOf(answer.value) ?? 'no reason';
    return new DbupError('ENGINE_ERROR', `${this.name} answered ${answer.status} while ${doing}: ${said}`, {
      details: { status: answer.status },
    });
  }

  #start(
    agent: Agent,
    method: string,
    path: string,
    signal: AbortSignal,
    timed = true,
    headers: Record<string, string> = {},
  ): ClientRequest {
    throwIfInterrupted(signal);
    const { transport } = this.endpoint;
    const tcp = transport.type === 'tcp' ? transport : null;
    const outgoing = request({
      agent,
      method,
      path: `${tcp?.basePath ?? ''}${path}`,
      signal,
      headers: {
        host:
          tcp === null ? 'localhost' : `${tcp.host.includes(':') ? `[${tcp.host}]` : tcp.host}:${tcp.port}`,
        'user-agent': 'dbup',
        ...(tcp?.authorization == null ? {} : { authorization: tcp.authorization }),
        ...headers,
      },
    });
    if (timed) this.#limitWait(outgoing);
    return outgoing;
  }

  #limitWait(outgoing: ClientRequest): void {
    const timeoutMs = this.#timeouts.answerTimeoutMs;
    const timer = setTimeout(() => {
      outgoing.destroy(
        new DbupError('ENGINE_ERROR', `${this.name} gave no answer within ${timeoutMs} ms`, {
          hint: 'Look at the log of the engine; it may be overloaded.',
        }),
      );
    }, timeoutMs);
    const stop = () => clearTimeout(timer);
    outgoing.once('response', stop).once('close', stop);
  }

  #response(outgoing: ClientRequest, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      outgoing.once('response', resolve);
      outgoing.once('error', (error) => {
        reject(signal.aborted ? interrupted(signal) : connectionError(this.endpoint, error));
      });
      outgoing.end();
    });
  }

  #parse(text: string, response: IncomingMessage, what: string): unknown {
    if (text.trim() === '') return null;
    try {
      return JSON.parse(text) as unknown;
    } catch {
      // A proxy in between explains its refusals in plain text.
      if ((response.statusCode ?? 0) >= 400) return { message: text };
      throw new DbupError('ENGINE_ERROR', `${this.name} did not answer ${what} with JSON`, {
        hint: 'Check that the address is that of a Docker or Podman engine.',
      });
    }
  }
}

/** The reason in an engine's error answer (`message`, `errorDetail` or `error`), fit for printing, or null. */
export function wordsOf(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  const record = value as Record<string, unknown>;
  const words = typeof record.message === 'string' ? record.message : errorOf(record);
  return words === null ? null : printable(words);
}

function interrupted(signal: AbortSignal): unknown {
  try {
    throwIfInterrupted(signal);
  } catch (error) {
    return error;
  }
  return signal.reason;
}

function isHangUp(error: unknown): boolean {
  const cause = error instanceof DbupError ? error.cause : error;
  return isSystemError(cause, 'ECONNRESET') || isSystemError(cause, 'EPIPE');
}

class DialAgent extends Agent {
  readonly #open: () => Duplex;

  constructor(open: () => Duplex, options: ConstructorParameters<typeof Agent>[0]) {
    super(options);
    this.#open = open;
  }

  override createConnection(): Duplex {
    return this.#open();
  }
}
