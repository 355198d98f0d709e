import { DbupError } from '../../core/errors.js';

/** Key material of a TLS connection to an engine, as PEM bytes; `null` where none was given. */
export interface TlsMaterial {
  /** `null` trusts the system's authorities. */
  ca: Uint8Array | null;
  cert: Uint8Array | null;
  key: Uint8Array | null;
  /** False when the user asked not to check the engine's certificate. */
  verify: boolean;
}

export type EngineTransport =
  | { type: 'unix'; path: string }
  | {
      type: 'tcp';
      host: string;
      port: number;
      tls: TlsMaterial | null;
      /** Prefix of every request path, without a trailing slash; usually empty. */
      basePath: string;
      /** Value of the `Authorization` header, from the URL's user and password. Never printed. */
      authorization: string | null;
    }
  | {
      type: 'ssh';
      host: string;
      user: string | null;
      port: number | null;
      /** The engine's socket on the other host; `null` leaves the choice to the remote client. */
      socketPath: string | null;
      /** The command on the other host that joins its stdio to the engine. */
      remoteClient: 'docker' | 'podman';
      identityFile: string | null;
    };

/** Where an engine is, and who said so. */
export interface EngineEndpoint {
  transport: EngineTransport;
  /** For error messages: `DOCKER_HOST=unix:///run/docker.sock`. Holds no password. */
  origin: string;
  /** Places looked at before settling on this one; empty when the user named the engine. */
  tried: readonly string[];
}

/** What a URL alone does not say about an endpoint. */
export interface EndpointExtras {
  tls?: TlsMaterial | null;
  remoteClient?: 'docker' | 'podman';
  identityFile?: string | null;
}

const MAX_HOST_URL_CHARS = 4096;

/** The address without its password, safe to print. */
export function redactHost(host: string): string {
  if (/^(unix:\/\/|\/)/i.test(host)) return shorten(host);
  // Greedy up to the last '@' anywhere, not only in the authority: a badly escaped password may hold '/', '#' or '@'.
  let password = '';
  const withoutPassword = host.replace(
    /^([a-z][a-z0-9+.-]*:\/\/)?(.*)@/is,
    (_all, scheme = '', userinfo = '') => {
      const colon = String(userinfo).indexOf(':');
      if (colon === -1) return `${scheme}${userinfo}@`;
      password = String(userinfo).slice(colon + 1);
      return `${scheme}${String(userinfo).slice(0, colon)}:***@`;
    },
  );
  // An address that was pasted twice has it twice.
  const nowhere = password === '' ? withoutPassword : withoutPassword.replaceAll(password, '***');
  return shorten(nowhere.replace(/[?#].*$/s, '?***'));
}

function shorten(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/**
 * Reads an engine's address: `unix://`, `tcp://`, `http://`, `https://`, `ssh://`, a bare absolute path
 * (a unix socket) or a bare `host:port` (tcp), as docker does.
 *
 * @param label who named it (`--host`, `DOCKER_HOST`); becomes the endpoint's origin.
 * @throws DbupError `USAGE` for an address that cannot be understood or whose scheme is not supported.
 */
export function parseEndpoint(host: string, label: string, extras: EndpointExtras = {}): EngineEndpoint {
  const origin = `${label}=${redactHost(host)}`;
  const invalid = (why: string, hint?: string): DbupError =>
    new DbupError('USAGE', `${origin} is not an engine address: ${why}`, {
      hint: hint ?? 'Use unix:///path/to.sock, tcp://host:port, https://host:port or ssh://user@host.',
    });
  if (host.length > MAX_HOST_URL_CHARS) throw invalid('it is too long');
  if (hasControlCharacter(host)) throw invalid('it holds a control character');
  const schemeEnd = host.indexOf('://');
  const scheme = schemeEnd === -1 ? (host.startsWith('/') ? 'unix' : 'tcp') : host.slice(0, schemeEnd);
  const rest = schemeEnd === -1 ? host : host.slice(schemeEnd + 3);
  switch (scheme.toLowerCase()) {
    case 'unix':
      if (rest === '') throw invalid('the socket path is missing');
      return { transport: { type: 'unix', path: rest }, origin, tried: [] };
    case 'tcp':
      return { transport: tcpTransport(rest, invalid, extras.tls ?? null, [2375, 2376]), origin, tried: [] };
    case 'http':
      return { transport: tcpTransport(rest, invalid, null, [80, 443]), origin, tried: [] };
    case 'https': {
      const tls = extras.tls ?? { ca: null, cert: null, key: null, verify: true };
      return { transport: tcpTransport(rest, invalid, tls, [80, 443]), origin, tried: [] };
    }
    case 'ssh':
      return { transport: sshTransport(rest, invalid, extras), origin, tried: [] };
    case 'npipe':
      throw invalid(
        'Windows named pipes are not supported',
        'Expose the engine with tcp:// or ssh://, or run dbup inside WSL where the engine has a unix socket.',
      );
    default:
      throw invalid(`the scheme ${JSON.stringify(scheme.slice(0, 20))} is not supported`);
  }
}

type Invalid = (why: string, hint?: string) => DbupError;

/** Splits `user:password@host:port/path`; an http URL serves as the carrier because its grammar is strict. */
function parseAuthority(rest: string, invalid: Invalid): URL {
  let url: URL;
  try {
    url = new URL(`http://${rest}`);
  } catch {
    // The parser's message would quote the whole address with its password.
    throw invalid('host, port or path cannot be read');
  }
  if (url.hostname === '') throw invalid('the host is missing');
  if (url.search !== '' || url.hash !== '') throw invalid('a query or fragment has no meaning here');
  return url;
}

/** The port as written: the URL parser drops ":80", the default of its carrier scheme. */
function explicitPort(rest: string): number | null {
  const authority = rest.split('/', 1)[0] ?? '';
  const match = /:(\d{1,5})$/.exec(authority);
  return match?.[1] === undefined ? null : Number(match[1]);
}

function tcpTransport(
  rest: string,
  invalid: Invalid,
  tls: TlsMaterial | null,
  [plainPort, tlsPort]: [number, number],
): EngineTransport {
  const url = parseAuthority(rest, invalid);
  return {
    type: 'tcp',
    host: bareHost(url),
    port: explicitPort(rest) ?? (tls === null ? plainPort : tlsPort),
    tls,
    basePath: url.pathname.replace(/\/+$/, ''),
    authorization: basicAuthorization(url, invalid),
  };
}

function sshTransport(rest: string, invalid: Invalid, extras: EndpointExtras): EngineTransport {
  const url = parseAuthority(rest, invalid);
  if (url.password !== '') {
    throw invalid('a password in an ssh address is not supported', 'Use an ssh key or an ssh agent.');
  }
  const user = decode(url.username, invalid);
  // ssh reads a word that begins with '-' as an option; "--" guards the host but not the value of -l.
  if (user.startsWith('-')) throw invalid('the user name begins with "-"');
  const path = decode(url.pathname, invalid);
  return {
    type: 'ssh',
    host: bareHost(url),
    user: user === '' ? null : user,
    port: explicitPort(rest),
    socketPath: path === '' || path === '/' ? null : path,
    remoteClient: extras.remoteClient ?? 'docker',
    identityFile: extras.identityFile ?? null,
  };
}

function bareHost(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

function basicAuthorization(url: URL, invalid: Invalid): string | null {
  if (url.username === '' && url.password === '') return null;
  const credentials = `${decode(url.username, invalid)}:${decode(url.password, invalid)}`;
  return `Basic ${Buffer.from(credentials, 'utf8').toString('base64')}`;
}

function decode(part: string, invalid: Invalid): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(part);
  } catch {
    throw invalid('a "%" is not followed by two hexadecimal digits');
  }
  if (hasControlCharacter(decoded)) throw invalid('it holds a control character');
  return decoded;
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
