import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  applyKeepRules,
  type KeepRules,
  matchesReference,
  validateKeepRules,
} from '../../src/operations/retention.js';

/** Times newest first; the answer as `index: reasons`. */
function kept(times: string[], rules: KeepRules): string[] {
  const reasons = applyKeepRules(
    times.map((time) => new Date(time).toISOString()),
    rules,
  );
  return reasons.flatMap((list, i) => (list.length > 0 ? [`${i}: ${list.join(', ')}`] : []));
}

describe('keep rules', () => {
  const zone = process.env.TZ;
  beforeEach(() => {
    process.env.TZ = 'Europe/Berlin';
  });
  afterEach(() => {
    if (zone === undefined) delete process.env.TZ;
    else process.env.TZ = zone;
  });

  it.each<[name: string, times: string[], rules: KeepRules, expected: string[]]>([
    [
      'last',
      ['2024-03-03T10:00', '2024-03-02T10:00', '2024-03-01T10:00'],
      { last: 2 },
      ['0: last', '1: last'],
    ],
    [
      'the newest of each day',
      [
        '2024-03-03T22:00',
        '2024-03-03T10:00',
        '2024-03-02T23:59',
        '2024-03-02T00:00',
        '2024-03-01T12:00',
        '2024-02-01T12:00',
      ],
      { daily: 2 },
      ['0: daily', '2: daily'],
    ],
    [
      'a day without a version does not count',
      ['2024-03-30T10:00', '2024-03-20T10:00', '2024-03-10T10:00', '2024-03-01T10:00'],
      { daily: 3 },
      ['0: daily', '1: daily', '2: daily'],
    ],
    [
      'days end at local midnight, not at that of UTC',
      ['2024-07-01T22:30:00Z', '2024-07-01T21:30:00Z', '2024-06-01T00:00:00Z'],
      { daily: 2 },
      ['0: daily', '1: daily'],
    ],
    [
      'the hour that summer time leaves out is no hour',
      ['2024-03-31T03:10', '2024-03-31T01:50', '2024-03-31T01:10', '2024-03-30T01:10'],
      { hourly: 2 },
      ['0: hourly', '1: hourly'],
    ],
    [
      'the hour that winter time repeats is one hour of the clock',
      ['2024-10-27T01:30:00Z', '2024-10-27T00:30:00Z', '2024-10-26T23:30:00Z', '2024-10-20T00:00:00Z'],
      { hourly: 2 },
      ['0: hourly', '2: hourly'],
    ],
    [
      'a day of 25 hours is one day',
      ['2024-10-27T23:30', '2024-10-27T00:30', '2024-10-26T23:30', '2024-10-01T00:00'],
      { daily: 2 },
      ['0: daily', '2: daily'],
    ],
    [
      'ISO weeks reach over the end of the year',
      // Wednesday and Monday of 2025-W01, Sunday of 2024-W52.
      ['2025-01-01T10:00', '2024-12-30T10:00', '2024-12-29T10:00', '2024-12-01T10:00'],
      { weekly: 2 },
      ['0: weekly', '2: weekly'],
    ],
    [
      'a year with 53 weeks',
      // Friday of 2020-W53, Sunday of 2020-W52.
      ['2021-01-04T10:00', '2021-01-01T10:00', '2020-12-28T10:00', '2020-12-27T10:00', '2020-01-01T10:00'],
      { weekly: 3 },
      ['0: weekly', '1: weekly', '3: weekly'],
    ],
    [
      'months of different years are different',
      ['2024-03-01T10:00', '2023-03-31T10:00', '2023-03-01T10:00', '2022-01-01T10:00'],
      { monthly: 2 },
      ['0: monthly', '1: monthly'],
    ],
    [
      'the year changes at local midnight',
      ['2023-12-31T23:30:00Z', '2023-12-31T22:30:00Z', '2021-01-01T00:00:00Z'],
      { yearly: 2 },
      ['0: yearly', '1: yearly'],
    ],
    [
      'what is left of a number keeps the oldest',
      ['2024-03-03T10:00', '2024-03-02T10:00', '2024-03-01T10:00'],
      { yearly: 5 },
      ['0: yearly', '2: yearly (oldest)'],
    ],
    [
      'rules add up',
      ['2024-03-03T12:00', '2024-03-03T10:00', '2024-02-03T10:00', '2023-02-03T10:00'],
      { last: 1, daily: 1, monthly: 2 },
      ['0: last, daily, monthly', '2: monthly'],
    ],
    [
      'within counts from the newest version',
      ['2020-03-31T12:00', '2020-03-01T12:00', '2020-02-29T12:00', '2020-02-29T11:59'],
      { within: '1m2d' },
      ['0: within 1m2d', '1: within 1m2d', '2: within 1m2d'],
    ],
    [
      'within hours',
      ['2024-03-31T04:00', '2024-03-31T01:00', '2024-03-31T00:59'],
      { within: '2h' },
      ['0: within 2h', '1: within 2h'],
    ],
    ['nothing to keep from', [], { last: 1, within: '1d' }, []],
  ])('%s', (_name, times, rules, expected) => {
    expect(kept(times, rules)).toEqual(expected);
  });

  it.each<[KeepRules, RegExp]>([
    [{}, /keep no version/],
    [{ last: 0, daily: 0 }, /keep no version/],
    [{ last: -1 }, /whole number/],
    [{ last: 1.5 }, /whole number/],
    [{ last: Number.NaN }, /whole number/],
    [{ within: '' }, /no duration/],
    [{ within: '3x' }, /no duration/],
    [{ within: '1d1y' }, /no duration/],
  ])('refuses %j', (rules, message) => {
    expect(() => validateKeepRules(rules)).toThrow(
      expect.objectContaining({ code: 'USAGE', message: expect.stringMatching(message) }),
    );
  });

  it.each([
    ['app:1.0', undefined, true],
    ['app:1.0', [], true],
    ['app:1.0', ['app'], true],
    ['app:1.0', ['app:1.*'], true],
    ['app:2.0', ['app:1.*'], false],
    ['host:5000/app:1.0', ['host:5000/app'], true],
    ['host:5000/app:1.0', ['host:5000/*'], true],
    ['team/app:1.0', ['*/app'], true],
    ['app:1.0', ['ap'], false],
    ['app:1', ['app:1*1'], false],
    ['app:a-b-c', ['app:*a*b*c'], true],
    ['app:1.0', ['other', 'app:1.0'], true],
  ])('%s matches %j: %s', (reference, patterns, expected) => {
    expect(matchesReference(reference, patterns)).toBe(expected);
  });
});
