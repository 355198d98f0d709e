import { describe, expect, test } from 'vitest';
import { chooseReporter } from '../../src/ui/choose-reporter.js';
import { JsonReporter } from '../../src/ui/json-reporter.js';
import { PlainReporter } from '../../src/ui/plain-reporter.js';
import { ProgressTask } from '../../src/ui/progress-task.js';
import { styleFor } from '../../src/ui/style.js';
import { progressLine, TerminalReporter } from '../../src/ui/terminal-reporter.js';

const CLEAR = '\r\u001b[2K';

class Screen {
  written: string[] = [];
  timeMs = 0;
  columns = 80;
  isTTY = true;
  readonly now = () => this.timeMs;

  write(text: string): void {
    this.written.push(text);
  }

  get text(): string {
    return this.written.join('');
  }
}

function run(screen: Screen, report: PlainReporter['report'], steps: number, stepMs: number): void {
  report({ type: 'start', task: 'reading a.tar', subject: 'a.tar', totalBytes: steps * 1e6 });
  for (let step = 1; step <= steps; step++) {
    screen.timeMs += stepMs;
    report({ type: 'bytes', task: 'reading a.tar', doneBytes: step * 1e6, totalBytes: steps * 1e6 });
  }
  report({ type: 'end', task: 'reading a.tar' });
}

describe('the terminal', () => {
  const reporter = (screen: Screen) =>
    new TerminalReporter({ stream: screen, now: screen.now, style: styleFor(screen, {}) });

  test('redraws one line at most ten times a second and clears it at the end', () => {
    const screen = new Screen();
    run(screen, reporter(screen).report, 1000, 10);
    const drawn = screen.written.filter((text) => text.length > CLEAR.length);
    // At the start, and a hundred times in ten seconds.
    expect(drawn.length).toBe(101);
    expect(screen.text).not.toContain('\n');
    expect(screen.written.at(-1)).toBe(CLEAR);
    expect(drawn[50]).toBe(
      `${CLEAR}reading a.tar  [=========>        ]  50.0 %  500 MB/1.00 GB  100 MB/s  ETA 0:05`,
    );
  });

  test('a note stands on a line of its own, and escapes of foreign text do not reach the terminal', () => {
    const screen = new Screen();
    const { report } = reporter(screen);
    report({ type: 'start', task: 'reading \u001b[31mevil', subject: 'x', totalBytes: 10 });
    report({ type: 'warning', message: 'a\u001b[2Jb', hint: 'c\r' });
    expect(screen.text).toMatch(/evil {2}.*\r.*\[2K.*warning:.* a \[2Jb\n.*hint: c.*\n$/);
    expect(screen.text).not.toContain('\u001b[2J');
    expect(screen.text).not.toContain('\u001b[31mevil');
  });

  test('the line is never as wide as the terminal, and keeps what matters most', () => {
    const task = new ProgressTask(`reading ${'long-name-'.repeat(8)}`, 1e9, () => 0);
    task.advance(1e8, 1e9);
    for (let columns = 5; columns < 200; columns++)
      expect([...progressLine(task, columns)].length).toBeLessThan(columns);
    expect(progressLine(task, 30)).toMatch(/^reading.*… {2}10\.0 %/);
    expect(progressLine(task, 200)).toMatch(/\[===> +\] {2}10\.0 % {2}100 MB\/1\.00 GB/);
  });

  test('a stream of unknown length has no bar and no ETA', () => {
    let timeMs = 0;
    const task = new ProgressTask('reading standard input', undefined, () => timeMs);
    timeMs = 1000;
    task.advance(5e6, undefined);
    expect(progressLine(task, 80)).toBe('reading standard input  5.00 MB  5.00 MB/s');
  });
});

describe('plain lines', () => {
  test('one at the start, one at the end, one every five seconds between', () => {
    const screen = new Screen();
    run(screen, new PlainReporter({ stream: screen, now: screen.now }).report, 12, 1000);
    expect(screen.text).toBe(
      [
        'reading a.tar (12.0 MB)',
        'reading a.tar: 41.7 %, 5.00 MB/12.0 MB, 1.00 MB/s, ETA 0:07',
        'reading a.tar: 83.3 %, 10.0 MB/12.0 MB, 1.00 MB/s, ETA 0:02',
        'reading a.tar: done, 12.0 MB in 12 s',
        '',
      ].join('\n'),
    );
  });
});

describe('JSON lines', () => {
  test('every line is a document; bytes at most ten times a second', () => {
    const screen = new Screen();
    run(screen, new JsonReporter({ stream: screen, now: screen.now }).report, 100, 10);
    const lines = screen.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.filter(({ type }) => type === 'bytes')).toHaveLength(10);
    expect(lines[0]).toEqual({
      schema_version: 1,
      type: 'start',
      task: 'reading a.tar',
      subject: 'a.tar',
      total_bytes: 100e6,
    });
    expect(lines.at(-1)).toEqual({ schema_version: 1, type: 'end', task: 'reading a.tar' });
  });
});

describe('the choice', () => {
  const events = (choice: {
    progress: 'auto' | 'tty' | 'plain' | 'json' | 'none';
    quiet?: boolean;
    json?: boolean;
    tty?: boolean;
    env?: NodeJS.ProcessEnv;
  }) => {
    const screen = new Screen();
    screen.isTTY = choice.tty ?? false;
    const { report } = chooseReporter(screen, {
      quiet: false,
      json: false,
      env: {},
      ...choice,
      now: screen.now,
    });
    report({ type: 'start', task: 't', subject: 's' });
    report({ type: 'note', message: 'n' });
    report({ type: 'warning', message: 'w' });
    return screen.text;
  };
  const json = (event: object): string => `${JSON.stringify({ schema_version: 1, ...event })}\n`;
  const start = json({ type: 'start', task: 't', subject: 's' });
  const note = json({ type: 'note', message: 'n' });
  const warning = json({ type: 'warning', message: 'w' });

  test('follows the stream and the wishes; warnings always come through', () => {
    expect(events({ progress: 'auto', tty: true })).toContain(CLEAR);
    expect(events({ progress: 'auto', tty: true, env: { TERM: 'dumb' } })).toBe('t\nn\nwarning: w\n');
    expect(events({ progress: 'auto' })).toBe('t\nn\nwarning: w\n');
    expect(events({ progress: 'tty' })).toContain(CLEAR);
    expect(events({ progress: 'plain', tty: true })).toBe('t\nn\nwarning: w\n');
    expect(events({ progress: 'none', tty: true })).toBe('n\nwarning: w\n');
    expect(events({ progress: 'auto', quiet: true, tty: true })).toBe('warning: w\n');
    expect(events({ progress: 'json' })).toBe(start + note + warning);
    expect(events({ progress: 'auto', json: true, tty: true })).toBe(note + warning);
    expect(events({ progress: 'auto', json: true, quiet: true })).toBe(warning);
    expect(events({ progress: 'json', json: true })).toBe(start + note + warning);
  });
});
