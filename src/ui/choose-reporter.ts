import { JsonReporter } from './json-reporter.js';
import { PlainReporter } from './plain-reporter.js';
import type { ProgressMode, Reporter, ReporterStream } from './reporter.js';
import { styleFor } from './style.js';
import { TerminalReporter } from './terminal-reporter.js';

export interface ReporterChoice {
  progress: ProgressMode;
  quiet: boolean;
  /** The result is wanted as JSON: then what stands on standard error is JSON too. */
  json: boolean;
  env: NodeJS.ProcessEnv;
  now: () => number;
}

/**
 * The reporter that suits the stream and the wishes. Warnings are always reported; `auto` is the bar on a
 * terminal that can draw one, lines elsewhere, and warnings and notes as JSON lines under `--json`.
 */
export function chooseReporter(stream: ReporterStream, choice: ReporterChoice): Reporter {
  const { progress, quiet, env, now } = choice;
  const options = { stream, now };
  if (progress === 'json') return new JsonReporter({ ...options, showTasks: !quiet, showNotes: !quiet });
  if (choice.json && (progress === 'auto' || progress === 'none' || quiet))
    return new JsonReporter({ ...options, showTasks: false, showNotes: !quiet });
  if (quiet || progress === 'none')
    return new PlainReporter({ ...options, showTasks: false, showNotes: !quiet });
  const canDraw = stream.isTTY === true && env.TERM !== 'dumb';
  if (progress === 'tty' || (progress === 'auto' && canDraw))
    return new TerminalReporter({ ...options, style: styleFor(stream, env) });
  return new PlainReporter(options);
}
