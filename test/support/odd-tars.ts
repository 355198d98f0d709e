import { LIMITS } from '../../src/core/limits.js';
import {
  ascii,
  base256,
  concatBytes,
  gnuLong,
  gnuSparseFile,
  noise,
  paxBody,
  paxHeader,
  type TarFileOptions,
  tarDirectory,
  tarEnd,
  tarFile,
  tarHeader,
  tarLink,
  tarPadding,
} from './tar-builder.js';

/** A tar that real tools make, or that no tool should, and what a walk over it must find. */
export interface OddTar {
  name: string;
  bytes: Uint8Array;
  /** The file contents in it, one after another: everything else is skeleton. */
  content: Uint8Array;
  /** Its members, each as `type size name` and ` > link` where one is named. */
  members: string[];
  /** Other readers that understand it and agree on names and sizes. */
  readers: ('gnu' | 'tar-stream')[];
}

type Facts = Partial<Omit<OddTar, 'name' | 'bytes' | 'content'>> & { content?: Uint8Array[] };

const BOTH: OddTar['readers'] = ['gnu', 'tar-stream'];
const ONE = noise(1, 1000);
const TWO = noise(2, 512);
const THREE = noise(3, 77);
const LONG = `deep/${'directory-name/'.repeat(12)}file`;
const NAME_4K = `${'n'.repeat(250)}/`.repeat(16).concat('end');

function odd(name: string, parts: Uint8Array[], facts: Facts = {}): OddTar {
  const { content = [], members = [], readers = [] } = facts;
  return { name, bytes: concatBytes(parts), content: concatBytes(content), members, readers };
}

/** A file `one` with a size field of its own, and a plain file after it. */
function withSizeField(name: string, sizeField: Uint8Array, facts: Facts): OddTar {
  const options: TarFileOptions = { sizeField, format: 'gnu' };
  return odd(name, [tarFile('one', ONE, options), tarFile('three', THREE), tarEnd()], facts);
}

const ordinary: OddTar[] = [
  odd('empty', []),
  odd('end-marker-only', [tarEnd()], { readers: BOTH }),
  odd(
    'ustar',
    [tarDirectory('d/'), tarFile('d/one', ONE), tarFile('d/none', new Uint8Array(0)), tarEnd(18)],
    {
      content: [ONE],
      members: ['5 0 d/', '0 1000 d/one', '0 0 d/none'],
      readers: BOTH,
    },
  ),
  odd('ustar-prefix', [tarFile('file', ONE, { prefix: 'a/b/c' }), tarEnd()], {
    content: [ONE],
    members: ['0 1000 a/b/c/file'],
    readers: BOTH,
  }),
  odd('full-name-and-prefix', [tarFile('n'.repeat(100), ONE, { prefix: 'p'.repeat(155) }), tarEnd()], {
    content: [ONE],
    members: [`0 1000 ${'p'.repeat(155)}/${'n'.repeat(100)}`],
    readers: BOTH,
  }),
  odd('v7', [tarFile('one', ONE, { format: 'v7', type: '\0' }), tarEnd()], {
    content: [ONE],
    members: ['0 1000 one'],
    readers: BOTH,
  }),
  odd('contiguous', [tarFile('one', ONE, { type: '7' }), tarEnd()], {
    content: [ONE],
    members: ['7 1000 one'],
    readers: BOTH,
  }),
  odd('links', [tarFile('one', ONE), tarLink('hard', 'one', '1'), tarLink('soft', './one', '2'), tarEnd()], {
    content: [ONE],
    members: ['0 1000 one', '1 0 hard > one', '2 0 soft > ./one'],
    readers: BOTH,
  }),
  odd('duplicate-paths', [tarFile('same', ONE), tarFile('same', TWO), tarFile('same', ONE), tarEnd()], {
    content: [ONE, TWO, ONE],
    members: ['0 1000 same', '0 512 same', '0 1000 same'],
    readers: BOTH,
  }),
  odd('climbing-names', [tarFile('../../etc/passwd', ONE), tarFile('/etc/shadow', TWO), tarEnd()], {
    content: [ONE, TWO],
    members: ['0 1000 ../../etc/passwd', '0 512 /etc/shadow'],
    readers: BOTH,
  }),
  odd(
    'devices',
    [
      tarHeader('char', 0, { type: '3' }),
      tarHeader('block', 0, { type: '4' }),
      tarHeader('fifo', 0, { type: '6' }),
      tarEnd(),
    ],
    { members: ['3 0 char', '4 0 block', '6 0 fifo'], readers: ['tar-stream'] },
  ),
  odd(
    'tar-in-tar',
    [tarFile('in.tar', concatBytes([tarFile('one', ONE), tarEnd()])), tarFile('two', TWO), tarEnd()],
    {
      content: [tarFile('one', ONE), tarEnd(), TWO],
      members: ['0 2560 in.tar', '0 512 two'],
      readers: BOTH,
    },
  ),
];

const extended: OddTar[] = [
  odd(
    'gnu-long-name',
    [gnuLong('L', LONG), tarFile(LONG, ONE, { format: 'gnu' }), tarFile('two', TWO), tarEnd()],
    {
      content: [ONE, TWO],
      members: [`0 1000 ${LONG}`, '0 512 two'],
      readers: BOTH,
    },
  ),
  odd(
    'gnu-long-link',
    [
      gnuLong('K', LONG),
      gnuLong('L', `${LONG}-2`),
      tarLink('cut', 'cut', '2', { format: 'gnu' }),
      tarFile('two', TWO),
      tarEnd(),
    ],
    { content: [TWO], members: [`2 0 ${LONG}-2 > ${LONG}`, '0 512 two'], readers: BOTH },
  ),
  odd('name-of-4-kib', [gnuLong('L', NAME_4K), tarFile('cut', ONE, { format: 'gnu' }), tarEnd()], {
    content: [ONE],
    members: [`0 1000 ${NAME_4K}`],
    readers: BOTH,
  }),
  odd(
    'pax',
    [
      paxHeader([
        ['path', `größe/${LONG}`],
        ['mtime', '1700000000.123456789'],
        ['SCHILY.xattr.user.x', 'a=b\nc'],
      ]),
      tarFile('cut', ONE),
      paxHeader([['linkpath', '日本/ü']]),
      tarLink('soft', 'cut'),
      tarFile('two', TWO),
      tarEnd(),
    ],
    {
      content: [ONE, TWO],
      members: [`0 1000 größe/${LONG}`, '2 0 soft > 日本/ü', '0 512 two'],
      readers: BOTH,
    },
  ),
  odd(
    'pax-size',
    [
      paxHeader([['size', '1000']]),
      tarHeader('one', 0),
      ONE,
      tarPadding(1000),
      tarFile('two', TWO),
      tarEnd(),
    ],
    {
      content: [ONE, TWO],
      members: ['0 1000 one', '0 512 two'],
      readers: BOTH,
    },
  ),
  odd(
    'pax-size-odd',
    [
      paxHeader([
        ['size', '77'],
        ['size', '-5'],
        ['size', '9007199254740992'],
      ]),
      tarFile('three', THREE, { sizeField: ascii('0') }),
      tarEnd(),
    ],
    {
      content: [THREE],
      members: ['0 77 three'],
    },
  ),
  odd(
    'pax-size-taken-back',
    [
      paxHeader([
        ['size', '9'],
        ['size', ''],
      ]),
      tarFile('three', THREE),
      tarEnd(),
    ],
    {
      content: [THREE],
      members: ['0 77 three'],
    },
  ),
  odd(
    'pax-twice',
    [
      paxHeader([
        ['size', '9'],
        ['path', 'lost'],
      ]),
      paxHeader([['path', 'kept']]),
      tarFile('three', THREE),
      tarEnd(),
    ],
    {
      content: [THREE],
      members: ['0 77 kept'],
    },
  ),
  odd(
    'pax-malformed',
    [
      tarFile(
        'x',
        concatBytes([paxBody([['path', 'kept']]), ascii('99 size=1\n'), paxBody([['size', '1']])]),
        { type: 'x' },
      ),
      tarFile('three', THREE),
      tarEnd(),
    ],
    {
      content: [THREE],
      members: ['0 77 kept'],
    },
  ),
  odd(
    'pax-global',
    [
      paxHeader(
        [
          ['comment', 'c'],
          ['path', 'not-this'],
          ['size', '1'],
        ],
        'g',
      ),
      tarFile('three', THREE),
      tarEnd(),
    ],
    {
      content: [THREE],
      members: ['0 77 three'],
    },
  ),
  odd('pax-solaris', [paxHeader([['path', 'sun']], 'X'), tarFile('cut', THREE), tarEnd()], {
    content: [THREE],
    members: ['0 77 sun'],
    readers: ['gnu'],
  }),
  odd(
    'pax-huge',
    [
      paxHeader([
        ['comment', 'x'.repeat(LIMITS.tarExtensionBytes)],
        ['path', 'unread'],
        ['size', '1'],
      ]),
      tarFile('three', THREE),
      tarEnd(),
    ],
    {
      content: [THREE],
      members: ['0 77 three'],
    },
  ),
  odd(
    'pax-name-over-limit',
    [paxHeader([['path', 'p'.repeat(LIMITS.tarNameBytes + 9)]]), tarFile('three', THREE), tarEnd()],
    {
      content: [THREE],
      members: [`0 77 ${'p'.repeat(LIMITS.tarNameBytes)}`],
    },
  ),
  odd(
    'pax-before-opaque',
    [
      paxHeader([
        ['path', 'gone'],
        ['size', '1'],
      ]),
      tarEnd(1),
      tarFile('three', THREE),
      tarEnd(),
    ],
    {
      content: [THREE],
      members: ['0 77 three'],
    },
  ),
  odd('gnu-sparse', [gnuSparseFile('sparse', ONE, 0), tarFile('two', TWO), tarEnd()], {
    content: [ONE, TWO],
    members: ['S 1000 sparse', '0 512 two'],
    readers: ['gnu'],
  }),
  odd('gnu-sparse-chain', [gnuSparseFile('sparse', noise(9, 2000), 3), tarFile('two', TWO), tarEnd()], {
    content: [noise(9, 2000), TWO],
    members: ['S 2000 sparse', '0 512 two'],
  }),
  odd(
    'pax-sparse-1.0',
    [
      paxHeader([
        ['GNU.sparse.major', '1'],
        ['GNU.sparse.minor', '0'],
        ['GNU.sparse.name', 'sparse'],
        ['GNU.sparse.realsize', '66536'],
        ['path', 'GNUSparseFile.0/sparse'],
      ]),
      tarFile('GNUSparseFile.0/sparse', concatBytes([ascii('1\n65536\n1000\n'), new Uint8Array(499), ONE])),
      tarFile('two', TWO),
      tarEnd(),
    ],
    {
      content: [ascii('1\n65536\n1000\n'), new Uint8Array(499), ONE, TWO],
      members: ['0 1512 sparse', '0 512 two'],
    },
  ),
];

const numbers: OddTar[] = [
  withSizeField('base-256-size', base256(1000n), {
    content: [ONE, THREE],
    members: ['0 1000 one', '0 77 three'],
    readers: BOTH,
  }),
  // Of headers that are not understood, the content is opaque too: noise holds no header.
  withSizeField('base-256-negative', base256(-1000n), { content: [THREE], members: ['0 77 three'] }),
  withSizeField('size-2^63', base256(2n ** 63n), { content: [THREE], members: ['0 77 three'] }),
  withSizeField('size-2^53', base256(2n ** 53n), { content: [THREE], members: ['0 77 three'] }),
  withSizeField('size-no-number', ascii('12x45678901\0'), { content: [THREE], members: ['0 77 three'] }),
  withSizeField('size-blank', new Uint8Array(12).fill(0x20), {
    content: [THREE],
    members: ['0 0 one', '0 77 three'],
  }),
  withSizeField('size-spaces', ascii('       1750 '), {
    content: [ONE, THREE],
    members: ['0 1000 one', '0 77 three'],
    readers: BOTH,
  }),
  withSizeField('size-12-digits', ascii('000000001750'), {
    content: [ONE, THREE],
    members: ['0 1000 one', '0 77 three'],
    readers: BOTH,
  }),
  withSizeField('size-beyond-the-end', base256(2n ** 53n - 1n), {
    content: [ONE, tarPadding(1000), tarFile('three', THREE), tarEnd()],
    members: ['0 9007199254740991 one'],
  }),
  odd('extension-beyond-the-end', [
    tarHeader('x', 0, { type: 'x', sizeField: base256(2n ** 53n - 1n) }),
    ONE,
    tarFile('three', THREE),
  ]),
  odd('base-256-mtime', [tarFile('one', ONE, { mtime: base256(-86_400n), format: 'gnu' }), tarEnd()], {
    content: [ONE],
    members: ['0 1000 one'],
    readers: BOTH,
  }),
  odd(
    'links-with-sizes',
    [
      tarHeader('hard', 512, { type: '1', linkName: 'x' }),
      tarHeader('dir/', 99, { type: '5' }),
      tarFile('two', TWO),
      tarEnd(),
    ],
    {
      content: [TWO],
      members: ['1 0 hard > x', '5 0 dir/', '0 512 two'],
    },
  ),
  odd('unknown-type', [tarFile('one', ONE, { type: 'Q' }), tarFile('two', TWO, { type: '\xff' }), tarEnd()], {
    content: [ONE, TWO],
    members: ['Q 1000 one', '\xff 512 two'],
  }),
  odd('signed-checksum', [tarFile('größe-ÿÿÿ', ONE, { checksum: 'signed' }), tarFile('two', TWO), tarEnd()], {
    content: [ONE, TWO],
    members: ['0 1000 größe-ÿÿÿ', '0 512 two'],
    readers: ['gnu'],
  }),
];

const damaged: OddTar[] = [
  odd(
    'bad-checksum',
    [tarFile('one', ONE), tarFile('two', TWO, { checksum: 'bad' }), tarFile('three', THREE), tarEnd()],
    {
      content: [ONE, THREE],
      members: ['0 1000 one', '0 77 three'],
    },
  ),
  odd('no-end-marker', [tarFile('one', ONE)], { content: [ONE], members: ['0 1000 one'], readers: BOTH }),
  odd('one-zero-block', [tarFile('one', ONE), tarEnd(1)], {
    content: [ONE],
    members: ['0 1000 one'],
    readers: ['tar-stream'],
  }),
  odd('files-after-the-end', [tarFile('one', ONE), tarEnd(), tarFile('two', TWO), tarEnd()], {
    content: [ONE, TWO],
    members: ['0 1000 one', '0 512 two'],
  }),
  odd('trailing-garbage', [tarFile('one', ONE), tarEnd(), noise(4, 1300)], {
    content: [ONE],
    members: ['0 1000 one'],
  }),
  odd('partial-last-block', [tarFile('one', ONE), tarHeader('two', 512).subarray(0, 511)], {
    content: [ONE],
    members: ['0 1000 one'],
  }),
  odd(
    'non-zero-padding',
    [tarFile('one', ONE, { paddingByte: 0xee }), tarFile('three', THREE, { paddingByte: 0x30 }), tarEnd()],
    {
      content: [ONE, THREE],
      members: ['0 1000 one', '0 77 three'],
      readers: BOTH,
    },
  ),
  odd('truncated-in-content', [tarHeader('one', 1000), ONE.subarray(0, 300)], {
    content: [ONE.subarray(0, 300)],
    members: ['0 1000 one'],
  }),
  odd('truncated-in-pax', [tarFile('one', ONE), paxHeader([['path', LONG]]).subarray(0, 600)], {
    content: [ONE],
    members: ['0 1000 one'],
  }),
  odd('truncated-in-sparse-chain', [gnuSparseFile('s', noise(9, 2000), 3).subarray(0, 1100)], {
    members: ['S 2000 s'],
  }),
  odd(
    'names-with-nul',
    [tarFile(ascii('one\0hidden'), ONE), paxHeader([['path', 'two\0hidden']]), tarFile('cut', TWO), tarEnd()],
    {
      content: [ONE, TWO],
      members: ['0 1000 one', '0 512 two'],
    },
  ),
  odd('name-not-utf-8', [tarFile(Uint8Array.of(0x61, 0xff, 0x62), ONE), tarEnd()], {
    content: [ONE],
    members: ['0 1000 a\ufffdb'],
  }),
  odd('no-name', [tarFile('', ONE), gnuLong('L', ''), tarFile('kept', TWO), tarEnd()], {
    content: [ONE, TWO],
    members: ['0 1000 ', '0 512 kept'],
  }),
  odd('not-a-tar', [noise(5, 5000)]),
];

/** Every odd tar. */
export const ODD_TARS: readonly OddTar[] = [...ordinary, ...extended, ...numbers, ...damaged];

/** The first `byteCount` bytes of a tar with most kinds of members in it. */
export function truncatedTar(byteCount: number): Uint8Array {
  const parts = ODD_TARS.filter(({ name }) =>
    ['pax', 'gnu-long-link', 'gnu-sparse-chain', 'links'].includes(name),
  );
  return concatBytes(parts.map(({ bytes }) => bytes)).subarray(0, byteCount);
}
