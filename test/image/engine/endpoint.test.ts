import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DbupError } from '../../../src/core/errors.js';
import { parseEndpoint, redactHost } from '../../../src/image/engine/endpoint.js';
import { sshArguments } from '../../../src/image/engine/ssh-stream.js';

function failure(host: string): DbupError {
  try {
    parseEndpoint(host, '--host');
  } catch (error) {
    if (error instanceof DbupError) return error;
    throw error;
  }
  throw new Error(`${host} was understood`);
}

describe('parseEndpoint', () => {
  const plain = { type: 'tcp', tls: null, basePath: '', authorization: null };

  it.each([
    ['unix:///run/d.sock', { type: 'unix', path: '/run/d.sock' }],
    ['/run/d.sock', { type: 'unix', path: '/run/d.sock' }],
    ['tcp://10.0.0.1', { ...plain, host: '10.0.0.1', port: 2375 }],
    ['10.0.0.1:80', { ...plain, host: '10.0.0.1', port: 80 }],
    ['tcp://[fe80::1]:2375', { ...plain, host: 'fe80::1', port: 2375 }],
    ['http://h:8080/engines/a/', { ...plain, host: 'h', port: 8080, basePath: '/engines/a' }],
    ['http://h', { ...plain, host: 'h', port: 80 }],
    ['tcp://u:p%40w@h:1', { ...plain, host: 'h', port: 1, authorization: `Basic ${btoa('u:p@w')}` }],
  ])('reads %s', (host, transport) => {
    expect(parseEndpoint(host, '--host').transport).toEqual(transport);
  });

  it('reads https with the system authorities', () => {
    expect(parseEndpoint('https://h', '--host').transport).toMatchObject({
      port: 443,
      tls: { ca: null, verify: true },
    });
  });

  it.each([
    'npipe:////./pipe/docker_engine',
    'fd://',
    'ftp://h',
    'unix://',
    'tcp://',
    'tcp://h:99999',
    'tcp://h?x=1',
    'ssh://u:secret@h',
    'ssh://-oProxyCommand=x@h',
    'tcp://h\r\nx:1',
    `tcp://${'h'.repeat(5000)}`,
  ])('refuses %j', (host) => {
    expect(failure(host).code).toBe('USAGE');
  });

  it('says what to do about a Windows pipe', () => {
    expect(failure('npipe:////./pipe/x').message).toContain('named pipes are not supported');
  });

  it('never shows a password', () => {
    const seed = Number(process.env.DBUP_TEST_SEED ?? 20_240_611);
    const secret = fc
      .string({ minLength: 6, maxLength: 300, unit: fc.constantFrom(...'abcXYZ0189/@:#?%[] ') })
      .map((text) => `Se${text}crEt`);
    fc.assert(
      fc.property(secret, fc.constantFrom('tcp://', 'https://', 'ssh://', ''), (password, scheme) => {
        const host = `${scheme}user:${password}@host.example:2375`;
        const shown: string[] = [redactHost(host)];
        try {
          shown.push(parseEndpoint(host, 'DOCKER_HOST').origin);
        } catch (error) {
          const { message, hint, details } = error as DbupError;
          shown.push(message, hint ?? '', JSON.stringify(details));
        }
        return shown.every((text) => !text.includes(password) && !text.includes('crEt'));
      }),
      { seed, verbose: true },
    );
  });
});

describe('sshArguments', () => {
  it('asks the remote client to join its stdio, the host guarded from being read as an option', () => {
    const { transport } = parseEndpoint('ssh://me@-h:22/run/a b.sock', '--host');
    if (transport.type !== 'ssh') throw new Error(transport.type);
    expect(sshArguments(transport, 1500)).toEqual([
      ...['-o', 'ConnectTimeout=2', '-T', '-l', 'me', '-p', '22', '--', '-h'],
      ...['docker', '--host', "'unix:///run/a b.sock'", 'system', 'dial-stdio'],
    ]);
  });

  it('quotes a socket path for the shell on the other host', () => {
    const { transport } = parseEndpoint("ssh://h/x';id;'", 'CONTAINER_HOST', { remoteClient: 'podman' });
    if (transport.type !== 'ssh') throw new Error(transport.type);
    expect(sshArguments(transport, 1000).slice(-4)).toEqual([
      '--url',
      "'unix:///x'\\'';id;'\\'''",
      'system',
      'dial-stdio',
    ]);
  });
});
