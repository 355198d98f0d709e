// Runs programs that compress standard input to gzip, one run a case, and takes their raw deflate stream out of it.
import { runWithInput } from './batch-process.mjs';

const HEADER_BYTES = 10;
const TRAILER_BYTES = 8;
/** Two programs at a time: starting one takes longer than it runs. */
const AT_ONCE = 2;

/** The streams of `cases`; `commandOf(variant)` is [program, arguments] and must make a gzip header without a name. */
export async function compressByCommand(cases, commandOf) {
  const streams = new Array(cases.length);
  let next = 0;
  const work = async () => {
    for (let i = next++; i < cases.length; i = next++) {
      const [program, args] = commandOf(cases[i].variant);
      const gzip = await runWithInput(program, args, cases[i].plain);
      streams[i] = gzip.subarray(HEADER_BYTES, gzip.length - TRAILER_BYTES);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return streams;
}

/** The command whose output is the raw stream of a file. */
export function rawFileCommand([program, args], path) {
  return [
    'bash',
    [
      '-c',
      `"$0" "$@" < '${path}' | tail -c +${HEADER_BYTES + 1} | head -c -${TRAILER_BYTES}`,
      program,
      ...args,
    ],
  ];
}
