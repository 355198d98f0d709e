import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Takes a bare clone to a built dbup: `npm ci` where the dependencies are missing or not those of the lock file.
 * Native modules are compiled against the headers that came with this Node where they are there, so that
 * nothing is fetched but packages. Does nothing when all is in place, but builds again with --build.
 */
const root = fileURLToPath(new URL('..', import.meta.url));

if (!installed()) {
  console.error(
    'installing the dependencies and building dbup; this compiles two native modules and takes a few minutes',
  );
  const ended = spawnSync('npm', ['ci'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...headers() },
  });
  if (ended.status !== 0) {
    console.error(
      'npm ci failed. Compiling needs python3, make and g++ (Debian: apt-get install python3 make g++).',
    );
    process.exit(1);
  }
} else if (process.argv.includes('--build')) {
  const ended = spawnSync('npm', ['run', 'build'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (ended.status !== 0) process.exit(1);
}

/** What npm noted at its last install is what the lock file asks for. */
function installed() {
  try {
    const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
    const present = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')).packages;
    return Object.entries(wanted).every(
      ([path, { version, optional }]) => path === '' || optional || present[path]?.version === version,
    );
  } catch (error) {
    if (error.code === 'ENOENT') return false;
    throw error;
  }
}

function headers() {
  const prefix = dirname(dirname(process.execPath));
  const present = existsSync(join(prefix, 'include/node/node_version.h'));
  return present && !process.env.npm_config_nodedir ? { npm_config_nodedir: prefix } : {};
}
