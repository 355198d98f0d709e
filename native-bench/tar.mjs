import { closeSync, openSync, readSync, writeSync } from 'node:fs';

/** The little of the tar format that the measuring scripts need: ustar members, and a tar whose mtimes are changed. */
export const BLOCK_BYTES = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const WITHOUT_MTIME = 'LKxg';

/** Splits a path for the fields prefix and name; null when it is too long for a ustar header. */
export function splitName(path) {
  if (Buffer.byteLength(path) <= NAME_BYTES) return { prefix: '', name: path };
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (Buffer.byteLength(name) <= NAME_BYTES) {
      return Buffer.byteLength(prefix) <= PREFIX_BYTES ? { prefix, name } : null;
    }
  }
  return null;
}

export function tarHeader(path, sizeBytes, mtimeSeconds, { type = '0', mode = 0o644 } = {}) {
  const split = splitName(path);
  if (!split) throw new Error(`${path}: too long for a tar header`);
  const block = Buffer.alloc(BLOCK_BYTES);
  block.write(split.name, 0);
  writeOctal(block, 100, 8, mode);
  writeOctal(block, 108, 8, 0);
  writeOctal(block, 116, 8, 0);
  writeOctal(block, 124, 12, sizeBytes);
  writeOctal(block, 136, 12, mtimeSeconds);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  block.write(split.prefix, 345);
  writeChecksum(block);
  return block;
}

/** The zeros that fill a member's last block. */
export function tarPadding(sizeBytes) {
  return Buffer.alloc((BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);
}

export const tarEnd = () => Buffer.alloc(2 * BLOCK_BYTES);

/** Copies a tar, setting the mtime of every member; contents and all else stay. */
export function touchTar(from, to, mtimeSeconds) {
  const source = openSync(from, 'r');
  const target = openSync(to, 'w');
  const block = Buffer.alloc(BLOCK_BYTES);
  const buffer = Buffer.alloc(1 << 20);
  try {
    while (readSync(source, block) === BLOCK_BYTES) {
      const sizeBytes = parseSize(block);
      if (block[0] !== 0 && !WITHOUT_MTIME.includes(String.fromCharCode(block[156]))) {
        writeOctal(block, 136, 12, mtimeSeconds);
        writeChecksum(block);
      }
      writeSync(target, block);
      copy(source, target, Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES, buffer);
    }
  } finally {
    closeSync(source);
    closeSync(target);
  }
}

function parseSize(block) {
  if (block[0] === 0) return 0;
  if (block[124] & 0x80) throw new Error('a member of 8 GiB or more: not understood here');
  return Number.parseInt(block.toString('latin1', 124, 135), 8) || 0;
}

function copy(source, target, bytes, buffer) {
  for (let left = bytes; left > 0; ) {
    const count = readSync(source, buffer, 0, Math.min(left, buffer.length), null);
    if (count === 0) throw new Error('the tar ends within a member');
    writeSync(target, buffer, 0, count);
    left -= count;
  }
}

function writeOctal(block, at, length, value) {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at);
}

function writeChecksum(block) {
  block.write('        ', 148);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
}
