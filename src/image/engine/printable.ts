const MAX_CHARS = 2000;

/** Foreign text made fit for an error message: control characters become spaces, the length is bounded. */
export function printable(text: string): string {
  // Terminal escapes of a hostile engine must not reach the user's terminal.
  const clean = text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
  return clean.length > MAX_CHARS ? `${clean.slice(0, MAX_CHARS)}…` : clean;
}
