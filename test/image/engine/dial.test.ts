import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseEndpoint, type TlsMaterial } from '../../../src/image/engine/endpoint.js';
import { EngineClient } from '../../../src/image/engine/engine-client.js';

let dir: string;
let pem: { cert: Uint8Array; key: Uint8Array };
let otherCa: Uint8Array;
let secure: Server;
let plain: Server;
let seen: {
  url: string | undefined;
  host: string | undefined;
  authorization: string | undefined;
  client: boolean;
};

function makeCertificate(name: string): { cert: Uint8Array; key: Uint8Array } {
  const [cert, key] = [join(dir, `${name}.cert`), join(dir, `${name}.key`)];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
      .concat(['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'])
      .concat(['-keyout', key, '-out', cert]),
    { stdio: 'ignore' },
  );
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

const answer: RequestListener = (request, response) => {
  const socket = request.socket as Partial<TLSSocket>;
  seen = {
    url: request.url,
    host: request.headers.host,
    authorization: request.headers.authorization,
    client: socket.authorized === true,
  };
  response.end(JSON.stringify({ ApiVersion: '1.41', Version: '20.10' }));
};

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'dbup-dial-'));
  pem = makeCertificate('engine');
  otherCa = makeCertificate('other').cert;
  const material = { cert: Buffer.from(pem.cert), key: Buffer.from(pem.key), ca: Buffer.from(pem.cert) };
  secure = createHttpsServer({ ...material, requestCert: true, rejectUnauthorized: false }, answer);
  plain = createHttpServer(answer);
  for (const server of [secure, plain]) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
});

afterAll(() => {
  secure.close();
  plain.close();
  rmSync(dir, { recursive: true, force: true });
});

const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function askTls(host: string, tls: Partial<TlsMaterial>): Promise<void> {
  const material = { ca: null, cert: null, key: null, verify: true, ...tls };
  const endpoint = parseEndpoint(`tcp://${host}:${portOf(secure)}`, 'DOCKER_HOST', { tls: material });
  using client = new EngineClient(endpoint);
  await client.version();
}

describe('TLS to an engine', () => {
  it.each(['localhost', '127.0.0.1'])(
    'is accepted from %s with the authority that was given',
    async (host) => {
      await askTls(host, { ca: pem.cert });
      expect(seen.client).toBe(false);
    },
  );

  it('shows the client certificate', async () => {
    await askTls('127.0.0.1', { ca: pem.cert, cert: pem.cert, key: pem.key });
    expect(seen.client).toBe(true);
  });

  it('is refused when another authority signed, or none that the system knows', async () => {
    await expect(askTls('127.0.0.1', { ca: otherCa })).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' });
    await expect(askTls('127.0.0.1', {})).rejects.toMatchObject({ code: 'ENGINE_UNREACHABLE' });
  });

  it('is not checked when the user said so', async () => {
    await askTls('127.0.0.1', { ca: otherCa, verify: false });
    expect(seen.url).toBe('/version');
  });
});

describe('an engine behind a proxy', () => {
  it('is asked below the path of its address, with the password of its address', async () => {
    const address = `http://user:p%40ss@127.0.0.1:${portOf(plain)}/engines/a/`;
    using client = new EngineClient(parseEndpoint(address, '--host'));
    await client.version();
    expect(seen).toEqual({
      url: '/engines/a/version',
      host: `127.0.0.1:${portOf(plain)}`,
      authorization: `Basic ${btoa('user:p@ss')}`,
      client: false,
    });
  });
});

describe('ssh that fails', () => {
  it('is quoted', async () => {
    const path = process.env.PATH;
    process.env.PATH = dir;
    try {
      using client = new EngineClient(parseEndpoint('ssh://me@elsewhere', 'DOCKER_HOST'));
      await expect(client.version()).rejects.toMatchObject({
        code: 'ENGINE_UNREACHABLE',
        message: expect.stringContaining('ssh cannot be started') as string,
      });
    } finally {
      process.env.PATH = path;
    }
  });
});
