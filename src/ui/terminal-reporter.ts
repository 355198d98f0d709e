import type { ProgressEvent } from '../core/events.js';
import { printable } from '../image/engine/printable.js';
import { ProgressTask } from './progress-task.js';
import type { Reporter, ReporterOptions, ReporterStream } from './reporter.js';
import type { Style } from './style.js';

/** Faster than this nobody reads. */
const REDRAW_MS = 100;
const DEFAULT_COLUMNS = 80;
const CLEAR_LINE = '\r\u001b[2K';
const BAR_MIN = 10;
const BAR_MAX = 30;
const NAME_MIN = 12;

/** One line at the bottom of a terminal, redrawn in place and gone when the task ends. */
export class TerminalReporter implements Reporter {
  readonly #stream: ReporterStream;
  readonly #now: () => number;
  readonly #style: Style;
  readonly #tasks = new Map<string, ProgressTask>();
  #drawnMs = Number.NEGATIVE_INFINITY;
  #drawn = false;

  constructor(options: ReporterOptions & { style: Style }) {
    this.#stream = options.stream;
    this.#now = options.now;
    this.#style = options.style;
  }

  readonly report = (event: ProgressEvent): void => {
    switch (event.type) {
      case 'start':
        this.#tasks.set(event.task, new ProgressTask(event.task, event.totalBytes, this.#now));
        this.#draw();
        return;
      case 'bytes':
        this.#tasks.get(event.task)?.advance(event.doneBytes, event.totalBytes);
        this.#draw();
        return;
      case 'end':
        this.#tasks.delete(event.task);
        if (this.#tasks.size === 0) this.#clear();
        return;
      case 'note':
        this.#say(printable(event.message));
        return;
      case 'warning': {
        const hint =
          event.hint === undefined ? '' : `\n${this.#style.dim(`  hint: ${printable(event.hint)}`)}`;
        this.#say(`${this.#style.yellow('warning:')} ${printable(event.message)}${hint}`);
      }
    }
  };

  close(): void {
    this.#tasks.clear();
    this.#clear();
  }

  #say(text: string): void {
    this.#clear();
    this.#stream.write(`${text}\n`);
    this.#drawnMs = Number.NEGATIVE_INFINITY;
  }

  #draw(): void {
    const nowMs = this.#now();
    const task = [...this.#tasks.values()].at(-1);
    if (!task || nowMs - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = nowMs;
    this.#drawn = true;
    this.#stream.write(`${CLEAR_LINE}${progressLine(task, this.#stream.columns || DEFAULT_COLUMNS)}`);
  }

  #clear(): void {
    if (this.#drawn) this.#stream.write(CLEAR_LINE);
    this.#drawn = false;
  }
}

/** The line of a task, never as long as the terminal is wide: what matters least is left out first. */
export function progressLine(task: ProgressTask, columns: number): string {
  const width = columns - 1;
  const name = [...printable(task.name)];
  // The parts that may stand behind the name, the first the last to go.
  const wanted = [task.percent, task.amount, task.rate, task.eta].filter((part) => part !== '');
  const parts: string[] = [];
  for (const part of wanted) {
    const used = [...parts, part].join('  ').length + 2;
    if (used + Math.min(name.length, NAME_MIN) > width) break;
    parts.push(part);
  }
  const tail = parts.join('  ');
  const room = Math.max(0, width - tail.length - (tail === '' ? 0 : 2));
  const { share } = task;
  const barCells = share === undefined ? 0 : Math.min(BAR_MAX, room - Math.min(name.length, 40) - 4);
  const bar = share === undefined || barCells < BAR_MIN ? '' : `  [${barOf(share, barCells)}]`;
  const nameRoom = room - bar.length;
  const shown =
    name.length <= nameRoom ? name.join('') : `${name.slice(0, Math.max(0, nameRoom - 1)).join('')}…`;
  return [`${shown}${bar}`, tail].filter((part) => part !== '').join('  ');
}

function barOf(share: number, cells: number): string {
  const full = Math.floor(share * cells);
  return full >= cells ? '='.repeat(cells) : `${'='.repeat(full)}>${' '.repeat(cells - full - 1)}`;
}
