import { DbupError } from '../core/errors.js';

/** How many versions to keep by each rule; a version that any rule keeps stays. */
export interface KeepRules {
  last?: number;
  hourly?: number;
  daily?: number;
  weekly?: number;
  monthly?: number;
  yearly?: number;
  /** A duration such as `30d`, `1y6m`, `12h`, counted back from the newest version of the reference. */
  within?: string;
  /** Patterns of the references concerned: `app:1.*`; without a colon they are matched with the repository. Default: all. */
  references?: string[];
}

/** The rules that count, in the order in which reasons are given. */
const COUNTED = ['last', 'hourly', 'daily', 'weekly', 'monthly', 'yearly'] as const;
type CountedRule = (typeof COUNTED)[number];

const WITHIN_PATTERN = /^(?:(\d{1,4})y)?(?:(\d{1,4})m)?(?:(\d{1,4})w)?(?:(\d{1,5})d)?(?:(\d{1,6})h)?$/;

/**
 * Checks rules before anything is planned with them.
 * @throws DbupError USAGE for a bad number or duration, or when they would keep nothing
 */
export function validateKeepRules(rules: KeepRules): void {
  for (const rule of COUNTED) {
    const count = rules[rule];
    if (count !== undefined && (!Number.isSafeInteger(count) || count < 0)) {
      throw new DbupError('USAGE', `--keep-${rule} wants a whole number, not ${count}`);
    }
  }
  if (rules.within !== undefined) parseWithin(rules.within);
  if (rules.within !== undefined || COUNTED.some((rule) => (rules[rule] ?? 0) > 0)) return;
  throw new DbupError('USAGE', 'these rules would keep no version at all', {
    hint: 'Give at least one --keep-… rule above 0. To remove a reference whole, `dbup rm REFERENCE`.',
  });
}

/**
 * Says which versions of one reference stay, and why, as restic and borg do it: each rule goes from the newest
 * to the oldest and keeps the newest version of each hour, day, ISO week, month or year (in this process's time
 * zone) that has one, until it has kept its number. A rule that has some of its number left when it reaches the
 * oldest version keeps that too, so that the history reaches as far back as it can.
 * @param createdAt times of the versions, ISO 8601, the newest first
 * @returns the reasons of each version, none for one that goes
 */
export function applyKeepRules(createdAt: readonly string[], rules: KeepRules): string[][] {
  const times = createdAt.map((text) => new Date(text));
  const reasons = times.map((): string[] => []);
  for (const rule of COUNTED) {
    let left = rules[rule] ?? 0;
    let lastPeriod: string | null = null;
    for (let i = 0; i < times.length && left > 0; i++) {
      const period = rule === 'last' ? String(i) : periodOf(rule, times[i]!);
      const isNew = period !== lastPeriod;
      if (!isNew && i < times.length - 1) continue;
      reasons[i]!.push(isNew ? rule : `${rule} (oldest)`);
      lastPeriod = period;
      left--;
    }
  }
  if (rules.within !== undefined && times.length > 0) {
    const since = before(times[0]!, parseWithin(rules.within));
    times.forEach((time, i) => {
      if (time >= since) reasons[i]!.push(`within ${rules.within}`);
    });
  }
  return reasons;
}

/** True when no pattern is given or one of them fits. `*` stands for any run of characters. */
export function matchesReference(reference: string, patterns: readonly string[] | undefined): boolean {
  if (patterns === undefined || patterns.length === 0) return true;
  const repository = reference.slice(0, reference.lastIndexOf(':'));
  return patterns.some((pattern) => {
    const hasTag = pattern.lastIndexOf(':') > pattern.lastIndexOf('/');
    return matchesPattern(hasTag ? reference : repository, pattern);
  });
}

/** Pieces between the stars, each sought where the one before it ended: linear, whatever the pattern. */
function matchesPattern(text: string, pattern: string): boolean {
  const pieces = pattern.split('*');
  if (pieces.length === 1) return text === pattern;
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  if (!text.startsWith(first) || text.length < first.length + last.length || !text.endsWith(last))
    return false;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return at <= text.length - last.length;
}

function periodOf(rule: Exclude<CountedRule, 'last'>, time: Date): string {
  const year = time.getFullYear();
  const month = `${year}-${time.getMonth() + 1}`;
  switch (rule) {
    case 'hourly':
      return `${month}-${time.getDate()} ${time.getHours()}`;
    case 'daily':
      return `${month}-${time.getDate()}`;
    case 'weekly':
      return isoWeekOf(time);
    case 'monthly':
      return month;
    case 'yearly':
      return String(year);
  }
}

/** The week of ISO 8601: it begins on Monday and belongs to the year that has its Thursday. */
function isoWeekOf(time: Date): string {
  const weekday = (time.getDay() + 6) % 7;
  const thursday = new Date(Date.UTC(time.getFullYear(), time.getMonth(), time.getDate() - weekday + 3));
  const year = thursday.getUTCFullYear();
  const dayOfYear = (thursday.getTime() - Date.UTC(year, 0, 1)) / (24 * 3600 * 1000);
  return `${year}-W${Math.floor(dayOfYear / 7) + 1}`;
}

interface Within {
  years: number;
  months: number;
  days: number;
  hours: number;
}

function parseWithin(text: string): Within {
  const match = WITHIN_PATTERN.exec(text);
  if (!match || text === '') {
    throw new DbupError('USAGE', `"${text}" is no duration`, {
      hint: 'Write years, months, weeks, days and hours in this order: 30d, 1y6m, 2w, 12h.',
    });
  }
  const [years, months, weeks, days, hours] = match.slice(1).map((digits) => Number(digits ?? 0));
  return { years: years!, months: months!, days: weeks! * 7 + days!, hours: hours! };
}

/** Years, months and days are those of the calendar in this time zone; hours are of 3,600 seconds. */
function before(time: Date, { years, months, days, hours }: Within): Date {
  const earlier = new Date(time);
  earlier.setFullYear(earlier.getFullYear() - years, earlier.getMonth() - months, earlier.getDate() - days);
  return new Date(earlier.getTime() - hours * 3600 * 1000);
}
