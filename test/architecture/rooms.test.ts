import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { findCycle, importsOf, sourceFiles } from './source-files.js';

/** A room imports only from itself and from the rooms above it (ARCHITECTURE.md, "Rooms"). */
const ROOMS = [
  'core',
  'hash',
  'oci',
  'chunk',
  'stream',
  'format',
  'archive',
  'compress',
  'erasure',
  'store',
  'catalog',
  'image',
  'pool',
  'operations',
  'ui',
  'commands',
  'cli.ts',
  'index.ts',
];

/** Packages and the one room that may import each. */
const ONLY_IMPORTER: Record<string, string> = {
  'xxhash-wasm': 'hash',
  'tar-stream': 'archive',
  'better-sqlite3': 'catalog',
  commander: 'commands',
  'zstd-napi': 'compress',
  '@digitaldefiance/reed-solomon-erasure.wasm': 'erasure',
};

/** Modules of Node that a room has to itself, with those that share it. */
const ONLY_USERS: Record<string, string[]> = {
  'node:worker_threads': ['stream', 'pool'],
  'node:http': ['image'],
  'node:net': ['image'],
};

/** Rooms that do no I/O at all. */
const PURE = ['core', 'oci', 'chunk', 'format'];
const IO_MODULES = /^node:(fs|net|http|https|child_process|worker_threads|tls|dgram|readline)/;

/** Who may write to the terminal; everyone else is handed a stream. */
const TERMINAL = /\bprocess\s*\.\s*(?:stdout|stderr)\b|\bconsole\s*\.\s*\w+/;
const TERMINAL_USERS = /^(?:ui\/|cli\.ts$)/;

const MAX_LINES = 350;
const FILES = sourceFiles();

/** `better-sqlite3` of `better-sqlite3/lib/x`, `@a/b` of `@a/b/c`. */
function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function code(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}

describe('the rooms', () => {
  it('are those of the list, and each file is in one', () => {
    expect(FILES.length).toBeGreaterThan(80);
    expect(FILES.filter(({ room }) => !ROOMS.includes(room)).map(({ path }) => path)).toEqual([]);
  });

  it('import only the rooms above them', () => {
    const wrong = FILES.flatMap(({ path, room, imports }) =>
      imports
        .filter(({ target }) => target !== null)
        .filter(({ target }) => ROOMS.indexOf(target!.split('/')[0]!) > ROOMS.indexOf(room))
        .map(({ target, how }) => `${path} -> ${target} (${how})`),
    );
    expect(wrong).toEqual([]);
  });

  it('lead to files that are there', () => {
    const paths = new Set(FILES.map(({ path }) => path));
    const lost = FILES.flatMap(({ path, imports }) =>
      imports
        .filter(({ target }) => target !== null && !paths.has(target) && !target.endsWith('.generated.ts'))
        .filter(({ target }) => !existsSync(new URL(`../../src/${target}`, import.meta.url)))
        .map(({ target }) => `${path} -> ${target}`),
    );
    expect(lost).toEqual([]);
  });

  // A dynamic import runs when its file is there as a whole: a table of commands may name one that reads the table.
  it('hold no circle of imports, types included', () => {
    const edges = new Map(
      FILES.map(({ path, imports }): [string, string[]] => [
        path,
        imports
          .filter(({ target, how }) => target !== null && how !== 'url' && how !== 'dynamic')
          .map(({ target }) => target!),
      ]),
    );
    expect(findCycle(edges)).toBeNull();
  });

  it('keep each package to one room, and every package is one that package.json has', () => {
    const { dependencies } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    const wrong = FILES.flatMap(({ path, room, imports }) =>
      imports
        .filter(({ target, specifier }) => target === null && !specifier.startsWith('node:'))
        .filter(({ specifier }) => ONLY_IMPORTER[packageName(specifier)] !== room)
        .map(({ specifier }) => `${path} -> ${specifier}`),
    );
    expect(wrong).toEqual([]);
    const used = new Set(
      FILES.flatMap(({ imports }) => imports.map(({ specifier }) => packageName(specifier))),
    );
    expect(Object.keys(dependencies).filter((name) => !used.has(name))).toEqual([]);
    expect(Object.keys(ONLY_IMPORTER).sort()).toEqual(Object.keys(dependencies).sort());
  });

  it('write "node:" before the modules of Node, and keep some of them to a room', () => {
    const wrong = FILES.flatMap(({ path, room, imports }) =>
      imports
        .filter(
          ({ specifier }) =>
            (PURE.includes(room) && IO_MODULES.test(specifier)) ||
            (ONLY_USERS[specifier] && !ONLY_USERS[specifier].includes(room)),
        )
        .map(({ specifier }) => `${path} -> ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it('leave the terminal to ui', () => {
    const users = FILES.filter(({ path, text }) => !TERMINAL_USERS.test(path) && TERMINAL.test(code(text)));
    expect(users.map(({ path }) => path)).toEqual([]);
  });

  it('keep files short', () => {
    const long = FILES.map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
      .filter(({ path, lines }) => lines > MAX_LINES && !path.endsWith('.generated.ts'))
      .map(({ path, lines }) => `${path}: ${lines} lines`);
    expect(long).toEqual([]);
  });

  it('are described in ARCHITECTURE.md in this order', () => {
    const document = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8');
    const listed = [...document.matchAll(/^\| `([a-z]+\/|cli\.ts|index\.ts)` \|/gm)].map(([, name]) =>
      name!.replace('/', ''),
    );
    expect(listed).toEqual(ROOMS);
  });
});

describe('ARCHITECTURE.md', () => {
  it('names files that are there', () => {
    const document = readFileSync(new URL('../../ARCHITECTURE.md', import.meta.url), 'utf8');
    const named = [...document.matchAll(/`((?:[a-z0-9-]+\/)+[a-z0-9.-]*)`/g)].map(([, path]) => path!);
    expect(named.length).toBeGreaterThan(40);
    const isThere = (path: string) =>
      ['../../', '../../src/'].some((base) => existsSync(new URL(`${base}${path}`, import.meta.url)));
    expect(named.filter((path) => !isThere(path))).toEqual([]);
  });
});

describe('the test itself', () => {
  it('sees imports of every form', () => {
    const text = [
      "import { a } from './a.js';",
      "import type { B } from '../core/b.js';",
      "import {\n  c,\n  type D,\n} from '../hash/c.js';",
      "export { e } from './e.js';",
      "export * from './f.js';",
      "import './g.js';",
      "const h = await import('./h.js');",
      "let i: import('./i.js').I;",
      "new Worker(new URL('./j.js', import.meta.url));",
      "import k from 'k';",
      "/** import { no } from './no.js'; */",
      "// import { no } from './no.js';",
    ].join('\n');
    const found = importsOf('pool/x.ts', text).map(({ target, specifier }) => target ?? specifier);
    const files = ['a', 'e', 'f', 'g', 'h', 'i', 'j'].map((name) => `pool/${name}.ts`);
    expect(found.sort()).toEqual([...files, 'core/b.ts', 'hash/c.ts', 'k'].sort());
  });

  it('finds circles', () => {
    const edges = (text: string) =>
      new Map(text.split(' ').map((pair): [string, string[]] => [pair[0]!, [...pair.slice(1)]]));
    expect(findCycle(edges('ab bc c'))).toBeNull();
    expect(findCycle(edges('abc bd cd d'))).toBeNull();
    expect(findCycle(edges('ab bc cdb d'))).toEqual(['b', 'c', 'b']);
  });
});
