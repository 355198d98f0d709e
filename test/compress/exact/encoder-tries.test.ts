import { describe, expect, it } from 'vitest';
import { EncoderTries, MAX_FAILED_TRIES } from '../../../src/compress/exact/encoder-tries.js';
import { type EncoderSpec, encoderName } from '../../../src/format/encoder-spec.js';
import { GO_6, GO_HEADER } from '../../support/gzip-files.js';

const noHead = (): Uint8Array => new Uint8Array(0);
const namesOf = (tries: EncoderTries): string[] => [...tries.forMember(GO_HEADER, noHead)].map(encoderName);
const zlib = (level: number): EncoderSpec => ({ family: 'zlib', level, memLevel: 8 });

describe('the encoders tried on a gzip file', () => {
  it('begin with those found before, and come once', () => {
    const tries = new EncoderTries(GO_6);
    for (const level of [3, 9, 3]) tries.succeeded(zlib(level));
    const names = namesOf(tries);
    expect(names.slice(0, 3)).toEqual(['zlib-3', 'zlib-9', 'go-6']);
    expect(new Set(names).size).toBe(names.length);
    for (const level of [1, 2, 4, 5]) tries.succeeded(zlib(level));
    expect(namesOf(tries).slice(0, 5)).toEqual(['zlib-5', 'zlib-4', 'zlib-2', 'zlib-1', 'go-6']);
  });

  it('are no more than so many in vain, for all members together', () => {
    const tries = new EncoderTries(null);
    let count = 0;
    for (let member = 0; member < 100; member++) {
      for (const encoder of tries.forMember(GO_HEADER, noHead)) {
        tries.failed(encoder, null);
        count++;
      }
    }
    expect(count).toBe(MAX_FAILED_TRIES);
    expect(tries.areUsedUp).toBe(true);
    expect(namesOf(tries)).toEqual([]);
  });

  it('are enough for every encoder there is, for some members', () => {
    expect(8 * namesOf(new EncoderTries(null)).length).toBeLessThan(MAX_FAILED_TRIES);
  });

  it('do not look at the stream before they have to', () => {
    const tries = new EncoderTries(GO_6);
    let reads = 0;
    const readHead = (): Uint8Array => {
      reads++;
      return noHead();
    };
    for (const encoder of tries.forMember(GO_HEADER, readHead)) {
      if (encoder.family === 'go') expect(reads).toBe(0);
      if (encoder.family === 'pgzip') break;
    }
    expect(reads).toBe(1);
  });
});
