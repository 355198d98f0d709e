import type { ProgressEvent } from '../core/events.js';
import { printable } from '../image/engine/printable.js';
import { formatBytes, formatDuration } from './format-units.js';
import { ProgressTask } from './progress-task.js';
import type { Reporter, ReporterOptions, ReporterStream } from './reporter.js';

/** Between two lines of one task, so that a log of an hour stays readable. */
const LINE_EVERY_MS = 5_000;

/** Lines for logs and pipes: one when a task starts, one when it ends, and one every few seconds between. */
export class PlainReporter implements Reporter {
  readonly #stream: ReporterStream;
  readonly #now: () => number;
  readonly #tasks = new Map<string, ProgressTask>();
  readonly #showTasks: boolean;
  readonly #showNotes: boolean;
  #lastLineMs = 0;

  constructor(options: ReporterOptions & { showTasks?: boolean; showNotes?: boolean }) {
    this.#stream = options.stream;
    this.#now = options.now;
    this.#showTasks = options.showTasks ?? true;
    this.#showNotes = options.showNotes ?? true;
  }

  readonly report = (event: ProgressEvent): void => {
    switch (event.type) {
      case 'warning':
        this.#line(`warning: ${printable(event.message)}`);
        if (event.hint !== undefined) this.#line(`  hint: ${printable(event.hint)}`);
        return;
      case 'note':
        if (this.#showNotes) this.#line(printable(event.message));
        return;
      default:
        if (this.#showTasks) this.#reportTask(event);
    }
  };

  close(): void {
    this.#tasks.clear();
  }

  #reportTask(event: Extract<ProgressEvent, { task: string }>): void {
    const name = printable(event.task);
    if (event.type === 'start') {
      this.#tasks.set(event.task, new ProgressTask(event.task, event.totalBytes, this.#now));
      this.#line(!event.totalBytes ? name : `${name} (${formatBytes(event.totalBytes)})`);
      return;
    }
    const task = this.#tasks.get(event.task);
    if (!task) return;
    if (event.type === 'bytes') {
      task.advance(event.doneBytes, event.totalBytes);
      if (this.#now() - this.#lastLineMs < LINE_EVERY_MS) return;
      const parts = [task.percent, task.amount, task.rate, task.eta].filter((part) => part !== '');
      this.#line(`${name}: ${parts.join(', ')}`);
      return;
    }
    this.#tasks.delete(event.task);
    const took = formatDuration(this.#now() - task.startedMs);
    const amount = task.doneBytes > 0 ? `, ${formatBytes(task.doneBytes)}` : '';
    this.#line(`${name}: done${amount} in ${took}`);
  }

  #line(text: string): void {
    this.#lastLineMs = this.#now();
    this.#stream.write(`${text}\n`);
  }
}
