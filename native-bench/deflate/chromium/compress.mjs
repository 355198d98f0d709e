// Compresses cases from standard input, or a file (LEVEL MEMLEVEL PATH), with the zlib of the Node that runs it, as old
// as Node 14: of each case u32 level, memLevel, bytes, writes; the bytes; the sizes of the writes.
import { createReadStream, readFileSync } from 'node:fs';
import zlib from 'node:zlib';

const [level, memLevel, path] = process.argv.slice(2);
if (path !== undefined) {
  const deflate = zlib.createDeflateRaw({ level: Number(level), memLevel: Number(memLevel) });
  createReadStream(path).pipe(deflate).pipe(process.stdout);
} else {
  const input = readFileSync(0);
  for (let at = 0; at < input.length; ) {
    const numbers = [0, 4, 8, 12].map((offset) => input.readUInt32LE(at + offset));
    at += 16;
    const plain = input.subarray(at, at + numbers[2]);
    at += numbers[2];
    const steps = Array.from({ length: numbers[3] }, (_, i) => input.readUInt32LE(at + 4 * i));
    at += 4 * numbers[3];
    const stream = await compress(plain, steps, { level: numbers[0], memLevel: numbers[1] });
    const head = Buffer.alloc(4);
    head.writeUInt32LE(stream.length);
    process.stdout.write(head);
    process.stdout.write(stream);
  }
}

function compress(plain, steps, options) {
  const deflate = zlib.createDeflateRaw(options);
  const pieces = [];
  deflate.on('data', (piece) => pieces.push(piece));
  let done = 0;
  for (const step of steps) {
    deflate.write(plain.subarray(done, done + step));
    done += step;
  }
  deflate.end();
  return new Promise((resolve, reject) => {
    deflate.on('end', () => resolve(Buffer.concat(pieces)));
    deflate.on('error', reject);
  });
}
