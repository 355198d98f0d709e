// Puts what the command line loads into a few files, dist/bundle/, and has dist/cli.js start from there: a process that
// loads 160 modules takes 60 ms longer to begin. The modules themselves stay in dist/, for the library and the tests.
//
//   node tools/bundle-cli.mjs        after tsc; part of `npm run build`
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const dist = fileURLToPath(new URL('../dist/', import.meta.url));
const bundle = join(dist, 'bundle');

rmSync(bundle, { recursive: true, force: true });
// A worker is found beside the module that starts it, in the bundle as in its room.
const workers = readdirSync(dist, { recursive: true })
  .filter((path) => path.endsWith('-worker.js'))
  .map((path) => join(dist, path));
const output = await rolldown({
  input: Object.fromEntries([join(dist, 'cli.js'), ...workers].map((path) => [basename(path, '.js'), path])),
  platform: 'node',
  // They find their native parts from where they lie.
  external: [/^node:/, 'better-sqlite3', /^zstd-napi/],
});
await output.write({
  dir: bundle,
  format: 'esm',
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
});
await output.close();
writeFileSync(join(dist, 'cli.js'), "#!/usr/bin/env node\nimport './bundle/cli.js';\n");
