import type { ClientRequest, IncomingMessage } from 'node:http';
import { throwIfInterrupted } from '../../core/context.js';
import { DbupError } from '../../core/errors.js';
import { connectionError } from './dial.js';
import type { EngineConnection } from './engine-connection.js';
import { holdTrailingZeros } from './hold-trailing-zeros.js';
import { type LoadAnswer, parseLoadAnswer } from './load-answer.js';

/**
 * Sends an archive to `POST /images/load` and reads what the engine says. A chunk is asked for only when the
 * one before has left this process, so the source may reuse its buffer. The end of the archive is sent only
 * after the source has finished: when it throws, the upload is cut off, the engine loads nothing, and the
 * source's own error is rethrown.
 *
 * @throws DbupError `ENGINE_ERROR` with the engine's words, also when it answers before everything was sent;
 *   `INTERRUPTED`; what `connectionError` returns; whatever the source throws.
 */
export async function loadArchive(
  connection: EngineConnection,
  path: string,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<LoadAnswer> {
  const upload = new Upload(connection, connection.startUpload(path, signal), signal);
  try {
    for await (const chunk of holdTrailingZeros(tar)) {
      // The source is emptied even after an early success: it may still find out that it was wrong.
      if (upload.answer === null) await upload.send(chunk);
      upload.throwIfRefused();
    }
    return await upload.finish();
  } catch (error) {
    upload.abort();
    throw error;
  }
}

class Upload {
  answer: { status: number; text: string } | null = null;
  readonly #connection: EngineConnection;
  readonly #request: ClientRequest;
  readonly #signal: AbortSignal;
  #response: IncomingMessage | null = null;
  #failure: DbupError | null = null;
  #wake: () => void = () => {};

  constructor(connection: EngineConnection, request: ClientRequest, signal: AbortSignal) {
    this.#connection = connection;
    this.#request = request;
    this.#signal = signal;
    request.once('response', (response) => void this.#readAnswer(response));
    request.on('error', (error) => {
      // Once an answer has begun, a failing write only says that the engine did not want the rest.
      if (this.#response === null) this.#fail(connectionError(connection.endpoint, error));
    });
    request.once('close', () => this.#wake());
  }

  /** Resolves when the chunk has left this process, or when there is no point in sending more. */
  async send(chunk: Uint8Array): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#request.destroyed) resolve();
      else this.#request.write(chunk, () => resolve());
    });
    // A destroyed request whose answer has begun: what the engine said is still being read.
    if (this.#request.destroyed) await this.#settled();
  }

  /** Throws why the upload cannot succeed any more, if so. */
  throwIfRefused(): void {
    throwIfInterrupted(this.#signal);
    if (this.#failure !== null) throw this.#failure;
    if (this.answer !== null) this.#parse(this.answer);
  }

  async finish(): Promise<LoadAnswer> {
    if (!this.#request.destroyed) this.#request.end();
    await this.#settled();
    this.throwIfRefused();
    return this.#parse(this.answer!);
  }

  abort(): void {
    this.#request.destroy();
    this.#response?.destroy();
  }

  async #settled(): Promise<void> {
    while (this.answer === null && this.#failure === null) {
      if (this.#request.destroyed && this.#response === null) {
        // 'error' comes a tick after the destruction that it explains.
        await new Promise((resolve) => setImmediate(resolve));
        if (this.#failure === null && this.#response === null) this.#fail(this.#cutOff());
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async #readAnswer(response: IncomingMessage): Promise<void> {
    this.#response = response;
    try {
      const text = await this.#connection.readText(response, this.#signal);
      this.answer = { status: response.statusCode ?? 0, text };
      this.#wake();
    } catch (error) {
      this.#fail(error instanceof DbupError ? error : this.#cutOff());
    }
  }

  #fail(error: DbupError): void {
    this.#failure ??= error;
    this.#wake();
  }

  #cutOff(): DbupError {
    return new DbupError(
      'ENGINE_ERROR',
      `${this.#connection.name} closed the connection while an image was sent to it`,
    );
  }

  #parse(answer: { status: number; text: string }): LoadAnswer {
    if (answer.status === 200) return parseLoadAnswer(answer.text, this.#connection.name);
    let value: unknown;
    try {
      value = JSON.parse(answer.text);
    } catch {
      value = { message: answer.text };
    }
    throw this.#connection.statusError('loading an image', { status: answer.status, value });
  }
}
