#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { main } from './commands/program.js';
import { Output } from './ui/output.js';

/** What is allocated in quantity lies outside the heap: a young generation that grows would take 10 MB for nothing. */
function keepYoungGenerationSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

// Old generations are of 5 to 15 MB. Left to themselves they double before they are collected, which takes some 10 ms.
setFlagsFromString('--heap-growing-percent=10');
keepYoungGenerationSmall();
// Each new thread sets the flag back for all of them.
process.on('worker', (worker) => worker.once('online', keepYoungGenerationSmall));
const output = new Output(process.stdout, process.stderr, process.env);
const code = await main(process.argv.slice(2), output, {
  on: (signal, listener) => process.on(signal, listener),
  off: (signal, listener) => process.off(signal, listener),
  exit: (exitCode) => process.exit(exitCode),
});
// Everything written has been handed over. A pipe still open on standard input must not keep the process.
process.exit(code);
