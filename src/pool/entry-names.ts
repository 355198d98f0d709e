/** Between the name of an archive and that of a file in it. */
export const ENTRY_SEPARATOR = '!/';

/** What bases are looked for by, for a file in an archive; a gzip file is its own. */
export function entryName(fileName: string, name: string): string {
  return name === '' ? fileName : fileName + ENTRY_SEPARATOR + name;
}

/** The same for a file's frames. No file has such a name. */
export function framesName(fileName: string): string {
  return `${fileName}!`;
}
