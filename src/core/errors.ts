/**
 * The process exit codes of `dbup`, in one table. `dbup help exit-codes` prints it,
 * and nothing else in the code base spells a number.
 */
export const EXIT_CODES = {
  ok: { code: 0, meaning: 'success' },
  failure: { code: 1, meaning: 'the operation failed' },
  usage: { code: 2, meaning: 'the command line was not understood' },
  partial: { code: 3, meaning: 'some of the images were done, others failed' },
  damage: { code: 4, meaning: 'damage was found in the pool' },
  environment: { code: 5, meaning: 'the engine, the disk or a permission stood in the way' },
  noPool: { code: 10, meaning: 'there is no pool at that place' },
  locked: { code: 11, meaning: 'the pool is in use by another process' },
  notFound: { code: 12, meaning: 'no such image, version or file' },
  incomplete: { code: 13, meaning: 'the pool lacks content this snapshot needs: sync again' },
  interrupted: { code: 130, meaning: 'interrupted (Ctrl-C)' },
} as const;

export type ExitKind = keyof typeof EXIT_CODES;

/** Every error code dbup raises, and the exit code it ends with. `docs/errors.md` explains each. */
export const ERROR_CODES = {
  USAGE: 'usage',
  REFERENCE_INVALID: 'usage',
  NO_POOL: 'noPool',
  POOL_NOT_A_DIRECTORY: 'environment',
  POOL_FORMAT_UNSUPPORTED: 'environment',
  POOL_LOCKED: 'locked',
  POOL_INCOMPLETE: 'incomplete',
  POOL_DAMAGED: 'damage',
  SNAPSHOT_NOT_FOUND: 'notFound',
  SNAPSHOT_AMBIGUOUS: 'usage',
  INPUT_NOT_FOUND: 'notFound',
  INPUT_NOT_AN_IMAGE: 'failure',
  INPUT_TRUNCATED: 'failure',
  INPUT_INVALID: 'failure',
  INPUT_TOO_LARGE: 'failure',
  INPUT_CHANGED: 'failure',
  DIGEST_MISMATCH: 'failure',
  OUTPUT_EXISTS: 'failure',
  ENGINE_UNREACHABLE: 'environment',
  ENGINE_ERROR: 'environment',
  ENGINE_IMAGE_NOT_FOUND: 'notFound',
  ENGINE_IMAGE_DIFFERS: 'failure',
  DISK_FULL: 'environment',
  PERMISSION_DENIED: 'environment',
  IO_ERROR: 'environment',
  PARTIAL: 'partial',
  INTERRUPTED: 'interrupted',
  INTERNAL: 'failure',
} as const satisfies Record<string, ExitKind>;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface DbupErrorOptions {
  /** What the user can do next, one sentence. */
  hint?: string;
  /** Machine-readable facts (paths, digests, sizes); printed by `--json`. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** The one error class of dbup: a closed code, what is wrong and where, and what to do next. */
export class DbupError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown>;

  constructor(code: ErrorCode, message: string, options: DbupErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DbupError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details ?? {};
  }

  get exitCode(): number {
    return EXIT_CODES[ERROR_CODES[this.code]].code;
  }
}

/** True for a Node system error (one with a `code` such as `ENOENT`). */
export function isSystemError(error: unknown, code?: string): error is NodeJS.ErrnoException {
  if (!(error instanceof Error)) return false;
  const actual = (error as NodeJS.ErrnoException).code;
  return typeof actual === 'string' && (code === undefined || actual === code);
}

/**
 * Upgrades a system error to a {@link DbupError} that says what dbup was doing.
 * A `DbupError` passes through untouched: an error is upgraded once, never re-wrapped.
 */
export function toDbupError(error: unknown, doing: string): DbupError {
  if (error instanceof DbupError) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new DbupError('INTERRUPTED', 'interrupted', { cause: error });
  }
  if (isSystemError(error)) {
    const details = { path: error.path, syscall: error.syscall, errno: error.code };
    switch (error.code) {
      case 'ENOSPC':
      case 'EDQUOT':
        return new DbupError('DISK_FULL', `no space left while ${doing}`, {
          hint: 'Free some space (`dbup gc` reclaims what no snapshot needs) and run the same command again: what was stored is reused.',
          details,
          cause: error,
        });
      case 'EACCES':
      case 'EPERM':
      case 'EROFS':
        return new DbupError('PERMISSION_DENIED', `not permitted while ${doing}: ${error.message}`, {
          hint: 'Check the owner and the mode of that path, or choose another pool with --pool.',
          details,
          cause: error,
        });
      case 'ENOENT':
        return new DbupError('INPUT_NOT_FOUND', `not found while ${doing}: ${error.path ?? error.message}`, {
          details,
          cause: error,
        });
      default:
        return new DbupError('IO_ERROR', `${error.message} while ${doing}`, { details, cause: error });
    }
  }
  const message = error instanceof Error ? error.message : String(error);
  return new DbupError('INTERNAL', `unexpected error while ${doing}: ${message}`, {
    hint: 'This is a defect of dbup. Run again with DBUP_DEBUG=1 for the stack and report it.',
    cause: error,
  });
}
