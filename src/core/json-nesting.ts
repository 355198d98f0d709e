const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * True when objects and arrays of a JSON text (UTF-8) lie inside one another deeper than `mostDepth`. To be asked before
 * JSON.parse, to which 16 MiB of brackets cost two seconds and 700 MiB of memory, and which then gives a value that
 * nothing recursive can go through. Bytes of multi-byte characters are all ≥ 0x80: none is taken for a bracket or a quote.
 */
export function isNestedDeeper(bytes: Uint8Array, mostDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === 0x5b || byte === 0x7b) {
      depth++;
      if (depth > mostDepth) return true;
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--;
    }
  }
  return false;
}
