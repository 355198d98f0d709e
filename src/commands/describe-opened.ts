import type { OpenedStreams } from '../operations/opened-streams.js';
import { formatBytes, formatCount } from '../ui/format-units.js';

/** Such as `12 compressed files held open, 1.20 MB as 4.50 MB`. */
export function describeOpened({ streams, compressedBytes, plainBytes }: OpenedStreams): string {
  const files = formatCount(streams, 'compressed file');
  return `${files} held open, ${formatBytes(compressedBytes)} as ${formatBytes(plainBytes)}`;
}
