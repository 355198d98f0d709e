const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** A size for people, in decimal units as docker prints them: `512 B`, `1.23 MB`, `365 MB`. Three digits tell. */
export function formatBytes(sizeBytes: number): string {
  let value = sizeBytes;
  let unit = 0;
  // 999.5 would be rounded to "1000".
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** A duration for people: `0.4 s`, `42 s`, `3:07`, `2:03:07`. */
export function formatDuration(durationMs: number): string {
  const seconds = durationMs / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return formatClock(whole);
}

/** A countdown: `0:07`, `3:07`, `2:03:07`. */
export function formatClock(wholeSeconds: number): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(wholeSeconds / 3600);
  const minutes = Math.floor(wholeSeconds / 60) % 60;
  const rest = two(wholeSeconds % 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** A share of 0 to 1 as a percentage. 100 % and 0 % are printed only when they are exact. */
export function formatShare(share: number): string {
  if (share >= 1) return '100 %';
  if (share <= 0) return '0 %';
  return `${Math.min(Math.max(share * 100, 0.1), 99.9).toFixed(1)} %`;
}

/** A count with its noun: `1 layer`, `3 layers`. */
export function formatCount(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`;
}

/** A moment in this machine's time zone, to the second: `2024-05-01 13:02:11`. */
export function formatTime(isoTime: string): string {
  const time = new Date(isoTime);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

const AGE_UNITS = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['week', 7 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** How long ago a moment was: `3 days ago`. A moment in the future, of another host's clock, is `just now`. */
export function formatAge(isoTime: string, nowMs: number): string {
  const seconds = Math.floor((nowMs - Date.parse(isoTime)) / 1000);
  for (const [noun, length] of AGE_UNITS) {
    if (seconds >= length) return `${formatCount(Math.floor(seconds / length), noun)} ago`;
  }
  return 'just now';
}

/** The first twelve hex digits of an id, with or without `sha256:`, as docker prints them. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
