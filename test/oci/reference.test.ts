import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DbupError } from '../../src/core/errors.js';
import {
  fullReference,
  looksLikeImageId,
  parseReference,
  parseVersionAddress,
} from '../../src/oci/reference.js';
import { onlyDbupErrors, SEED } from './only-dbup-errors.js';

const HEX64 = '0123456789abcdef'.repeat(4);

describe('parseReference', () => {
  it.each([
    ['app', 'app', 'latest'],
    ['app:1.0', 'app', '1.0'],
    ['team/app:1.0', 'team/app', '1.0'],
    ['docker.io/library/app:1', 'app', '1'],
    ['docker.io/app', 'app', 'latest'],
    ['library/app', 'app', 'latest'],
    ['docker.io/a.b/c', 'docker.io/a.b/c', 'latest'],
    ['docker.io/localhost/c', 'docker.io/localhost/c', 'latest'],
    ['library/a/b', 'library/a/b', 'latest'],
    ['docker.io/team/app', 'team/app', 'latest'],
    ['index.docker.io/library/app:1', 'app', '1'],
    ['index.docker.io/team/app:1', 'team/app', '1'],
    ['localhost/app:1.0', 'localhost/app', '1.0'],
    ['localhost:5000/x:1', 'localhost:5000/x', '1'],
    ['localhost:5000/x', 'localhost:5000/x', 'latest'],
    ['localhost:5000', 'localhost', '5000'],
    ['quay.io/a/b:2', 'quay.io/a/b', '2'],
    ['quay.io/library/b:2', 'quay.io/library/b', '2'],
    ['[::1]:5000/x:1', '[::1]:5000/x', '1'],
    ['Registry.Example/x:1', 'Registry.Example/x', '1'],
    ['a__b-c---d.e_f:_A.b-C', 'a__b-c---d.e_f', '_A.b-C'],
    ['3f1ac2d4e5f6', '3f1ac2d4e5f6', 'latest'],
    [`${HEX64}:v1`, HEX64, 'v1'],
    [`app:${'t'.repeat(128)}`, 'app', 't'.repeat(128)],
    ['a'.repeat(255), 'a'.repeat(255), 'latest'],
    [`docker.io/library/${'a'.repeat(255)}:1`, 'a'.repeat(255), '1'],
  ])('%s is %s : %s', (text, repository, tag) => {
    expect(parseReference(text)).toEqual({ repository, tag, text: `${repository}:${tag}` });
  });

  it.each([
    ['', /Name an image/],
    ['App:1.0', /Write "app:1\.0"/],
    ['quay.io/Team/App:1', /Write "quay\.io\/team\/app:1"/],
    ['docker.io/App', /Write "docker\.io\/app"/],
    ['app:', /A tag is/],
    ['app:-1', /A tag is/],
    ['app:.1', /A tag is/],
    ['app:a b', /A tag is/],
    ['app:1\n', /A tag is/],
    ['app:ü', /A tag is/],
    [`app:${'t'.repeat(129)}`, /A tag is/],
    ['a'.repeat(256), /at most 255/],
    ['a'.repeat(100_000), /at most 255/],
    ['-app', /lower-case letters and digits/],
    ['app-', /lower-case letters and digits/],
    ['a___b', /lower-case letters and digits/],
    ['a..b', /lower-case letters and digits/],
    ['a//b', /lower-case letters and digits/],
    ['/a', /lower-case letters and digits/],
    ['a/', /lower-case letters and digits/],
    ['../a', /A host is like/],
    ['ex_ample.com:80/a', /A host is like/],
    ['https://quay.io/a', /lower-case letters and digits|A host is like/],
    ['a\0b', /lower-case letters and digits/],
    ['app@sha256:abcdef', /repository and tag/],
    ['app:1~1', /A tag is/],
    [HEX64, /sha256: before/],
    ['sha256:abcdef', /6 hex digits/],
  ])('refuses %j with a hint', (text, hint) => {
    let thrown: unknown;
    try {
      parseReference(text);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(DbupError);
    expect(thrown).toMatchObject({
      code: 'REFERENCE_INVALID',
      exitCode: 2,
      hint: expect.stringMatching(hint),
    });
  });

  it('spells the registry out for containerd', () => {
    expect(fullReference(parseReference('app'))).toBe('docker.io/library/app:latest');
    expect(fullReference(parseReference('team/app:1'))).toBe('docker.io/team/app:1');
    expect(fullReference(parseReference('localhost:5000/x:1'))).toBe('localhost:5000/x:1');
  });

  it('is a fixed point, and the full form leads back', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,5}){0,2}$/);
    const host = fc.constantFrom(
      '',
      'docker.io/',
      'index.docker.io/',
      'library/',
      'localhost/',
      'r.example:5000/',
      '[::1]/',
    );
    const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
    fc.assert(
      fc.property(host, fc.array(component, { minLength: 1, maxLength: 3 }), tag, (prefix, path, tagText) => {
        fc.pre(path.join('/') !== 'sha256');
        // Without a host before it, a first part with a dot is a host itself, and may not hold "_".
        fc.pre(prefix !== '' || path.length === 1 || !path[0]?.includes('.'));
        const reference = parseReference(`${prefix}${path.join('/')}:${tagText}`);
        expect(parseReference(reference.text)).toEqual(reference);
        expect(parseReference(fullReference(reference))).toEqual(reference);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });
});

describe('looksLikeImageId', () => {
  it('takes 12 to 64 lower-case hex digits', () => {
    expect(looksLikeImageId('3f1ac2d4e5f6')).toBe(true);
    expect(looksLikeImageId(HEX64)).toBe(true);
    expect(looksLikeImageId('3f1ac2d4e5f')).toBe(false);
    expect(looksLikeImageId(`${HEX64}0`)).toBe(false);
    expect(looksLikeImageId('3F1AC2D4E5F6')).toBe(false);
  });
});

describe('parseVersionAddress', () => {
  const back = (count: number) => ({ kind: 'back', count });
  const digest = (digestPrefix: string) => ({ kind: 'digest', digestPrefix });
  it.each([
    ['app', 'app:latest', 'app', { kind: 'current' }],
    ['docker.io/library/app:1.0', 'app:1.0', 'app', { kind: 'current' }],
    ['app:1.0~0', 'app:1.0', 'app', { kind: 'current' }],
    ['app:1.0~1', 'app:1.0', 'app', back(1)],
    ['app~012', 'app:latest', 'app', back(12)],
    ['localhost:5000/x~3', 'localhost:5000/x:latest', 'localhost:5000/x', back(3)],
    ['app:1.0@3f1A', 'app:1.0', 'app', { kind: 'snapshot', idPrefix: '3f1a' }],
    ['app@3f1a', 'app:latest', 'app', { kind: 'snapshot', idPrefix: '3f1a' }],
    [`app@${HEX64}`, 'app:latest', 'app', { kind: 'snapshot', idPrefix: HEX64 }],
    ['app@sha256:3f1ac2', null, 'app', digest('3f1ac2')],
    ['localhost:5000/x@sha256:3F1AC2', null, 'localhost:5000/x', digest('3f1ac2')],
    [`docker.io/team/app@sha256:${HEX64}`, null, 'team/app', digest(HEX64)],
    ['app:1.0@sha256:3f1ac2', 'app:1.0', 'app', digest('3f1ac2')],
    ['sha256:3f1ac2', null, null, digest('3f1ac2')],
    ['@sha256:3f1ac2', null, null, digest('3f1ac2')],
    [HEX64, null, null, digest(HEX64)],
    ['3f1ac2d4e5f6', '3f1ac2d4e5f6:latest', '3f1ac2d4e5f6', { kind: 'current' }],
  ])('%s', (text, reference, repository, select) => {
    expect(parseVersionAddress(text)).toEqual({ reference, repository, select });
  });

  it.each([
    '',
    '~1',
    '@3f1a',
    'app~',
    'app~x',
    'app~-1',
    'app~1~1',
    'app~1234567890',
    'app@',
    'app@3f1',
    'app@xyz1',
    `app@${HEX64}0`,
    'app@3f1a~1',
    'app@sha256:3f1ac',
    `app@sha256:${HEX64}0`,
    'sha256:',
    'sha256:latest',
    'App@sha256:3f1ac2',
    'app:@sha256:3f1ac2',
    'app@@3f1a',
  ])('refuses %j', (text) => {
    expect(() => parseVersionAddress(text)).toThrow(
      expect.objectContaining({ code: 'REFERENCE_INVALID', hint: expect.stringMatching(/\w/) }),
    );
  });

  it('throws nothing but REFERENCE_INVALID', () => {
    const pieces = fc.constantFrom(
      'app',
      ':',
      '@',
      '~',
      '/',
      'sha256:',
      '3f1ac2',
      '1',
      '.',
      'A',
      'localhost',
      '[',
      '\0',
    );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(pieces).map((parts) => parts.join('')),
    );
    let accepted = 0;
    fc.assert(
      fc.property(text, (value) => {
        if (onlyDbupErrors(() => parseVersionAddress(value), ['REFERENCE_INVALID'])) accepted++;
      }),
      { seed: SEED, numRuns: 1000 },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});
