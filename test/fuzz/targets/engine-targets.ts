import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  parseImage,
  parseImageList,
  parseVersion,
  usesContainerdStore,
} from '../../../src/image/engine/engine-answers.js';
import { EngineClient } from '../../../src/image/engine/engine-client.js';
import { parseLoadAnswer } from '../../../src/image/engine/load-answer.js';
import { accepts, acceptsLater, type FuzzTarget } from '../fuzz-target.js';
import { maybeMutated } from '../mutate.js';
import { anyJson, type Json, mutatedJson } from '../mutate-json.js';
import type { Random } from '../random.js';

const DIGEST = `sha256:${'4'.repeat(64)}`;
const VERSION: Json = {
  ApiVersion: '1.45',
  MinAPIVersion: '1.24',
  Version: '26.1',
  Components: [{ Name: 'Engine' }],
};
const IMAGE: Json = {
  Id: DIGEST,
  RepoTags: ['app:1.0', '<none>:<none>'],
  RepoDigests: [],
  RootFS: { Type: 'layers', Layers: [DIGEST, DIGEST] },
  Config: { Env: ['A=1'] },
  Size: 12,
  Os: 'linux',
  Architecture: 'amd64',
};
const INFO: Json = { DriverStatus: [['driver-type', 'io.containerd.snapshotter.v1']] };
const LOADED: Json = { stream: 'Loaded image: app:1.0\n' };
const ANSWERS = [
  VERSION,
  IMAGE,
  [IMAGE, IMAGE],
  INFO,
  LOADED,
  { errorDetail: { message: 'no' }, error: 'no' },
  { message: 'no' },
];

export const engineAnswerTarget: FuzzTarget = {
  name: 'engine-answer',
  runs: 'the JSON answers of an engine, each with every reader',
  inputs: 60_000,
  shortInputs: 800,
  make(random) {
    const one = (): Uint8Array => mutatedJson(random, random.pick(ANSWERS), ANSWERS);
    return random.percent(80) ? one() : new Uint8Array(Buffer.concat([one(), Buffer.from('\n'), one()]));
  },
  run(bytes) {
    const text = Buffer.from(bytes).toString();
    let value: unknown = null;
    try {
      value = JSON.parse(text);
    } catch {
      // Its readers are given what was parsed; the lines of a load are not.
    }
    usesContainerdStore(value);
    const readers = [parseVersion, parseImage, parseImageList].map((read) => () => read(value, 'the engine'));
    const accepted = [...readers, () => parseLoadAnswer(text, 'the engine')].map((read) => accepts(read));
    return accepted.some((one) => one);
  },
};

function http(
  random: Random,
  body: Uint8Array,
  status = random.pick([200, 200, 200, 204, 301, 404, 500, 999]),
): Uint8Array {
  const framing = random.pick([
    `Content-Length: ${body.length}\r\n`,
    '',
    'Transfer-Encoding: chunked\r\n',
    `Content-Length: ${random.below(2 ** 31)}\r\n`,
  ]);
  const chunked = framing.startsWith('Transfer')
    ? [
        Buffer.from(`${(random.percent(90) ? body.length : random.below(2 ** 31)).toString(16)}\r\n`),
        body,
        Buffer.from('\r\n0\r\n\r\n'),
      ]
    : [body];
  const head = `HTTP/1.1 ${status} OK\r\nContent-Type: application/json\r\n${framing}Connection: close\r\n\r\n`;
  return new Uint8Array(Buffer.concat([Buffer.from(head), ...chunked]));
}

/** What the engine sends next, whatever it is asked; then it hangs up. */
const script: { answers: Uint8Array[]; sockets: Set<Socket> } = { answers: [], sockets: new Set() };
let running: Promise<{ server: Server; path: string; directory: string }> | null = null;

function startEngine(): Promise<{ server: Server; path: string; directory: string }> {
  const directory = mkdtempSync(join(tmpdir(), 'dbup-fuzz-'));
  const path = join(directory, 'engine.sock');
  const server = createServer((socket) => {
    script.sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => script.sockets.delete(socket));
    socket.once('data', () => socket.end(script.answers.shift() ?? new Uint8Array(0)));
    socket.on('data', () => {});
  });
  return new Promise((resolve) => {
    server.listen(path, () => resolve({ server, path, directory }));
  });
}

/** Answers one after the other, each behind its length in four bytes. */
export const engineHttpTarget: FuzzTarget = {
  name: 'engine-http',
  runs: 'a client of an engine that answers whatever it likes over a real socket',
  inputs: 6_000,
  shortInputs: 60,
  make(random) {
    const bodies = [VERSION, random.pick(ANSWERS), random.pick(ANSWERS)].map((answer, i) =>
      i === 0 && random.percent(80)
        ? Buffer.from(JSON.stringify(answer))
        : mutatedJson(random, answer, ANSWERS),
    );
    const answers = bodies.map((body, i) => {
      const sound = i === 0 && random.percent(80);
      const answer = http(random, body, sound ? 200 : undefined);
      const whole = sound || random.percent(50) ? answer : maybeMutated(random, answer);
      return random.percent(3) ? new Uint8Array(Buffer.from(JSON.stringify(anyJson(random, 2)))) : whole;
    });
    return joined(answers);
  },
  async run(bytes) {
    running ??= startEngine();
    const { path } = await running;
    script.answers = parted(bytes);
    const endpoint = { transport: { type: 'unix' as const, path }, origin: 'DOCKER_HOST=unix', tried: [] };
    using client = new EngineClient(endpoint, { connectTimeoutMs: 5000, answerTimeoutMs: 5000 });
    const asks = [
      () => client.inspectImage('app:1.0'),
      () => client.listImages(),
      () => exported(client),
      () => client.loadImage(tar()),
    ];
    // Awaited here: the client is closed when this returns.
    return await acceptsLater(asks[bytes.length % asks.length]!);
  },
  async close() {
    if (!running) return;
    const { server, directory } = await running;
    for (const socket of script.sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true, force: true });
    running = null;
  },
};

async function exported(client: EngineClient): Promise<void> {
  for await (const piece of client.exportImage(['app:1.0']))
    if (piece.length === 0) throw new TypeError('an empty piece');
}

async function* tar(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(1024);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(
      parts.flatMap((part) => {
        const length = Buffer.alloc(4);
        length.writeUInt32LE(part.length);
        return [length, part];
      }),
    ),
  );
}

function parted(bytes: Uint8Array): Uint8Array[] {
  const view = Buffer.from(bytes);
  const parts: Uint8Array[] = [];
  for (let at = 0; at + 4 <= view.length; ) {
    const end = at + 4 + view.readUInt32LE(at);
    parts.push(bytes.slice(at + 4, end));
    at = end;
  }
  return parts;
}
