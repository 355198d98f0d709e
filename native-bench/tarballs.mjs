// Saves gzip files as layers of OCI layouts with the command line, loads them again and compares every byte; prints how each
// is held.
//
//   node native-bench/tarballs.mjs [--each 25] [--verify] FILE...
//
// Wanted: a build of dbup in dist/. `--each` says how many files make an image; `--verify` has the pool verified too.
// Exits with 1 when a file does not come back as it was.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';

const DBUP = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const { values: options, positionals: paths } = parseArgs({
  options: { each: { type: 'string', default: '25' }, verify: { type: 'boolean', default: false } },
  allowPositionals: true,
});
if (paths.length === 0) throw new Error('which files?');

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const room = mkdtempSync(join(tmpdir(), 'dbup-tarballs-'));
const dbup = (...words) =>
  execFileSync(
    process.execPath,
    [DBUP, '--pool', join(room, 'pool'), '--cache-dir', join(room, 'cache'), ...words],
    {
      encoding: 'utf8',
      maxBuffer: 64 << 20,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );

/** An OCI layout whose layers are the files. */
function writeLayout(directory, files) {
  mkdirSync(join(directory, 'blobs/sha256'), { recursive: true });
  const put = (mediaType, bytes) => {
    writeFileSync(join(directory, 'blobs/sha256', sha256(bytes)), bytes);
    return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.length };
  };
  const layers = files.map(({ bytes }) => put('application/vnd.oci.image.layer.v1.tar+gzip', bytes));
  const diffIds = files.map(({ bytes }) => `sha256:${sha256(gunzipSync(bytes))}`);
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType,
    config: put('application/vnd.oci.image.config.v1+json', Buffer.from(JSON.stringify(config))),
    layers,
  };
  const root = put(mediaType, Buffer.from(JSON.stringify(manifest)));
  const named = { ...root, annotations: { 'org.opencontainers.image.ref.name': 'tarballs' } };
  writeFileSync(join(directory, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }));
}

const totals = new Map();
let wrong = 0;
try {
  for (let at = 0; at < paths.length; at += Number(options.each)) {
    const files = paths
      .slice(at, at + Number(options.each))
      .map((path) => ({ name: basename(path), bytes: readFileSync(path) }));
    const reference = `tarballs:${at}`;
    const [input, output] = [join(room, `in-${at}`), join(room, `out-${at}`)];
    writeLayout(input, files);
    dbup('save', '-q', `oci:${input}`, '--as', reference);
    const layers = JSON.parse(dbup('show', '--json', reference)).images[0].layers;
    dbup('load', '-q', reference, '-o', `oci:${output}`);
    for (const { name, bytes } of files) {
      const digest = `sha256:${sha256(bytes)}`;
      const {
        form,
        encoder = '-',
        correctionBytes = 0,
        reason,
      } = layers.find((layer) => layer.digest === digest);
      const isSame = readFileSync(join(output, 'blobs/sha256', sha256(bytes))).equals(bytes);
      if (!isSame) wrong++;
      totals.set(form, (totals.get(form) ?? 0) + 1);
      const share = ((100 * correctionBytes) / bytes.length).toFixed(2);
      const note = form === 'corrected' ? `${share} %` : form === 'verbatim' ? reason : '';
      console.log(
        `${isSame ? 'same' : 'WRONG'}  ${form.padEnd(9)}  ${encoder.padEnd(22)}  ${bytes.length}  ${name}  ${note}`,
      );
    }
    rmSync(input, { recursive: true });
    rmSync(output, { recursive: true });
  }
  if (options.verify) dbup('verify', '-q', '--read-data');
} finally {
  rmSync(room, { recursive: true, force: true });
}
const open = (totals.get('exact') ?? 0) + (totals.get('corrected') ?? 0);
console.log([...totals].map(([form, count]) => `${count} ${form}`).join(', '));
console.log(
  `${paths.length} files, ${wrong} wrong; exact or corrected: ${((100 * open) / paths.length).toFixed(1)} %`,
);
process.exitCode = wrong > 0 ? 1 : 0;
