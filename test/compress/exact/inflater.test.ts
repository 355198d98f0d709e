import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { Inflater } from '../../../src/compress/exact/inflate/inflater.js';
import { inflateMember } from '../../../src/compress/exact/inflate-member.js';
import { type InputKind, makeInput } from '../../support/deflate-inputs.mjs';
import { seededRandom } from '../../support/tar-builder.js';

const SEED = 20_260_102;
const RUNS = process.env.DBUP_LONG_TESTS ? 20_000 : 600;
const KINDS: InputKind[] = ['text', 'tar', 'mixture', 'records'];

interface Answer {
  plain: Buffer;
  takenBytes: number;
}

/** What comes out, given at most `readBytes` at a time; the error's code where it is refused. */
function inflate(inflater: Inflater, raw: Uint8Array, readBytes: number): Answer | string {
  const pieces: Uint8Array[] = [];
  inflater.reset();
  let position = 0;
  try {
    while (!inflater.hasEnded) {
      const piece = inflater.next();
      if (piece) pieces.push(piece.slice());
      if (piece || inflater.hasEnded) continue;
      const given = raw.subarray(position, position + readBytes);
      const room = inflater.inputRoom();
      const count = Math.min(room.length, given.length);
      room.set(given.subarray(0, count));
      inflater.supply(count);
      position += count;
    }
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'no code';
  }
  return { plain: Buffer.concat(pieces), takenBytes: inflater.takenBytes };
}

/** The same by zlib. */
function byZlib(raw: Uint8Array): Answer | null {
  try {
    const options = { info: true, maxOutputLength: 2 ** 28 } as const;
    const answer = inflateRawSync(raw, options) as unknown as {
      buffer: Buffer;
      engine: { bytesWritten: number };
    };
    return { plain: answer.buffer, takenBytes: answer.engine.bytesWritten };
  } catch {
    return null;
  }
}

describe('inflating', () => {
  it(`accepts what zlib accepts, and makes the same of it, sound or damaged, seed ${SEED}`, () => {
    const unit = seededRandom(SEED);
    const random = (below: number) => Math.floor(unit() * below);
    const inflater = new Inflater();
    const met = { sound: 0, damaged: 0 };
    for (let run = 0; run < RUNS; run++) {
      const plain = makeInput(
        KINDS[random(4)]!,
        random(1e6),
        random(8) === 0 ? random(600_000) : random(5000),
      );
      const raw = damage(
        deflateRawSync(plain, {
          level: random(10),
          strategy: random(5),
          memLevel: 1 + random(9),
          windowBits: 9 + random(7),
        }),
        random,
      );
      const expected = byZlib(raw);
      const answer = inflate(inflater, raw, 1 + random(70_000));
      if (expected === null) {
        met.damaged++;
        expect(answer, `run ${run}`).toMatch(/^Z_(DATA|BUF)_ERROR$/);
        continue;
      }
      met.sound++;
      if (typeof answer === 'string') throw new Error(`run ${run}: ${answer}`);
      expect(answer.takenBytes, `run ${run}`).toBe(expected.takenBytes);
      expect(answer.plain.equals(expected.plain), `run ${run}`).toBe(true);
    }
    expect(met.sound).toBeGreaterThan(RUNS / 4);
    expect(met.damaged).toBeGreaterThan(RUNS / 4);
  });

  it('keeps to its memory whatever comes out, and gives pieces', () => {
    const inflater = new Inflater();
    const raw = deflateRawSync(new Uint8Array(2 ** 25), { level: 9 });
    let largest = 0;
    let total = 0;
    inflater.reset();
    inflater.inputRoom().set(raw);
    inflater.supply(raw.length);
    for (let piece = inflater.next(); piece; piece = inflater.next()) {
      largest = Math.max(largest, piece.length);
      total += piece.length;
      if (inflater.hasEnded || total > 2 ** 24) break;
    }
    expect(total).toBeGreaterThan(2 ** 24);
    expect(largest).toBeLessThanOrEqual(2 ** 18 + 2 ** 15);
  });

  it('reads byte by byte, goes over flushes, and leaves what comes behind', () => {
    const plain = makeInput('text', 5, 3000);
    const flushed = deflateRawSync(plain, { finishFlush: constants.Z_SYNC_FLUSH });
    const whole = Buffer.concat([flushed, Uint8Array.of(1, 0, 0, 0xff, 0xff), Uint8Array.of(7, 7, 7)]);
    expect(inflate(new Inflater(), whole, 1)).toEqual({
      plain: Buffer.from(plain),
      takenBytes: whole.length - 3,
    });
  });

  it('lets a reader that fails end it', async () => {
    const failing = () => Promise.reject(new Error('no such file'));
    await expect(inflateMember(failing, 0).next()).rejects.toThrow('no such file');
  });
});

function damage(raw: Buffer, random: (below: number) => number): Buffer {
  switch (random(6)) {
    case 0:
      raw[random(raw.length)]! ^= 1 << random(8);
      return raw;
    case 1:
      return raw.subarray(0, random(raw.length + 1));
    case 2:
      for (let i = 0; i < 5; i++) raw[random(raw.length)] = random(256);
      return raw;
    case 3:
      return Buffer.from(Array.from({ length: random(300) }, () => random(256)));
    case 4:
      return Buffer.concat([raw, Buffer.from(Array.from({ length: random(50) }, () => random(256)))]);
    default:
      return raw;
  }
}
