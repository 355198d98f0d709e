import { DbupError } from '../../core/errors.js';
import { printable } from './printable.js';

/** What an engine said about a load. */
export interface LoadAnswer {
  /** The engine's own words, one entry a message, in its order. */
  messages: string[];
  /** References or image ids it says it loaded. */
  loaded: string[];
}

const LOADED = /^Loaded image(?:\(s\)| ID)?:\s*(.+)$/;

/**
 * Reads the answer to `POST /images/load`: one JSON object a line (docker), or one object (podman).
 *
 * @throws DbupError `ENGINE_ERROR` with the engine's words when a line reports an error or is not JSON.
 */
export function parseLoadAnswer(text: string, engine: string): LoadAnswer {
  const answer: LoadAnswer = { messages: [], loaded: [] };
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const record = parseLine(line, engine);
    const failure = errorOf(record);
    if (failure !== null) {
      throw new DbupError('ENGINE_ERROR', `${engine} did not load the image: ${printable(failure)}`);
    }
    const message = record.stream ?? record.status;
    if (typeof message !== 'string' || message.trim() === '') continue;
    const words = printable(message);
    answer.messages.push(words);
    const list = LOADED.exec(message.trim())?.[1];
    // podman lists all names of one image in one message.
    if (list !== undefined) answer.loaded.push(...list.split(',').map((name) => name.trim()));
  }
  return answer;
}

/** The error an engine's JSON object reports (`errorDetail`, `error`, `message`), or null. */
export function errorOf(record: Record<string, unknown>): string | null {
  const detail = record.errorDetail;
  if (typeof detail === 'object' && detail !== null) {
    const message = (detail as Record<string, unknown>).message;
    if (typeof message === 'string') return message;
  }
  return typeof record.error === 'string' ? record.error : null;
}

function parseLine(line: string, engine: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = null;
  }
  if (typeof value !== 'object' || value === null) {
    throw new DbupError(
      'ENGINE_ERROR',
      `${engine} answered the load with ${JSON.stringify(printable(line.slice(0, 200)))}`,
      {
        hint: 'Check that the address is that of a Docker or Podman engine.',
      },
    );
  }
  return value as Record<string, unknown>;
}
