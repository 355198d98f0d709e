import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Paths of the modules that carry compiled kernels. */
export function generatedModules(): string[] {
  const sources = fileURLToPath(new URL('../../src/', import.meta.url));
  return readdirSync(sources, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('-wasm.generated.ts'))
    .sort()
    .map((path) => join(sources, path));
}
