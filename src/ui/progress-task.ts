import { formatBytes, formatClock, formatShare } from './format-units.js';
import { RateMeter } from './rate-meter.js';

/** A task under way, as the reporters for people tell it. */
export class ProgressTask {
  readonly name: string;
  readonly startedMs: number;
  readonly #meter: RateMeter;
  doneBytes = 0;
  totalBytes: number | undefined;

  constructor(name: string, totalBytes: number | undefined, now: () => number) {
    this.name = name;
    this.totalBytes = totalBytes;
    this.startedMs = now();
    this.#meter = new RateMeter(now);
  }

  advance(doneBytes: number, totalBytes: number | undefined): void {
    this.doneBytes = doneBytes;
    if (totalBytes !== undefined) this.totalBytes = totalBytes;
    this.#meter.add(doneBytes);
  }

  /** 0 to 1; undefined while the total is not known. */
  get share(): number | undefined {
    if (this.totalBytes === undefined || this.totalBytes <= 0) return undefined;
    return Math.min(1, this.doneBytes / this.totalBytes);
  }

  /** `123 MB/290 MB`, or `123 MB`. */
  get amount(): string {
    const done = formatBytes(this.doneBytes);
    return this.share === undefined ? done : `${done}/${formatBytes(this.totalBytes!)}`;
  }

  get percent(): string {
    return this.share === undefined ? '' : formatShare(this.share);
  }

  get rate(): string {
    return `${formatBytes(this.#meter.bytesPerSecond())}/s`;
  }

  /** `ETA 0:07`; empty while it cannot be told. */
  get eta(): string {
    const bytesPerSecond = this.#meter.bytesPerSecond();
    if (this.share === undefined || bytesPerSecond <= 0) return '';
    return `ETA ${formatClock(Math.ceil((this.totalBytes! - this.doneBytes) / bytesPerSecond))}`;
  }
}
