import type { ProgressEvent } from '../core/events.js';
import { JSON_SCHEMA_VERSION, jsonText, toSnakeCase } from './json-text.js';
import type { Reporter, ReporterOptions, ReporterStream } from './reporter.js';

/** `bytes` lines of one task are at least this far apart; the others are never held back. */
const BYTES_EVERY_MS = 100;

/** One JSON object a line, for programs that show progress of their own. docs/json.md describes the lines. */
export class JsonReporter implements Reporter {
  readonly #stream: ReporterStream;
  readonly #now: () => number;
  readonly #showTasks: boolean;
  readonly #showNotes: boolean;
  readonly #lastBytesMs = new Map<string, number>();

  constructor(options: ReporterOptions & { showTasks?: boolean; showNotes?: boolean }) {
    this.#stream = options.stream;
    this.#now = options.now;
    this.#showTasks = options.showTasks ?? true;
    this.#showNotes = options.showNotes ?? true;
  }

  readonly report = (event: ProgressEvent): void => {
    if ('task' in event && !this.#showTasks) return;
    if (event.type === 'note' && !this.#showNotes) return;
    if (event.type === 'bytes') {
      const nowMs = this.#now();
      if (nowMs - (this.#lastBytesMs.get(event.task) ?? Number.NEGATIVE_INFINITY) < BYTES_EVERY_MS) return;
      this.#lastBytesMs.set(event.task, nowMs);
    }
    this.#stream.write(
      `${jsonText({ schema_version: JSON_SCHEMA_VERSION, ...(toSnakeCase(event) as object) })}\n`,
    );
  };

  close(): void {}
}
