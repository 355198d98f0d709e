import { DoesNotFitError } from '../compress/exact/does-not-fit-error.js';
import { DbupError, toDbupError } from '../core/errors.js';
import { UnknownEncoderError } from '../format/encoder-spec.js';

/** Why `what`, which encoders make again in another thread, cannot be made: what that thread answered. */
export function cannotMakeAgain(what: string, error: unknown): DbupError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === UnknownEncoderError.code) {
    return new DbupError('POOL_FORMAT_UNSUPPORTED', `${what} cannot be made again: ${message}`, {
      hint: 'Update dbup on this machine to the version that wrote the pool.',
      cause: error,
    });
  }
  if (code === DoesNotFitError.code) {
    return new DbupError('POOL_DAMAGED', `${what} cannot be made again: ${message}`, {
      hint: 'Nothing of it was accepted. Run `dbup verify`, then `dbup repair --from OTHER_POOL`.',
      cause: error,
    });
  }
  return toDbupError(error, `making ${what} again`);
}
