import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { DbupError, isSystemError, toDbupError } from '../../core/errors.js';
import { LIMITS } from '../../core/limits.js';
import { type EngineEndpoint, parseEndpoint, type TlsMaterial } from './endpoint.js';

/**
 * The `currentContext` of docker's `config.json`, or null when the file or the field is missing.
 *
 * @throws DbupError `INPUT_INVALID` when the file is not JSON, `INPUT_TOO_LARGE`, `PERMISSION_DENIED`.
 */
export function currentContext(configDir: string): string | null {
  const path = join(configDir, 'config.json');
  const config = readJsonObject(path);
  const name = config?.currentContext;
  return typeof name === 'string' && name !== '' ? name : null;
}

/**
 * The endpoint of a docker context, from docker's context store below `configDir`:
 * `contexts/meta/<sha256 of the name>/meta.json` and `contexts/tls/<the same>/docker/*.pem`.
 *
 * @param label who named the context (`--context`, `DOCKER_CONTEXT`, the config file).
 * @throws DbupError `USAGE` when there is no such context or it names no docker endpoint.
 */
export function contextEndpoint(configDir: string, name: string, label: string): EngineEndpoint {
  const id = createHash('sha256').update(name, 'utf8').digest('hex');
  const metaPath = join(configDir, 'contexts', 'meta', id, 'meta.json');
  const shownName = JSON.stringify(name.slice(0, 200));
  const meta = readJsonObject(metaPath);
  if (meta === null) {
    throw new DbupError('USAGE', `there is no docker context ${shownName} (${label})`, {
      hint: 'List the contexts with `docker context ls`.',
      details: { path: metaPath },
    });
  }
  const docker = asObject(asObject(meta.Endpoints)?.docker);
  if (typeof docker?.Host !== 'string' || docker.Host === '') {
    throw new DbupError('USAGE', `the docker context ${shownName} (${label}) names no docker endpoint`, {
      hint: 'Look at it with `docker context inspect`.',
      details: { path: metaPath },
    });
  }
  const tlsDir = join(configDir, 'contexts', 'tls', id, 'docker');
  const tls = readTlsMaterial(tlsDir, docker.SkipTLSVerify !== true);
  const hasMaterial = tls.ca !== null || tls.cert !== null;
  return parseEndpoint(docker.Host, `${label}, context ${shownName}, host`, {
    tls: hasMaterial || !tls.verify ? tls : null,
  });
}

/**
 * `ca.pem`, `cert.pem` and `key.pem` of a directory; each may be missing, but not one half of the pair.
 *
 * @throws DbupError `USAGE` when only one of certificate and key is there.
 */
export function readTlsMaterial(dir: string, verify: boolean): TlsMaterial {
  const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map((name) => readBounded(join(dir, name)));
  if (((cert ?? null) === null) !== ((key ?? null) === null)) {
    throw new DbupError('USAGE', `${dir} holds only one of cert.pem and key.pem`, {
      hint: 'A client certificate needs both.',
    });
  }
  return { ca: ca ?? null, cert: cert ?? null, key: key ?? null, verify };
}

function readJsonObject(path: string): Record<string, unknown> | null {
  const bytes = readBounded(path);
  if (bytes === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    value = null;
  }
  const object = asObject(value);
  if (object === null) {
    throw new DbupError('INPUT_INVALID', `${path} is not a JSON object`, {
      hint: 'Repair the file, or name the engine with --host.',
    });
  }
  return object;
}

/** The file's bytes, or null when there is no such file. */
function readBounded(path: string): Uint8Array | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if (isSystemError(error, 'ENOENT') || isSystemError(error, 'ENOTDIR')) return null;
    throw toDbupError(error, `reading ${path}`);
  }
  try {
    const sizeBytes = fstatSync(fd).size;
    if (sizeBytes > LIMITS.engineConfigBytes) {
      throw new DbupError('INPUT_TOO_LARGE', `${path} has ${sizeBytes} bytes`, {
        hint: `At most ${LIMITS.engineConfigBytes} are read.`,
      });
    }
    const bytes = new Uint8Array(sizeBytes);
    let filled = 0;
    while (filled < sizeBytes) {
      const count = readSync(fd, bytes, filled, sizeBytes - filled, filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  } catch (error) {
    throw toDbupError(error, `reading ${path}`);
  } finally {
    closeSync(fd);
  }
}

function asObject(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}
