import { DbupError, type ExitKind } from '../core/errors.js';
import { printable } from '../image/engine/printable.js';
import type { CheckProgress, Finding, VerifyOptions, VerifyResult } from '../operations/findings.js';
import { formatBytes, formatCount } from '../ui/format-units.js';
import { defineCommand, type Outcome } from './command.js';
import { durationMs, invalidValue } from './values.js';

interface VerifyFlags {
  /** Text is a reference that stood behind the option. */
  readData?: true | number | string;
  maxDuration?: number;
}

const IMAGES_SHOWN = 10;

export const verifyCommand = defineCommand<VerifyFlags, VerifyOptions>({
  name: 'verify',
  summary: 'check the pool, or one version, and say what is damaged or missing',
  details: [
    'Without options: that every file is what its name says by size and footer, and that every version has all it',
    'needs. With --read-data every byte is read and every blob rebuilt; --read-data=10% reads a tenth of the packs,',
    'chosen anew each time; --max-duration reads the packs and parity files that were checked least recently, for so long,',
    'and remembers which, on this machine, also when it is interrupted. Changes nothing. Exit code 4: damage was found; 13: content is missing.',
  ].join(' '),
  arguments: [{ name: '[ref]', does: 'only what this version needs', completes: 'reference' }],
  options: [
    {
      flags: '--read-data [N%]',
      does: 'read and check every byte, or this part of the packs',
      parse: parsePercent,
    },
    {
      flags: '--max-duration <time>',
      does: 'read data for so long (10m, 1h30m, 90s), what was checked least recently first',
      parse: durationMs,
    },
  ],
  examples: [
    { command: 'dbup verify', does: 'the structure, in seconds' },
    { command: 'dbup verify --read-data', does: 'every byte' },
    {
      command: 'dbup verify --max-duration 10m',
      does: 'ten minutes a night: goes on where the last run ended',
    },
    { command: 'dbup verify --read-data app:1.0', does: 'every byte of one version' },
  ],
  access: 'read',
  despiteDescriptor: true,
  parse: parseRequest,
  async run(options, { pool, context }): Promise<Outcome> {
    const { verify } = await import('../operations/verify.js');
    const result = await verify(pool, options, context);
    const lines = linesOf(result);
    return {
      json: result,
      lines,
      quietLines: result.findings.length > 0 ? lines : [],
      exit: verdictExit(result),
    };
  },
});

/**
 * `--read-data app:1.0` reads as an option with a value to the command line's grammar; a value that is no
 * percentage is the reference. It is kept as text until then.
 */
function parsePercent(text: string): number | string {
  const match = /^([0-9]{1,3}(?:\.[0-9]{1,6})?)%?$/.exec(text);
  return match ? Number(match[1]) : text;
}

function parseRequest(args: readonly string[], flags: VerifyFlags): VerifyOptions {
  const { maxDuration: maxDurationMs } = flags;
  const { readData = maxDurationMs !== undefined } = flags;
  if (maxDurationMs !== undefined) {
    if (readData === true && args.length === 0) return { readData, maxDurationMs };
    throw new DbupError('USAGE', '--max-duration is for the data of the whole pool', {
      hint: 'Write `dbup verify --max-duration 10m`, without a version or a percentage.',
    });
  }
  if (typeof readData === 'string') {
    if (args.length > 0 || readData.endsWith('%'))
      throw invalidValue('--read-data', readData, 'a percentage such as 10%');
    return { readData: true, address: readData };
  }
  if (typeof readData === 'number' && !(readData > 0 && readData <= 100)) {
    throw new DbupError('USAGE', `--read-data=${readData}% is not a part of the packs`, {
      hint: 'Give more than 0 % and at most 100 %.',
    });
  }
  const address = args[0];
  return { readData, ...(address !== undefined && { address }) };
}

/** Damage weighs more than incompleteness: a sync does not heal it. */
export function verdictExit({ damaged, incomplete }: { damaged: boolean; incomplete: boolean }): ExitKind {
  return damaged ? 'damage' : incomplete ? 'incomplete' : 'ok';
}

function linesOf(result: VerifyResult): string[] {
  const read = result.packsRead > 0 ? `, ${formatBytes(result.bytesRead)} read and checked` : '';
  const checked = `${formatCount(result.snapshotsChecked, 'version')} and ${formatCount(result.packsChecked, 'pack')} checked${read}`;
  const lines = findingLines(result.findings);
  lines.push(`${verdict(result)}: ${checked}`);
  if (result.checked) lines.push(progressLine(result.checked));
  if (result.imagesHit.length > 0)
    lines.push(
      'versions that cannot be loaded:',
      ...result.imagesHit.map((image) => `  ${printable(image)}`),
    );
  if (result.damaged) lines.push('`dbup repair --from OTHER_POOL` takes what is damaged from another copy.');
  else if (result.incomplete)
    lines.push('Sync the pool again from where it is whole, or use `dbup repair --from OTHER_POOL`.');
  return lines;
}

/** What was ever read and checked on this machine. */
function progressLine({ files, filesRead, neverChecked, oldestCheckedAt }: CheckProgress): string {
  const oldest = oldestCheckedAt === null ? '' : `; the oldest check is of ${oldestCheckedAt}`;
  const never = neverChecked > 0 ? `; ${neverChecked} never checked` : '';
  return `${filesRead} of ${formatCount(files, 'file')} read${never}${oldest}`;
}

function verdict({ damaged, incomplete }: VerifyResult): string {
  return damaged ? 'DAMAGED' : incomplete ? 'INCOMPLETE' : 'sound';
}

/** One line a finding. */
export function findingLines(findings: readonly Finding[]): string[] {
  return findings.map(({ kind, severity, file, message, images }) => {
    const where = file === undefined ? '' : `${printable(file)}: `;
    const more = images.length - IMAGES_SHOWN;
    const hit =
      images.length === 0
        ? ''
        : `; hits ${images.slice(0, IMAGES_SHOWN).map(printable).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
    return `${severity}: ${kind}: ${where}${printable(message)}${hit}`;
  });
}
