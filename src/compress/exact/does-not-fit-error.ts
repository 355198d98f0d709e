/** Thrown when what a recipe says of a stream cannot be: no writer wrote this. */
export class DoesNotFitError extends RangeError {
  /** Tells it after a thread border too, where classes do not survive. */
  static readonly code = 'DOES_NOT_FIT';
  readonly code = DoesNotFitError.code;
}
