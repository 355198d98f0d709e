import type { PoolFiles } from './hand-made-pool.js';

/**
 * The files a Markdown document shows: under a line that is only a file name in bold and backticks, ```json and
 * ```text blocks are the bytes of the file, ```hexdump blocks a dump of it as `hexdump -C` writes it, with `*`
 * for lines equal to the one before. A file's blocks belong together, whatever text stands between them.
 */
export function filesInDocument(markdown: string): PoolFiles {
  const files = new Map<string, Uint8Array>();
  let name: string | null = null;
  const lines = markdown.split('\n');
  for (let i = 0; i < lines.length; i++) {
    name = /^\*\*`([^`]+)`\*\*$/.exec(lines[i]!)?.[1] ?? name;
    const kind = /^```(json|hexdump)$/.exec(lines[i]!)?.[1];
    if (kind === undefined || name === null) continue;
    const end = lines.indexOf('```', i);
    const block = lines.slice(i + 1, end);
    const before = files.get(name) ?? new Uint8Array(0);
    const bytes = kind === 'json' ? Buffer.from(`${block.join('\n')}\n`) : parseDump(block, before.length);
    files.set(name, Buffer.concat([before, bytes]));
    i = end;
  }
  return files;
}

function parseDump(lines: readonly string[], startsAt: number): Uint8Array {
  const bytes: number[] = [];
  let repeat = false;
  for (const line of lines) {
    if (line === '*') {
      repeat = true;
      continue;
    }
    const [, offset, hex] = /^([0-9a-f]{8})((?: +[0-9a-f]{2})*)(?: +\|.*\|)?$/.exec(line) ?? [];
    if (offset === undefined) throw new Error(`not a line of a hex dump: ${line}`);
    const at = Number.parseInt(offset, 16) - startsAt;
    while (repeat && bytes.length < at) bytes.push(...bytes.slice(-16));
    repeat = false;
    if (bytes.length !== at) throw new Error(`the dump has ${bytes.length} bytes before ${offset}`);
    for (const pair of hex!.trim().split(/ +/)) if (pair !== '') bytes.push(Number.parseInt(pair, 16));
  }
  return Uint8Array.from(bytes);
}

/** Lines as `hexdump -C` writes them, for bytes that begin at `startsAt` of a file; without the closing offset. */
export function dump(bytes: Uint8Array, startsAt: number): string[] {
  const lines: string[] = [];
  let last = '';
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.subarray(at, at + 16);
    const hex = [...row].map((byte) => byte.toString(16).padStart(2, '0'));
    const text = [...row]
      .map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.'))
      .join('');
    const isLast = at + 16 >= bytes.length;
    if (hex.join('') === last && !isLast) {
      if (lines.at(-1) !== '*') lines.push('*');
      continue;
    }
    last = hex.join('');
    const columns = `${hex.slice(0, 8).join(' ')}  ${hex.slice(8).join(' ')}`.padEnd(48);
    lines.push(`${(startsAt + at).toString(16).padStart(8, '0')}  ${columns}  |${text}|`);
  }
  return lines;
}
