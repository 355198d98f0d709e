import type { CheckLog } from '../catalog/check-log.js';
import type { CheckProgress } from './findings.js';

/** The files to be read, those that were checked least recently first, and those never checked before all others. */
export function leastRecentlyChecked<T>(
  items: readonly T[],
  log: CheckLog,
  fileOf: (item: T) => string,
): T[] {
  const checkedAt = log.checkedAt();
  return items
    .map((item) => ({ item, file: fileOf(item), at: checkedAt.get(fileOf(item)) ?? 0 }))
    .sort((a, b) => a.at - b.at || (a.file < b.file ? -1 : 1))
    .map(({ item }) => item);
}

/** How far the checking of a pool's files has come. */
export function checkProgress(files: readonly string[], log: CheckLog, filesRead: number): CheckProgress {
  const checkedAt = log.checkedAt();
  const times = files.flatMap((file) => checkedAt.get(file) ?? []);
  const neverChecked = files.length - times.length;
  const oldest = times.reduce((least, at) => Math.min(least, at), Number.POSITIVE_INFINITY);
  return {
    files: files.length,
    filesRead,
    neverChecked,
    oldestCheckedAt: Number.isFinite(oldest) ? new Date(oldest).toISOString() : null,
  };
}
