import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('../../src', import.meta.url));

export interface SourceFile {
  /** From `src/`, with slashes. */
  path: string;
  /** Its folder under `src/`, or its own name for a file at the top. */
  room: string;
  text: string;
  imports: ImportSite[];
}

export interface ImportSite {
  specifier: string;
  /** The file it leads to, from `src/`; null for a package. */
  target: string | null;
  /** `url`: a worker's module, loaded by its address. */
  how: 'static' | 'type' | 'dynamic' | 'url';
}

const PATTERNS: [ImportSite['how'], RegExp][] = [
  ['type', /\b(?:import|export)\s+type\s[^'"]*?\bfrom\s*['"]([^'"]+)['"]/g],
  ['static', /\b(?:import|export)\s+(?!type\s)[^'"()]*?\bfrom\s*['"]([^'"]+)['"]/g],
  ['static', /^\s*import\s*['"]([^'"]+)['"]/gm],
  ['dynamic', /\bimport\s*\(\s*['"]([^'"]+)['"]\s*\)/g],
  ['dynamic', /\brequire\s*\(\s*['"]([^'"]+)['"]\s*\)/g],
  ['url', /\bnew URL\(\s*['"]([^'"]+)['"]\s*,\s*import\.meta\.url\s*\)/g],
];

/** The imports of a module's text; those in comments do not count. */
export function importsOf(path: string, text: string): ImportSite[] {
  const code = text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  return PATTERNS.flatMap(([how, pattern]) =>
    [...code.matchAll(pattern)].map(([, specifier]) => ({
      how,
      specifier: specifier!,
      target: specifier!.startsWith('.')
        ? posix.normalize(posix.join(posix.dirname(path), specifier!)).replace(/\.js$/, '.ts')
        : null,
    })),
  );
}

/** Every TypeScript file of the program, without what is generated and what the AssemblyScript compiler reads. */
export function sourceFiles(): SourceFile[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .map((path) => path.split('\\').join('/'))
    .filter((path) => path.endsWith('.ts') && !path.includes('kernels/assembly/'))
    .sort()
    .map((path) => {
      const text = readFileSync(join(SOURCE, path), 'utf8');
      return { path, room: path.split('/')[0]!, text, imports: importsOf(path, text) };
    });
}

/** The first cycle among the files, as a path that ends where it begins; null when there is none. */
export function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): string[] | null => {
    const at = trail.indexOf(file);
    if (at >= 0) return [...trail.slice(at), file];
    if (done.has(file)) return null;
    for (const next of edges.get(file) ?? []) {
      const cycle = visit(next, [...trail, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return null;
  };
  for (const file of edges.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return null;
}
