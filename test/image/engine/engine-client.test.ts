import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createRawServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DbupError } from '../../../src/core/errors.js';
import { connectionError } from '../../../src/image/engine/dial.js';
import { parseEndpoint } from '../../../src/image/engine/endpoint.js';
import { EngineClient, knownPrefixLength } from '../../../src/image/engine/engine-client.js';
import { resolveEngine } from '../../../src/image/engine/resolve-engine.js';

// A real engine cannot be told to misbehave; these servers are told how.
let dir: string;
let socketPath: string;
let servers: Server[];
let sockets: Set<Socket>;
let client: EngineClient;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'dbup-engine-'));
  socketPath = join(dir, 'e.sock');
  servers = [];
  sockets = new Set();
  client = new EngineClient(parseEndpoint(socketPath, '--host'));
});

afterEach(async () => {
  client.close();
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  await rm(dir, { recursive: true, force: true });
});

const VERSION = { ApiVersion: '1.41', MinAPIVersion: '1.12', Version: '20.10', Components: [] };

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves `/version` well, and everything else as told. */
async function serve(handler: Handler, version: unknown = VERSION): Promise<void> {
  const server = createServer((request, response) => {
    if (request.url === '/version') response.end(JSON.stringify(version));
    else handler(request, response);
  });
  await listen(server);
}

async function listen(server: Server): Promise<void> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  servers.push(server);
  server.listen(socketPath);
  await once(server, 'listening');
}

async function errorOf(run: Promise<unknown>): Promise<DbupError> {
  const error = await run.then(
    () => new Error('no error'),
    (reason: unknown) => reason,
  );
  if (error instanceof DbupError) return error;
  throw error;
}

async function drain(source: AsyncIterable<Uint8Array>): Promise<number> {
  let sizeBytes = 0;
  for await (const piece of source) sizeBytes += piece.length;
  return sizeBytes;
}

it('does not parse an answer of brackets', async () => {
  await serve((_, response) => response.end('['.repeat(100_000)));
  const error = await errorOf(client.inspectImage('app:1'));
  expect(error.code).toBe('ENGINE_ERROR');
  expect(error.message).toContain('nested deeper');
});

describe('an engine that cannot be reached', () => {
  it('is reported with everything that was tried', async () => {
    const endpoint = resolveEngine({ env: {}, homeDir: dir, exists: () => false });
    const transport = { type: 'unix' as const, path: socketPath };
    using lost = new EngineClient({ ...endpoint, transport });
    const error = await errorOf(lost.version());
    expect(error.code).toBe('ENGINE_UNREACHABLE');
    expect(error.message).toContain(`there is no socket ${socketPath}`);
    expect(error.hint).toContain('Looked for /var/run/docker.sock, /run/podman/podman.sock.');
  });

  it('is reported when nothing listens', async () => {
    using lost = new EngineClient(parseEndpoint('tcp://user:hidden@127.0.0.1:1', 'DOCKER_HOST'));
    const error = await errorOf(lost.version());
    expect(error.code).toBe('ENGINE_UNREACHABLE');
    expect(error.message).toContain('DOCKER_HOST=tcp://user:***@127.0.0.1:1');
    expect(JSON.stringify([error.message, error.hint, error.details, String(error.cause)])).not.toContain(
      'hidden',
    );
  });

  it.skipIf(process.getuid?.() !== 0)('is a matter of permission for another user', async () => {
    await serve((_request, response) => response.end());
    await chmod(dir, 0o755);
    await chmod(socketPath, 0o600);
    process.seteuid?.(65534);
    let error: DbupError;
    try {
      error = await errorOf(client.version());
    } finally {
      process.seteuid?.(0);
    }
    expect(error.code).toBe('PERMISSION_DENIED');
    expect(error.hint).toContain('docker group');
  });

  it.each([
    ['EACCES', 'PERMISSION_DENIED'],
    ['ETIMEDOUT', 'ENGINE_UNREACHABLE'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ENGINE_UNREACHABLE'],
    ['ECONNRESET', 'ENGINE_ERROR'],
    ['HPE_INVALID_CONSTANT', 'ENGINE_ERROR'],
  ])('%s becomes %s', (code, expected) => {
    const cause = Object.assign(new Error('why'), { code });
    expect(connectionError(client.endpoint, cause).code).toBe(expected);
  });

  it('is not waited for without end', async () => {
    await listen(createRawServer(() => {}));
    using patient = new EngineClient(client.endpoint, { answerTimeoutMs: 50 });
    expect((await errorOf(patient.version())).message).toContain('no answer within 50 ms');
  });

  it('may be something else entirely', async () => {
    await listen(createRawServer((socket) => socket.end('SSH-2.0-OpenSSH\r\n')));
    expect((await errorOf(client.version())).message).toContain('does not speak HTTP');
  });
});

describe('questions', () => {
  it.each([
    [{ ...VERSION, ApiVersion: '1.52', MinAPIVersion: '1.44' }, '1.44'],
    [{ ...VERSION, ApiVersion: '1.52' }, '1.41'],
    [{ ...VERSION, ApiVersion: '1.9', MinAPIVersion: '1.5' }, '1.9'],
  ])('settle the API version inside the range of the engine', async (version, spoken) => {
    const urls: Array<string | undefined> = [];
    await serve((request, response) => {
      urls.push(request.url);
      response.end('[]');
    }, version);
    await client.listImages();
    expect(urls).toEqual([`/v${spoken}/images/json`]);
  });

  it('are refused answers that cannot be used', async () => {
    const answers = ['{}', '[{"Id":"../x"}]', '<html>', '[{"Id":'];
    await serve((_request, response) => response.end(answers.shift()));
    for (let i = 0; i < 4; i++) expect((await errorOf(client.listImages())).code).toBe('ENGINE_ERROR');
    expect(answers).toEqual([]);
  });

  it('carry the engine’s words, without terminal escapes', async () => {
    await serve((_request, response) => {
      response.writeHead(500).end(JSON.stringify({ message: 'disk \u001b[2J on fire' }));
    });
    const error = await errorOf(client.inspectImage('a:1'));
    expect(error.message).toContain('answered 500 while looking at a:1: disk  [2J on fire');
  });

  it('are not put for a name that is not one', async () => {
    await serve((_request, response) => response.end('{}'));
    for (const name of ['', '../containers', 'a//b', 'a b', 'x'.repeat(2000)]) {
      expect((await errorOf(client.inspectImage(name))).code).toBe('REFERENCE_INVALID');
    }
    expect((await errorOf(client.tagImage('a', `b@sha256:${'0'.repeat(64)}`))).code).toBe(
      'REFERENCE_INVALID',
    );
  });

  it('keep the port of a registry apart from the tag', async () => {
    const urls: string[] = [];
    await serve((request, response) => {
      urls.push(`${request.method} ${request.url}`);
      response.writeHead(201).end();
    });
    await client.tagImage('a', 'localhost:5000/x');
    await client.tagImage('a', 'localhost:5000/x:2');
    expect(urls).toEqual([
      'POST /v1.41/images/a/tag?repo=localhost%3A5000%2Fx&tag=latest',
      'POST /v1.41/images/a/tag?repo=localhost%3A5000%2Fx&tag=2',
    ]);
  });

  it('end when the caller says so', async () => {
    const stop = new AbortController();
    await serve(() => stop.abort());
    expect((await errorOf(client.listImages(stop.signal))).code).toBe('INTERRUPTED');
  });

  it('are put again when an idle connection was closed under them', async () => {
    let asked = 0;
    await serve((request, response) => {
      // The second question arrives on the connection of the first, which then breaks.
      if (++asked === 2) request.socket.destroy();
      else response.end('[]');
    });
    await client.listImages();
    await client.listImages();
    expect(asked).toBe(3);
  });

  it('say that no chain is known where every layer is read', async () => {
    const podman = { ...VERSION, Components: [{ Name: 'Podman Engine' }] };
    await serve((_request, response) => response.writeHead(500).end(), podman);
    expect(await client.knownChains()).toEqual([]);
    expect((await client.version()).kind).toBe('podman');
  });

  it('notice docker’s containerd store, which reads every layer', async () => {
    await serve((request, response) => {
      expect(request.url).toBe('/v1.41/info');
      response.end(JSON.stringify({ DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']] }));
    });
    expect(await client.knownChains()).toEqual([]);
  });
});

describe('knownPrefixLength', () => {
  it('counts layers from the base up, in one chain', () => {
    const chains = [['a', 'b', 'c'], ['a', 'x'], ['b']];
    expect(knownPrefixLength(chains, ['a', 'b', 'd'])).toBe(2);
    expect(knownPrefixLength(chains, ['a', 'b', 'c'])).toBe(3);
    expect(knownPrefixLength(chains, ['b', 'c'])).toBe(1);
    expect(knownPrefixLength(chains, ['c'])).toBe(0);
    expect(knownPrefixLength([['a']], ['a', 'a'])).toBe(1);
  });
});

describe('an export', () => {
  it('that stops before its end is an error', async () => {
    await serve((_request, response) => {
      response.write(Buffer.alloc(1024), () => response.destroy());
    });
    const error = await errorOf(drain(client.exportImage(['a:1'])));
    expect(error.code).toBe('ENGINE_ERROR');
    expect(error.message).toContain('stopped in the middle of the export of a:1');
  });

  it('that ends with docker’s late error is an error with its words', async () => {
    await serve((_request, response) => {
      response.write(Buffer.alloc(512 * 100));
      response.end('{"errorDetail":{"message":"layer is gone"},"error":"layer is gone"}\r\n');
    });
    const error = await errorOf(drain(client.exportImage(['a:1'])));
    expect(error.message).toMatch(/stopped in the middle of the export of a:1: layer is gone$/);
  });

  it.each([[0], [513]])('of %i bytes is an error', async (sizeBytes) => {
    await serve((_request, response) => response.end(Buffer.alloc(sizeBytes)));
    expect((await errorOf(drain(client.exportImage(['a:1'])))).code).toBe('ENGINE_ERROR');
  });

  it.each([
    [404, 'reference does not exist', 'ENGINE_IMAGE_NOT_FOUND'],
    [500, 'docker.io/library/a:1: image not known', 'ENGINE_IMAGE_NOT_FOUND'],
    [500, 'broken', 'ENGINE_ERROR'],
  ])('refused with %i %s is %s', async (status, message, code) => {
    await serve((_request, response) => response.writeHead(status).end(JSON.stringify({ message })));
    const error = await errorOf(drain(client.exportImage(['a:1'])));
    expect([error.code, error.message.includes(message)]).toEqual([code, true]);
  });

  it('holds the engine back while nobody reads, and lets it go when the reader leaves', async () => {
    let sentBytes = 0;
    let closed: Promise<unknown> | undefined;
    await serve((request, response) => {
      closed = new Promise((resolve) => request.socket.once('close', resolve));
      const more = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) sentBytes += 65_536;
      };
      response.on('drain', more);
      more();
    });
    for await (const _piece of client.exportImage(['a:1'])) {
      await untilSteady(() => sentBytes);
      break;
    }
    expect(sentBytes).toBeLessThan(8 * 1024 * 1024);
    await closed;
  });

  it('is interrupted by its signal', async () => {
    const stop = new AbortController();
    await serve((_request, response) => void response.write(Buffer.alloc(512)));
    const run = (async () => {
      for await (const _piece of client.exportImage(['a:1'], stop.signal)) stop.abort();
    })();
    expect((await errorOf(run)).code).toBe('INTERRUPTED');
  });
});

/** Waits until a counter has stopped moving: what was to flow has flowed. */
async function untilSteady(read: () => number): Promise<void> {
  let last = -1;
  for (let same = 0; same < 5; same = read() === last ? same + 1 : 0) {
    last = read();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a load', () => {
  const LOADED = '{"stream":"Loaded image: a:1\\n"}\r\n';

  async function* repeat(
    chunk: Uint8Array,
    count: number,
    counted = { chunks: 0 },
  ): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i++) {
      counted.chunks++;
      yield chunk;
    }
  }

  it('sends every byte, from a buffer that is used again', async () => {
    const received: Buffer[] = [];
    await serve((request, response) => {
      request.on('data', (bytes: Buffer) => received.push(bytes));
      request.on('end', () => response.end(LOADED));
    });
    const buffer = new Uint8Array(100_000);
    async function* reuse(): AsyncGenerator<Uint8Array> {
      for (let i = 1; i <= 60; i++) yield buffer.fill(i);
    }
    expect(await client.loadImage(reuse())).toEqual({ messages: ['Loaded image: a:1'], loaded: ['a:1'] });
    const bytes = Buffer.concat(received);
    expect(bytes.length).toBe(6_000_000);
    expect(bytes.every((byte, index) => byte === Math.floor(index / 100_000) + 1)).toBe(true);
  });

  it('holds its source back while the engine does not read', async () => {
    let resume = () => {};
    await serve((request, response) => {
      resume = () => {
        request.resume();
        request.on('end', () => response.end(LOADED));
      };
    });
    const counted = { chunks: 0 };
    const load = client.loadImage(repeat(Buffer.alloc(65_536, 1), 1000, counted));
    await untilSteady(() => counted.chunks);
    expect(counted.chunks).toBeLessThan(100);
    resume();
    await load;
    expect(counted.chunks).toBe(1000);
  });

  it.each([
    ['at once', 0],
    ['after some of it', 300_000],
  ])('reports an answer that comes early, %s, instead of a broken pipe', async (_name, afterBytes) => {
    await serve((request, response) => {
      let sizeBytes = 0;
      const refuse = () => {
        response.writeHead(500, { connection: 'close' });
        response.end('{"message":"no space left on device"}', () => request.socket.destroy());
      };
      if (afterBytes === 0) refuse();
      else
        request.on('data', (bytes: Buffer) => {
          sizeBytes += bytes.length;
          if (sizeBytes >= afterBytes && !response.headersSent) refuse();
        });
    });
    const counted = { chunks: 0 };
    for (let round = 0; round < 20; round++) {
      const error = await errorOf(client.loadImage(repeat(Buffer.alloc(65_536, 1), 1000, counted)));
      expect(error.message).toContain('answered 500 while loading an image: no space left on device');
    }
    expect(counted.chunks).toBeLessThan(20_000);
  });

  it('reports an early error line of an answer that began well', async () => {
    await serve((_request, response) => {
      response.write('{"status":"Loading"}\n');
      response.end('{"errorDetail":{"message":"bad header"},"error":"bad header"}\n');
    });
    const error = await errorOf(client.loadImage(repeat(Buffer.alloc(65_536, 1), 1000)));
    expect(error.message).toContain('did not load the image: bad header');
  });

  it('reports an engine that hangs up', async () => {
    await serve((request) => request.once('data', () => request.socket.destroy()));
    const error = await errorOf(client.loadImage(repeat(Buffer.alloc(65_536, 1), 1000)));
    expect(error.code).toBe('ENGINE_ERROR');
    expect(error.message).toContain('closed the connection');
  });

  it('reports an engine that hangs up after everything was sent', async () => {
    await serve((request) => request.resume().on('end', () => request.socket.destroy()));
    expect((await errorOf(client.loadImage(repeat(Buffer.alloc(10, 1), 2)))).code).toBe('ENGINE_ERROR');
  });

  it('rethrows the error of its source, and the engine never sees the end', async () => {
    const received: Buffer[] = [];
    let close: (how: string) => void = () => {};
    const closed = new Promise<string>((resolve) => {
      close = resolve;
    });
    await serve((request) => {
      request.on('data', (bytes: Buffer) => received.push(bytes));
      request.on('end', () => close('ended well'));
      request.on('error', () => close('cut off'));
    });
    const wrong = new DbupError('DIGEST_MISMATCH', 'a layer differs');
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.concat([Buffer.alloc(512, 1), Buffer.alloc(1024)]);
      throw wrong;
    }
    await expect(client.loadImage(source())).rejects.toBe(wrong);
    expect(await closed).toBe('cut off');
    // The two zero blocks that end a tar were held back.
    expect(Buffer.concat(received)).toEqual(Buffer.alloc(512, 1));
  });

  it('rethrows the error of its source before its first byte', async () => {
    await serve((_request, response) => response.end(LOADED));
    const wrong = new Error('nothing to read');
    // biome-ignore lint/correctness/useYield: a source that fails at once.
    async function* source(): AsyncGenerator<Uint8Array> {
      throw wrong;
    }
    await expect(client.loadImage(source())).rejects.toBe(wrong);
  });

  it('is interrupted while the engine does not read, and closes its source', async () => {
    const stop = new AbortController();
    await serve(() => {});
    let closed = false;
    const counted = { chunks: 0 };
    async function* source(): AsyncGenerator<Uint8Array> {
      try {
        yield* repeat(Buffer.alloc(65_536, 1), 1000, counted);
      } finally {
        closed = true;
      }
    }
    const load = errorOf(client.loadImage(source(), stop.signal));
    await untilSteady(() => counted.chunks);
    stop.abort();
    expect((await load).code).toBe('INTERRUPTED');
    expect(closed).toBe(true);
  });
});
