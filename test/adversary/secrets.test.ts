import { mkdir, readdir, readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dockerArchive, imageIdOf, layerTar } from '../support/images.js';
import { CliRoom, type ProgramRun } from '../support/run-dbup.js';

const SECRET = 'hunter2-7f3a';
const [USER, PASSWORD] = ['ci', `${SECRET}/with@odd:characters`];
const CREDENTIALS = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
const IMAGE = { references: ['app:1'], layers: [layerTar(1, 1, 2000)] };

/** What must not be found anywhere: the password, as it is and as the engine and an URL are told it. */
const FORBIDDEN = [SECRET, CREDENTIALS, encodeURIComponent(PASSWORD)];

function expectNoSecret(text: string, where: string): void {
  for (const word of FORBIDDEN) expect(text.includes(word), `${where}: ${text.slice(0, 2000)}`).toBe(false);
}

/** An engine behind a proxy that wants a password. */
let server: Server;
let answers: 'well' | 'badly' = 'well';
let authorised = 0;
beforeAll(async () => {
  const image = { Id: imageIdOf(IMAGE), RepoTags: ['app:1'], RootFS: { Type: 'layers', Layers: [] } };
  server = createServer((request, response) => {
    if (request.headers.authorization !== `Basic ${CREDENTIALS}`) {
      response.statusCode = 401;
      response.end(JSON.stringify({ message: 'who are you?' }));
      return;
    }
    authorised++;
    const path = request.url!.replace(/^\/v[\d.]+/, '');
    if (path === '/version')
      response.end(JSON.stringify({ ApiVersion: '1.41', Version: '26', Components: [] }));
    else if (answers === 'badly') request.socket.destroy();
    else if (path.startsWith('/images/get')) response.end(dockerArchive(IMAGE));
    else response.end(JSON.stringify(image));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

const engineAt = (port: number): string => `tcp://${USER}:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}`;

/** All that is told, in each of the ways it is told. */
async function tellings(
  room: CliRoom,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<ProgramRun[]> {
  const ways: [string[], NodeJS.ProcessEnv][] = [
    [['--json', '--progress', 'json'], {}],
    [[], { DBUP_DEBUG: '1' }],
  ];
  return Promise.all(ways.map(([options, more]) => room.run([...options, ...words], { ...env, ...more })));
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe('a password of the engine', () => {
  it('opens the engine and stands in no output, no pool file and no catalog', async () => {
    await using room = await CliRoom.create();
    const { port } = server.address() as AddressInfo;
    answers = 'well';
    authorised = 0;
    const run = await room.run(['--json', '--progress', 'json', 'save', 'app:1'], {
      DOCKER_HOST: engineAt(port),
    });
    expect(run.exitCode, run.stderr).toBe(0);
    expect(authorised).toBeGreaterThan(2);
    expectNoSecret(run.stdout + run.stderr, 'save');
    const files = [...(await filesBelow(room.path('pool'))), ...(await filesBelow(room.path('cache')))];
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) expectNoSecret((await readFile(file)).toString('latin1'), file);
  });

  it.each([
    ['DOCKER_HOST', 'an engine that hangs up'],
    ['CONTAINER_HOST', 'nobody'],
    ['DBUP_HOST', 'nobody'],
  ])('in %s does not show when there is %s', async (name, what) => {
    await using room = await CliRoom.create();
    const { port } = server.address() as AddressInfo;
    answers = 'badly';
    const env = { [name]: engineAt(what === 'nobody' ? 1 : port) };
    for (const { exitCode, stdout, stderr } of await tellings(room, ['save', 'app:1'], env)) {
      expect(exitCode).toBe(5);
      expect(stderr).toContain('127.0.0.1');
      expectNoSecret(stdout + stderr, name);
    }
  });

  it.each([
    `tcp://${USER}:${SECRET}@:2375`,
    `tcp://${USER}:${SECRET}@host:99999`,
    `tcp://${USER}:${SECRET}%zz@host:1`,
    `ftp://${USER}:${SECRET}@host`,
    `ssh://${USER}:${SECRET}@host`,
    `https://${USER}:${SECRET}@host?token=${SECRET}`,
    `tcp://${USER}:${SECRET}#@host`,
  ])('in an address that cannot be does not show: %s', async (address) => {
    await using room = await CliRoom.create();
    const [asVariable, asFlag] = await Promise.all([
      room.run(['save', 'app:1'], { DOCKER_HOST: address, DBUP_DEBUG: '1' }),
      room.run(['--json', '--host', address, 'save', 'app:1']),
    ]);
    for (const { exitCode, stdout, stderr } of [asVariable, asFlag]) {
      expect(exitCode).toBe(2);
      expectNoSecret(stdout + stderr, address);
    }
  });

  it('in the config file and in a context of docker does not show', async () => {
    await using room = await CliRoom.create();
    await mkdir(room.path('.config/dbup'), { recursive: true });
    await room.file('.config/dbup/config.json', Buffer.from(JSON.stringify({ host: engineAt(1) })));
    for (const { exitCode, stdout, stderr } of await tellings(room, ['save', 'app:1'], {})) {
      expect(exitCode).toBe(5);
      expectNoSecret(stdout + stderr, 'config.json');
    }
    await room.file(
      '.config/dbup/config.json',
      Buffer.from(`{"host": "${engineAt(1)}", "token": "${SECRET}",`),
    );
    expectNoSecret((await room.run(['ls'], { DBUP_DEBUG: '1' })).stderr, 'broken config.json');
    await room.file('.config/dbup/config.json', Buffer.from(`{"host": {"password": "${SECRET}"}}`));
    expectNoSecret((await room.run(['ls'], { DBUP_DEBUG: '1' })).stderr, 'wrong config.json');
  });

  it("of a registry in docker's config.json is not read into anything", async () => {
    await using room = await CliRoom.create();
    await mkdir(room.path('.docker'));
    const auths = `"auths": {"registry.example": {"auth": "${CREDENTIALS}", "identitytoken": "${SECRET}"}}`;
    for (const text of [`{${auths}, "currentContext": "none"}`, `{${auths}`, `[{${auths}}]`]) {
      await room.file('.docker/config.json', Buffer.from(text));
      for (const { exitCode, stdout, stderr } of await tellings(room, ['save', 'app:1'], {})) {
        expect(exitCode).not.toBe(0);
        expectNoSecret(stdout + stderr, text);
      }
    }
  });
});
