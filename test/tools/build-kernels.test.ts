import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generatedModules } from './generated-modules.js';

const TOOL = fileURLToPath(new URL('../../tools/build-kernels.mjs', import.meta.url));
const SUFFIX = '-wasm.generated.ts';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'dbup-kernel-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function buildAnew(name: string): string {
  const path = join(directory, `${name}.ts`);
  execFileSync(process.execPath, [TOOL, '--only', name, '--output', path], { cwd: directory });
  return readFileSync(path, 'utf8');
}

describe.each(generatedModules().map((path) => [basename(path, SUFFIX), path]))('kernel %s', (name, path) => {
  it('is reproducible, and the module in use is its newest output', { timeout: 180_000 }, () => {
    expect(buildAnew(name)).toBe(readFileSync(path, 'utf8'));
  });

  it('states the digest of the bytes it carries', () => {
    const text = readFileSync(path, 'utf8');
    const stated = /_WASM_SHA256 = '(\w+)'/.exec(text)?.[1];
    const base64 = /_WASM_BASE64 =\s+'([^']+)'/.exec(text)?.[1];
    expect(createHash('sha256').update(Buffer.from(base64!, 'base64')).digest('hex')).toBe(stated);
  });
});
