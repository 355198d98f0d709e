import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { CHUNKER_WASM_BASE64, CHUNKER_WASM_SHA256 } from '../../src/chunk/kernels/chunker-wasm.generated.js';

const BUILD = fileURLToPath(new URL('../../src/chunk/kernels/build.mjs', import.meta.url));
const GENERATED = fileURLToPath(
  new URL('../../src/chunk/kernels/chunker-wasm.generated.ts', import.meta.url),
);

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'dbup-kernel-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function buildInto(name: string): string {
  const path = join(directory, name);
  execFileSync(process.execPath, [BUILD, '--output', path], { cwd: directory });
  return readFileSync(path, 'utf8');
}

it('is reproducible, and the module in use is its newest output', { timeout: 60_000 }, () => {
  const first = buildInto('first.ts');
  expect(buildInto('second.ts')).toBe(first);
  expect(readFileSync(GENERATED, 'utf8')).toBe(first);
});

it('states the digest of the bytes it carries', () => {
  const bytes = Buffer.from(CHUNKER_WASM_BASE64, 'base64');
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(CHUNKER_WASM_SHA256);
});
