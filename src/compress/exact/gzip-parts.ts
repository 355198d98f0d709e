import type { Checkpoint } from '../../format/checkpoint-recipe.js';
import type { GzipMember, GzipRecipe } from '../../format/gzip-recipe.js';
import { DoesNotFitError } from './does-not-fit-error.js';
import { makeState, STATE_LOOKAHEAD_BYTES } from './resumable-encoder.js';

/** A stretch of a gzip file that can be made without what comes before it. */
export interface GzipPart {
  /** Where its plain bytes begin among all. */
  readonly plainAt: number;
  readonly plainBytes: number;
  /** Where it begins in the gzip file. */
  readonly encodedAt: number;
  /** Bytes of the gzip file; null for the last part, which goes on to the end. */
  readonly encodedBytes: number | null;
  /** The members it has bytes of: the first, and how many. */
  readonly firstMember: number;
  readonly memberCount: number;
  /** Of the first member, the plain bytes before the part, their CRC-32, and the encoder's state; null where it begins. */
  readonly memberBytesBefore: number;
  readonly crc: number;
  readonly state: Uint8Array | null;
  /** Whether its last member goes on in the next part; how many plain bytes of that are then wanted to make this one. */
  readonly endsWithin: boolean;
  readonly lookaheadBytes: number;
}

/** Where a checkpoint stands among the members. */
interface Mark extends Omit<Checkpoint, 'state'> {
  member: number;
  memberBytesBefore: number;
  state: Uint8Array | null;
}

/**
 * The parts of a gzip file, between its checkpoints; without any, all of it is one.
 * @throws DoesNotFitError when a checkpoint does not fit the members
 */
export function gzipParts(
  { members, inner, sizeBytes }: GzipRecipe,
  checkpoints: readonly Checkpoint[],
): GzipPart[] {
  const marks = [...marksOf(members, checkpoints)];
  if (marks.some(({ compressedBytes }) => compressedBytes >= sizeBytes)) {
    throw new DoesNotFitError('a checkpoint lies behind the end of its file');
  }
  return marks.map((mark, i) => {
    const next = marks[i + 1];
    const plainEnd = next?.plainBytes ?? inner.sizeBytes;
    const endsWithin = next !== undefined && next.memberBytesBefore > 0;
    const endMember = next ? next.member + (endsWithin ? 1 : 0) : members.length;
    return {
      plainAt: mark.plainBytes,
      plainBytes: plainEnd - mark.plainBytes,
      encodedAt: mark.compressedBytes,
      encodedBytes: next ? next.compressedBytes - mark.compressedBytes : null,
      firstMember: mark.member,
      memberCount: endMember - mark.member,
      memberBytesBefore: mark.memberBytesBefore,
      crc: mark.crc,
      state: mark.state,
      endsWithin,
      lookaheadBytes: endsWithin
        ? Math.min(STATE_LOOKAHEAD_BYTES, members[next.member]!.plainBytes - next.memberBytesBefore)
        : 0,
    };
  });
}

function* marksOf(members: readonly GzipMember[], checkpoints: readonly Checkpoint[]): Generator<Mark> {
  yield { plainBytes: 0, compressedBytes: 0, crc: 0, member: 0, memberBytesBefore: 0, state: null };
  let member = 0;
  let memberAt = 0;
  for (const { plainBytes, compressedBytes, crc, state: own } of checkpoints) {
    while (member < members.length && memberAt < plainBytes) {
      const endAt = memberAt + members[member]!.plainBytes;
      if (endAt > plainBytes) break;
      memberAt = endAt;
      member++;
    }
    if (member === members.length) throw new DoesNotFitError('a checkpoint lies behind the last member');
    const memberBytesBefore = plainBytes - memberAt;
    const hasState = own[0] !== 0;
    if (hasState !== memberBytesBefore > 0) throw new DoesNotFitError('a checkpoint has no fitting state');
    const state = hasState ? makeState(own, { plainBytes: memberBytesBefore, compressedBytes: 0 }) : null;
    yield { plainBytes, compressedBytes, crc, member, memberBytesBefore, state };
  }
}
