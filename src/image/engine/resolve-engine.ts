import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DbupError } from '../../core/errors.js';
import { contextEndpoint, currentContext, readTlsMaterial } from './docker-contexts.js';
import { type EngineEndpoint, parseEndpoint, type TlsMaterial } from './endpoint.js';

export interface ResolveEngineOptions {
  /** Value of `--host`. */
  host?: string;
  /** Value of `--context`. */
  context?: string;
  env: NodeJS.ProcessEnv;
  homeDir: string;
  /** Whether a socket is there; replaced in tests. */
  exists?: (path: string) => boolean;
}

const DOCKER_SOCKET = '/var/run/docker.sock';

/**
 * Finds the engine as the docker client would, then as podman would. The first of these that is set wins:
 * `--host`, `--context`, `DOCKER_HOST`, `DOCKER_CONTEXT`, `currentContext` of docker's configuration,
 * `CONTAINER_HOST`, and then the first socket that exists: docker's, the user's podman, the system's podman.
 * Whether anything answers there is found out on first use.
 *
 * @throws DbupError `USAGE` for conflicting flags, an address or a context that cannot be used;
 *   what {@link contextEndpoint} throws.
 */
export function resolveEngine(options: ResolveEngineOptions): EngineEndpoint {
  const { env } = options;
  const configDir = nonEmpty(env.DOCKER_CONFIG) ?? join(options.homeDir, '.docker');
  const flagHost = nonEmpty(options.host);
  const flagContext = nonEmpty(options.context);
  if (flagHost !== undefined && flagContext !== undefined) {
    throw new DbupError('USAGE', '--host and --context both name an engine', { hint: 'Give one of them.' });
  }
  if (flagHost !== undefined) return dockerEndpoint(flagHost, '--host', env, configDir);
  // The context "default" stands for "no context": docker then looks at the environment and its own socket.
  if (flagContext !== undefined && flagContext !== 'default') {
    return contextEndpoint(configDir, flagContext, '--context');
  }
  const envHost = nonEmpty(env.DOCKER_HOST);
  if (envHost !== undefined) return dockerEndpoint(envHost, 'DOCKER_HOST', env, configDir);
  if (flagContext === undefined) {
    const endpoint = configuredContext(env, configDir);
    if (endpoint !== null) return endpoint;
  }
  const containerHost = nonEmpty(env.CONTAINER_HOST);
  if (containerHost !== undefined) {
    return parseEndpoint(containerHost, 'CONTAINER_HOST', {
      remoteClient: 'podman',
      identityFile: nonEmpty(env.CONTAINER_SSHKEY) ?? null,
    });
  }
  return localSocket(env, options.exists ?? existsSync);
}

function configuredContext(env: NodeJS.ProcessEnv, configDir: string): EngineEndpoint | null {
  const fromEnv = nonEmpty(env.DOCKER_CONTEXT);
  const name = fromEnv ?? currentContext(configDir);
  if (name === null || name === 'default') return null;
  return contextEndpoint(
    configDir,
    name,
    fromEnv === undefined ? join(configDir, 'config.json') : 'DOCKER_CONTEXT',
  );
}

function localSocket(env: NodeJS.ProcessEnv, exists: (path: string) => boolean): EngineEndpoint {
  const runtimeDir = nonEmpty(env.XDG_RUNTIME_DIR);
  const candidates = [
    DOCKER_SOCKET,
    ...(runtimeDir === undefined ? [] : [join(runtimeDir, 'podman', 'podman.sock')]),
    '/run/podman/podman.sock',
  ];
  const found = candidates.find((path) => exists(path));
  return {
    transport: { type: 'unix', path: found ?? DOCKER_SOCKET },
    origin: `unix://${found ?? DOCKER_SOCKET}`,
    tried: candidates,
  };
}

function dockerEndpoint(
  host: string,
  label: string,
  env: NodeJS.ProcessEnv,
  configDir: string,
): EngineEndpoint {
  const overNetwork = !/^(\/|(unix|ssh|http|npipe):)/i.test(host);
  return parseEndpoint(host, label, { tls: overNetwork ? tlsFromEnv(env, configDir) : null });
}

/** docker's rule: any value of DOCKER_TLS_VERIFY, "0" too, means TLS with verification. */
function tlsFromEnv(env: NodeJS.ProcessEnv, configDir: string): TlsMaterial | null {
  const verify = nonEmpty(env.DOCKER_TLS_VERIFY) !== undefined;
  if (!verify && nonEmpty(env.DOCKER_TLS) === undefined) return null;
  const certPath = nonEmpty(env.DOCKER_CERT_PATH);
  const tls = readTlsMaterial(certPath ?? configDir, verify);
  if (certPath !== undefined && verify && tls.ca === null) {
    throw new DbupError('USAGE', `DOCKER_CERT_PATH=${certPath} holds no ca.pem`, {
      hint: 'Point it at the directory with ca.pem, cert.pem and key.pem, or unset it to trust the system authorities.',
    });
  }
  return tls;
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === undefined || value === '' ? undefined : value;
}
