import { expect, test } from 'vitest';
import { parseSink } from '../../src/commands/load-sink.js';

test('a sink is a file, standard output, or an address as skopeo spells it', () => {
  expect(parseSink('a.tar')).toEqual({ sink: { kind: 'file', path: 'a.tar', format: 'saved' } });
  expect(parseSink('-')).toEqual({ sink: { kind: 'file', path: '-', format: 'saved' } });
  expect(parseSink('./oci.tar')).toEqual({ sink: { kind: 'file', path: './oci.tar', format: 'saved' } });
  expect(parseSink('oci:d')).toEqual({ sink: { kind: 'oci-directory', path: 'd' } });
  expect(parseSink('oci:d:1.0')).toEqual({ sink: { kind: 'oci-directory', path: 'd', tag: '1.0' } });
  expect(parseSink('oci-archive:f')).toEqual({ sink: { kind: 'file', path: 'f', format: 'oci-archive' } });
  expect(parseSink('docker-archive:f:app:2')).toEqual({
    sink: { kind: 'file', path: 'f', format: 'docker-archive' },
    as: 'app:2',
  });
  expect(parseSink('docker-daemon:app:2')).toEqual({ sink: { kind: 'engine' }, as: 'app:2' });
});

test('an address that names nothing is refused', () => {
  for (const text of ['', 'oci:', 'docker-archive:']) {
    expect(() => parseSink(text), text).toThrow(expect.objectContaining({ code: 'USAGE' }));
  }
});
