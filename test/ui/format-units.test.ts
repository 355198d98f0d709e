import { expect, test } from 'vitest';
import {
  formatAge,
  formatBytes,
  formatClock,
  formatCount,
  formatDuration,
  formatShare,
  formatTime,
  shortId,
} from '../../src/ui/format-units.js';

test('sizes are decimal, three digits long, and never "1000 MB"', () => {
  const cases: [number, string][] = [
    [0, '0 B'],
    [1, '1 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1234, '1.23 kB'],
    [9_994, '9.99 kB'],
    [9_995, '10.0 kB'],
    [99_950, '100 kB'],
    [999_499, '999 kB'],
    [999_500, '1.00 MB'],
    [365_000_000, '365 MB'],
    [5e9, '5.00 GB'],
    [2.5e15, '2.50 PB'],
    [2.5e19, '25000 PB'],
  ];
  expect(cases.map(([size]) => formatBytes(size))).toEqual(cases.map(([, text]) => text));
});

test('durations and countdowns', () => {
  expect([0, 440, 9_949, 9_950, 42_000, 59_700, 187_000, 7_387_000].map(formatDuration)).toEqual([
    '0.0 s',
    '0.4 s',
    '9.9 s',
    '10 s',
    '42 s',
    '1:00',
    '3:07',
    '2:03:07',
  ]);
  expect([0, 7, 187, 7_387].map(formatClock)).toEqual(['0:00', '0:07', '3:07', '2:03:07']);
});

test('a share says all or nothing only when it is', () => {
  expect([-1, 0, 0.00001, 0.123, 0.99999, 1, 2].map(formatShare)).toEqual([
    '0 %',
    '0 %',
    '0.1 %',
    '12.3 %',
    '99.9 %',
    '100 %',
    '100 %',
  ]);
});

test('ages, times, counts and ids', () => {
  const now = Date.parse('2024-05-01T12:00:00.000Z');
  const ago = (seconds: number): string => formatAge(new Date(now - seconds * 1000).toISOString(), now);
  expect([-5, 0, 1, 59, 60, 7_300, 86_400, 15 * 86_400, 800 * 86_400].map(ago)).toEqual([
    'just now',
    'just now',
    '1 second ago',
    '59 seconds ago',
    '1 minute ago',
    '2 hours ago',
    '1 day ago',
    '2 weeks ago',
    '2 years ago',
  ]);
  expect(formatTime('2024-05-01T12:03:04.567Z')).toMatch(/^2024-0[45]-\d\d \d\d:\d\d:04$/);
  expect([formatCount(1, 'pack'), formatCount(0, 'pack'), formatCount(2, 'index', 'indexes')]).toEqual([
    '1 pack',
    '0 packs',
    '2 indexes',
  ]);
  expect(shortId(`sha256:${'ab'.repeat(32)}`)).toBe('abababababab');
});
