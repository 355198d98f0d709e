/** Everything an operation reports while it runs. One union; the reporters in `ui/` render it. */
export type ProgressEvent =
  | { type: 'start'; task: string; subject: string; totalBytes?: number }
  | { type: 'bytes'; task: string; doneBytes: number; totalBytes?: number }
  | { type: 'end'; task: string }
  | { type: 'note'; message: string }
  | { type: 'warning'; message: string; hint?: string };

export type Report = (event: ProgressEvent) => void;
