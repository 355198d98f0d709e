// Talks to an oracle program that reads many cases from standard input and writes as many streams.
import { spawn } from 'node:child_process';

/** One run of `command` on `input`; fails unless it exits with 0. */
export function runWithInput(command, args, input) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    const pieces = [];
    child.stdout.on('data', (piece) => pieces.push(piece));
    child.on('error', reject);
    child.stdin.on('error', () => {});
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(pieces));
      else reject(new Error(`${command} ended with ${code}`));
    });
    child.stdin.end(input);
  });
}

/** Little-endian u32 values as bytes. */
export function u32(...values) {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value >>> 0, 4 * i);
  return bytes;
}

/** Streams of bytes, each after its length as a u32. */
export function splitStreams(bytes) {
  const streams = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    streams.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return streams;
}
