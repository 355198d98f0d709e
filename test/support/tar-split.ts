import { type TarMember, TarWalk } from '../../src/archive/tar-walk.js';
import { concatBytes } from './tar-builder.js';

export interface SplitTar {
  skeleton: Uint8Array;
  content: Uint8Array;
  /** `s` and `c` with byte counts, neighbours of one kind joined: the whole split in one string. */
  trace: string;
  /** `type size name`, and ` > link` where one is named. */
  members: string[];
}

/** How many bytes come in the next piece, at the most. */
export type NextSlice = () => number;

const WHOLE: NextSlice = () => Number.POSITIVE_INFINITY;

export function describeMember(member: TarMember): string {
  const link = member.linkName === '' ? '' : ` > ${member.linkName}`;
  return `${member.type} ${member.sizeBytes} ${member.name}${link}`;
}

/** Walks over a tar in pieces; each piece given to the walk is scribbled over when the walk is done with it. */
export function splitTar(tar: Uint8Array, nextSlice: NextSlice = WHOLE): SplitTar {
  const members: string[] = [];
  const walk = new TarWalk((member) => members.push(describeMember(member)));
  const parts = { skeleton: [] as Uint8Array[], content: [] as Uint8Array[] };
  const runs: { kind: string; byteCount: number }[] = [];
  for (let at = 0; at < tar.length; ) {
    const { kind } = walk;
    const end = at + Math.min(walk.remainingBytes, tar.length - at, nextSlice());
    parts[kind].push(tar.slice(at, end));
    const last = runs.at(-1);
    if (last?.kind === kind) last.byteCount += end - at;
    else runs.push({ kind, byteCount: end - at });
    if (kind === 'content') walk.content(end - at);
    else feed(walk, tar.slice(at, end));
    at = end;
  }
  return {
    skeleton: concatBytes(parts.skeleton),
    content: concatBytes(parts.content),
    trace: runs.map(({ kind, byteCount }) => `${kind[0]}${byteCount}`).join(' '),
    members,
  };
}

/** Rebuilds a tar from what {@link splitTar} gave; fails when a part of either stream is left over. */
export function joinTar(split: SplitTar, nextSlice: NextSlice = WHOLE): Uint8Array {
  const walk = new TarWalk();
  const parts: Uint8Array[] = [];
  const used = { skeleton: 0, content: 0 };
  for (;;) {
    const { kind } = walk;
    const left = split[kind].length - used[kind];
    if (left === 0) break;
    const byteCount = Math.min(walk.remainingBytes, left, nextSlice());
    const piece = split[kind].slice(used[kind], used[kind] + byteCount);
    used[kind] += byteCount;
    parts.push(piece);
    if (kind === 'content') walk.content(byteCount);
    else feed(walk, piece.slice());
  }
  if (used.skeleton !== split.skeleton.length || used.content !== split.content.length) {
    throw new Error(
      `left over: ${JSON.stringify(used)} of ${split.skeleton.length}, ${split.content.length}`,
    );
  }
  return concatBytes(parts);
}

function feed(walk: TarWalk, own: Uint8Array): void {
  walk.skeleton(own);
  own.fill(0x31);
}
