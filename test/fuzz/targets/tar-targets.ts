import { parsePaxRecords } from '../../../src/archive/tar-pax.js';
import { TarWalk } from '../../../src/archive/tar-walk.js';
import { LIMITS } from '../../../src/core/limits.js';
import { ODD_TARS } from '../../support/odd-tars.js';
import {
  ascii,
  base256,
  concatBytes,
  octal,
  setChecksum,
  tarEnd,
  tarHeader,
  tarPadding,
} from '../../support/tar-builder.js';
import type { FuzzTarget } from '../fuzz-target.js';
import { edge, maybeMutated, mutated } from '../mutate.js';
import type { Random } from '../random.js';

const TYPES = ['0', '\0', '1', '2', '5', '6', '7', 'x', 'X', 'g', 'L', 'K', 'S', 'V', 'z'];
const SMALL = ODD_TARS.filter(({ bytes }) => bytes.length <= 64 * 1024);

/** A tar of headers that are right in their checksum and odd in the rest. */
export function grammarTar(random: Random): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let left = random.size(10); left > 0; left--) {
    const type = random.pick(TYPES);
    const body = type === 'x' || type === 'X' ? paxBody(random) : random.bytes(random.size(1500));
    const claimed = random.percent(85) ? BigInt(body.length) : edge(random);
    const sizeField =
      random.percent(70) && claimed < 8n ** 11n ? octal(Number(claimed), 11) : base256(claimed);
    const header = tarHeader(random.pick(['a', 'd/', '../x', '\u001b[0m', 'n'.repeat(100)]), 0, {
      type,
      sizeField,
      linkName: random.pick(['', 'a', '../..']),
    });
    if (random.percent(30)) {
      for (let changes = random.size(5); changes > 0; changes--)
        header[random.below(512)] = random.below(256);
      if (random.percent(80)) setChecksum(header, 0, random.pick(['unsigned', 'signed']));
    }
    parts.push(
      header,
      body,
      random.percent(90) ? tarPadding(body.length, random.below(2)) : random.bytes(random.size(40)),
    );
  }
  return concatBytes([...parts, random.percent(70) ? tarEnd() : new Uint8Array(0)]);
}

function paxBody(random: Random): Uint8Array {
  const records = Array.from({ length: random.size(6) }, () => {
    const key = random.pick(['size', 'path', 'linkpath', 'GNU.sparse.name', 'mtime', '', 'path=']);
    const value = random.pick([
      '',
      '7',
      '../../x',
      'n'.repeat(900),
      `${edge(random)}`,
      '-1',
      '\0',
      '1e3',
      '٣',
    ]);
    const rest = ` ${key}=${value}\n`;
    const length = Buffer.byteLength(rest) + `${Buffer.byteLength(rest) + 3}`.length;
    return `${random.percent(80) ? length : edge(random)}${rest}`;
  });
  return ascii(records.join(''));
}

/** The walk over all bytes: what is skeleton, what is content, and which members there are. */
function walked(bytes: Uint8Array, random: (most: number) => number): { kinds: string; members: string } {
  const members: string[] = [];
  const walk = new TarWalk(({ name, type, sizeBytes, linkName }) => {
    if (Buffer.byteLength(name) > 3 * LIMITS.tarNameBytes) throw new TypeError('a name is too long');
    members.push(`${type} ${sizeBytes} ${name} ${linkName}`);
  });
  let kinds = '';
  for (let at = 0; at < bytes.length; ) {
    const { kind, remainingBytes } = walk;
    if (!(remainingBytes >= 1)) throw new TypeError('the walk stands still');
    const length = Math.min(random(remainingBytes), remainingBytes, bytes.length - at);
    if (kind === 'content') walk.content(length);
    else walk.skeleton(bytes.subarray(at, at + length));
    kinds += (kind === 'content' ? 'c' : 's').repeat(length);
    at += length;
  }
  return { kinds, members: members.join('\n') };
}

export const tarTarget: FuzzTarget = {
  name: 'tar-walk',
  runs: 'the walk over a tar, in large and in small steps, and over its skeleton alone',
  inputs: 60_000,
  shortInputs: 600,
  make(random) {
    if (random.percent(60))
      return random.percent(80) ? grammarTar(random) : mutated(random, grammarTar(random));
    return maybeMutated(random, random.pick(SMALL).bytes);
  },
  run(bytes) {
    const whole = walked(bytes, () => Number.MAX_SAFE_INTEGER);
    let step = 1;
    const pieces = walked(bytes, () => (step = (step * 7) % 509));
    if (whole.kinds !== pieces.kinds || whole.members !== pieces.members)
      throw new TypeError('how a tar is cut into calls makes a difference');
    return whole.members !== '';
  },
};

export const paxTarget: FuzzTarget = {
  name: 'pax-records',
  runs: 'the records of a PAX header',
  inputs: 60_000,
  shortInputs: 500,
  make: (random) =>
    random.percent(70) ? maybeMutated(random, paxBody(random)) : random.bytes(random.size(200)),
  run(bytes) {
    const { sizeBytes, path, linkPath } = parsePaxRecords(bytes, 0, bytes.length);
    if (sizeBytes !== null && !Number.isSafeInteger(sizeBytes))
      throw new TypeError('a size is no number of bytes');
    return sizeBytes !== null || path !== null || linkPath !== null;
  },
};
