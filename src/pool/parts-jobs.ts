import { closeSync, openSync, readSync } from 'node:fs';
import type { CompressedFile } from '../compress/exact/byte-comparer.js';
import { type MakeStep, PartsMaker } from '../compress/exact/parts-maker.js';
import type { DeflateProver, SearchOptions } from '../compress/exact/prove-deflate.js';
import { type EncoderSpec, encoderName } from '../format/encoder-spec.js';
import { type EncodeAnswer, type EncodeSlot, SlotFiller } from './encode-slot.js';

/** Make the next bytes of an opened segment, answered by an {@link EncodeAnswer}. */
export interface MakeJob {
  type: 'make';
  /** Names the segment in the jobs that follow. */
  maker: number;
  slot: EncodeSlot;
  steps: readonly MakeStep[];
}

/** Nothing more is to be made of a segment. */
export interface EndMakeJob {
  type: 'end-make';
  maker: number;
}

/** Find the encoders that make some deflate streams. */
export interface ProvePartsJob {
  type: 'prove-parts';
  /** Memory shared with the thread, or a file. */
  source: Uint8Array<SharedArrayBuffer> | { path: string };
  streams: readonly DeflateRegion[];
  /** Where plain bytes go, as far as there is room. */
  plain: Uint8Array<SharedArrayBuffer>;
  /** Encoders to try first. */
  likely: readonly EncoderSpec[];
  maySearch: boolean;
}

/** Where a deflate stream lies, and the gzip header it had. */
export interface DeflateRegion {
  offsetBytes: number;
  sizeBytes: number;
  header: Uint8Array | null;
}

export type PartsJob = MakeJob | EndMakeJob | ProvePartsJob;

/** By stream: what makes it again; null where nothing was found. */
export interface ProvePartsAnswer {
  streams: readonly (ProvenStream | null)[];
  /** True when a search among all encoders found none. */
  hasSearchedInVain: boolean;
}

export interface ProvenStream {
  encoder: EncoderSpec;
  plainBytes: number;
  /** Where its plain bytes are in the job's memory; -1 where they had no room. */
  plainAt: number;
}

/** Encoders of a run of streams that are tried on the next. */
const MAX_LIKELY = 4;

const makers = new Map<number, PartsMaker>();

/** Does a job in the thread it came to, which has one prover. */
export function runPartsJob(job: PartsJob, prover: DeflateProver): unknown {
  switch (job.type) {
    case 'end-make':
      makers.delete(job.maker);
      return null;
    case 'make': {
      const maker = makers.get(job.maker) ?? new PartsMaker();
      makers.set(job.maker, maker);
      return make(maker, job);
    }
    case 'prove-parts':
      return prove(job, prover);
  }
}

function make(maker: PartsMaker, { slot, steps }: MakeJob): EncodeAnswer {
  const filler = new SlotFiller(slot);
  maker.make(slot.plain, steps, filler.take);
  return filler.answer;
}

function prove(
  { source, streams, plain, likely, maySearch }: ProvePartsJob,
  prover: DeflateProver,
): ProvePartsAnswer {
  const fd = 'path' in source ? openSync(source.path, 'r') : null;
  const read = (into: Uint8Array, position: number): number => {
    if (fd !== null) return readSync(fd, into, 0, into.length, position);
    into.set((source as Uint8Array).subarray(position, position + into.length));
    return into.length;
  };
  const recent = [...likely];
  let hasSearchedInVain = false;
  let fill = 0;
  const answers: (ProvenStream | null)[] = [];
  try {
    for (const region of streams) {
      const options: SearchOptions = {
        likely: recent,
        maySearch: maySearch && !hasSearchedInVain,
        header: region.header,
      };
      const proven = prover.prove(fileOf(region, read), options);
      hasSearchedInVain ||= options.maySearch && !proven;
      answers.push(null);
      if (!proven) continue;
      const { encoder, plainBytes } = proven;
      const fits = proven.plain !== null && plainBytes <= plain.length - fill;
      answers[answers.length - 1] = { encoder, plainBytes, plainAt: fits ? fill : -1 };
      if (fits) plain.set(proven.plain!, fill);
      if (fits) fill += plainBytes;
      addRecent(recent, encoder);
    }
  } finally {
    if (fd !== null) closeSync(fd);
  }
  return { streams: answers, hasSearchedInVain };
}

function fileOf(
  { offsetBytes, sizeBytes }: DeflateRegion,
  read: (into: Uint8Array, position: number) => number,
): CompressedFile {
  return {
    sizeBytes,
    read: (into, position) => {
      const length = Math.max(0, Math.min(into.length, sizeBytes - position));
      return length === 0 ? 0 : read(into.subarray(0, length), offsetBytes + position);
    },
  };
}

/** Puts an encoder at the head of a short list. */
export function addRecent(recent: EncoderSpec[], encoder: EncoderSpec): void {
  const name = encoderName(encoder);
  const at = recent.findIndex((other) => encoderName(other) === name);
  if (at === 0) return;
  if (at > 0) recent.splice(at, 1);
  recent.unshift(encoder);
  if (recent.length > MAX_LIKELY) recent.pop();
}
