import { createHash } from 'node:crypto';
import { closeSync, createReadStream, openSync, readSync, statSync, writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

/**
 * Packs ready layer tars into an archive as `docker save` (25 and later) writes it. The same layers, tag and
 * settings give the same bytes. No engine is needed.
 */
const BLOCK_BYTES = 512;
const CREATED = '2024-01-01T00:00:00Z';

/**
 * @param {{ out: string, tag: string, layers: string[], architecture: string, cmd: string[], env?: string[], workingDir?: string }} image
 * @returns {Promise<{ imageId: string, sizeBytes: number }>}
 */
export async function packImage(image) {
  const layers = [];
  for (const path of image.layers) {
    layers.push({ path, sizeBytes: statSync(path).size, digest: await sha256File(path) });
  }
  const config = json({
    architecture: image.architecture,
    config: { Cmd: image.cmd, Env: image.env ?? [], WorkingDir: image.workingDir ?? '/' },
    created: CREATED,
    history: layers.map((_, index) => ({ created: CREATED, created_by: `layer ${index + 1}` })),
    os: 'linux',
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
  });
  const configDigest = sha256(config);
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: `sha256:${configDigest}`,
      size: config.length,
    },
    layers: layers.map(({ digest, sizeBytes }) => ({
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
      digest: `sha256:${digest}`,
      size: sizeBytes,
    })),
  });
  const manifestDigest = sha256(manifest);
  const index = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: `sha256:${manifestDigest}`,
        size: manifest.length,
        annotations: {
          'io.containerd.image.name': `docker.io/library/${image.tag}`,
          'org.opencontainers.image.ref.name': image.tag.slice(image.tag.lastIndexOf(':') + 1),
        },
      },
    ],
  });
  const dockerManifest = json([
    {
      Config: `blobs/sha256/${configDigest}`,
      RepoTags: [image.tag],
      Layers: layers.map(({ digest }) => `blobs/sha256/${digest}`),
    },
  ]);
  const blobs = new Map(layers.map(({ digest, path, sizeBytes }) => [digest, { path, sizeBytes }]));
  blobs.set(configDigest, { bytes: config });
  blobs.set(manifestDigest, { bytes: manifest });
  const file = openSync(image.out, 'w');
  try {
    writeSync(file, header('blobs/', 0, '5'));
    writeSync(file, header('blobs/sha256/', 0, '5'));
    for (const digest of [...blobs.keys()].sort()) {
      writeMember(file, `blobs/sha256/${digest}`, blobs.get(digest));
    }
    writeMember(file, 'index.json', { bytes: index });
    writeMember(file, 'manifest.json', { bytes: dockerManifest });
    writeMember(file, 'oci-layout', { bytes: json({ imageLayoutVersion: '1.0.0' }) });
    writeSync(file, Buffer.alloc(2 * BLOCK_BYTES));
  } finally {
    closeSync(file);
  }
  return { imageId: `sha256:${configDigest}`, sizeBytes: statSync(image.out).size };
}

function writeMember(file, name, { bytes, path, sizeBytes = bytes.length }) {
  writeSync(file, header(name, sizeBytes, '0'));
  if (bytes) writeSync(file, bytes);
  else copyInto(file, path);
  writeSync(file, Buffer.alloc((BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES));
}

function copyInto(file, path) {
  const from = openSync(path, 'r');
  const buffer = Buffer.alloc(1 << 20);
  try {
    for (let count = readSync(from, buffer); count > 0; count = readSync(from, buffer)) {
      writeSync(file, buffer, 0, count);
    }
  } finally {
    closeSync(from);
  }
}

function header(name, sizeBytes, type) {
  const block = Buffer.alloc(BLOCK_BYTES);
  const octal = (value, digits) => value.toString(8).padStart(digits, '0');
  block.write(name, 0, 'utf8');
  block.write(octal(type === '5' ? 0o755 : 0o644, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(sizeBytes, 11), 124);
  block.write(octal(Date.parse(CREATED) / 1000, 11), 136);
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${octal(sum, 6)}\0 `, 148);
  return block;
}

function json(value) {
  return Buffer.from(JSON.stringify(value));
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

async function sha256File(path) {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece);
  return hash.digest('hex');
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: 'string' }, tag: { type: 'string' }, cmd: { type: 'string' } },
  });
  if (!values.out || !values.tag || positionals.length === 0) {
    console.error('usage: pack-image.mjs --out FILE --tag NAME:TAG [--cmd "WORD WORD"] LAYER.tar…');
    process.exit(2);
  }
  const packed = await packImage({
    out: values.out,
    tag: values.tag,
    layers: positionals,
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    cmd: (values.cmd ?? '/bin/sh').split(' '),
  });
  console.log(`${values.tag} ${packed.imageId} ${packed.sizeBytes}`);
}
