import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ScratchImage } from '../support/engines.js';
import { noise } from '../support/tar-builder.js';

/** Compiles a program that needs nothing of its image but itself: it prints the file `/release`. */
export function staticProgram(): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'dbup-static-'));
  try {
    const source = `#include <stdio.h>
int main(void) {
  char text[64];
  FILE *file = fopen("/release", "r");
  if (!file) return 1;
  size_t length = fread(text, 1, sizeof text, file);
  fwrite(text, 1, length, stdout);
  return 0;
}
`;
    writeFileSync(join(directory, 'show.c'), source);
    const made = spawnSync('gcc', ['-O1', '-static', '-s', '-o', 'show', 'show.c'], {
      cwd: directory,
      encoding: 'utf8',
    });
    if (made.status !== 0) throw new Error(`gcc: ${made.error?.message ?? made.stderr}`);
    return readFileSync(join(directory, 'show'));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * Release `n` of an application: two layers that all releases share, and two of its own. No directories: the
 * builder would give them the time of the build, and no layer would be the same twice.
 */
export function releaseImage(program: Uint8Array, release: number): ScratchImage {
  return {
    layers: [
      { show: program },
      { shared: noise(81, 400_000) },
      { code: noise(90 + release, 120_000), same: noise(82, 80_000) },
      { release: `release ${release}\n` },
    ],
    instructions: [`ENV RELEASE=${release}`, 'LABEL maker=dbup', 'CMD ["/show"]'],
  };
}
