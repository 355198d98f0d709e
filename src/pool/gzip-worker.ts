import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { GzipRebuilder } from '../compress/exact/gzip-rebuilder.js';
import { KernelStock } from '../compress/exact/kernel-stock.js';
import { DeflateProver } from '../compress/exact/prove-deflate.js';
import { probeGzip, proveGzip } from '../compress/exact/prove-gzip.js';
import { ProverMemory } from '../compress/exact/prover-memory.js';
import { type CorrectionStep, GzipCorrector } from '../compress/exact/tokens/correct-gzip.js';
import type { WorkerAnswer } from '../stream/worker-pool.js';
import { type EncodeAnswer, SlotFiller } from './encode-slot.js';
import type { CorrectJob, EncodeJob, FileRegion, GzipJob, ProbeJob, ProveJob } from './gzip-jobs.js';
import { runPartsJob } from './parts-jobs.js';
import { FedPlain } from './plain-feeder.js';

const streams = new Map<number, GzipRebuilder>();
const kernels = new KernelStock();
/** Null where no model is near enough. */
const correctors = new Map<number, { corrector: GzipCorrector | null; fd: number }>();
const memory = new ProverMemory();
const prover = new DeflateProver(memory);
/** One at a time works in that memory. */
let proofs: Promise<unknown> = Promise.resolve();
/** A fed proof waits for its bytes while others work, and has a memory of its own. */
let fedMemory: ProverMemory | undefined;
let fedProofs: Promise<unknown> = Promise.resolve();
const feeds = new Map<number, FedPlain>();

async function run(job: GzipJob): Promise<unknown> {
  switch (job.type) {
    case 'probe':
      return inTurn(() => examine(job));
    case 'prove':
      return job.feed === undefined ? inTurn(() => examine(job)) : proveFed(job, job.feed);
    case 'feed':
      return feeds.get(job.feed)?.give(job) ?? false;
    case 'prove-parts':
      return inTurn(() => runPartsJob(job, prover));
    case 'open':
      streams.set(
        job.stream,
        new GzipRebuilder(job.members, job.trailing, job.stretch?.part, job.stretch?.history, kernels),
      );
      return null;
    case 'encode':
      return encode(streams.get(job.stream), job);
    case 'correct':
      return correct(job);
    case 'close':
      streams.get(job.stream)?.release();
      streams.delete(job.stream);
      endCorrecting(job.stream);
      return null;
    default:
      return runPartsJob(job, prover);
  }
}

function inTurn(proof: () => unknown): Promise<unknown> {
  const answer = proofs.then(proof);
  proofs = answer.catch(() => {});
  return answer;
}

/** What is fed may come from now on. */
async function proveFed(job: ProveJob, number: number): Promise<unknown> {
  const feed = new FedPlain();
  feeds.set(number, feed);
  fedMemory ??= new ProverMemory();
  const inFedMemory = { feed, memory: fedMemory };
  const answer = fedProofs.then(() => examine(job, inFedMemory));
  fedProofs = answer.catch(() => {});
  try {
    return await answer;
  } finally {
    feeds.delete(number);
    feed.close();
  }
}

function correct({ stream, region }: CorrectJob): CorrectionStep {
  let open = correctors.get(stream);
  if (!open) {
    const fd = openSync(region.path, 'r');
    open = { corrector: null, fd };
    correctors.set(stream, open);
    open.corrector = GzipCorrector.open({ sizeBytes: region.sizeBytes, read: readerOf(fd, region) });
  }
  return open.corrector?.step() ?? null;
}

function endCorrecting(stream: number): void {
  const open = correctors.get(stream);
  correctors.delete(stream);
  if (open) closeSync(open.fd);
}

function readerOf(fd: number, { offsetBytes, sizeBytes }: FileRegion) {
  return (into: Uint8Array, position: number): number =>
    readSync(fd, into, 0, Math.max(0, Math.min(into.length, sizeBytes - position)), offsetBytes + position);
}

async function examine(
  job: ProbeJob | ProveJob,
  fed: { feed?: FedPlain; memory: ProverMemory } = { memory },
): Promise<unknown> {
  const { path, sizeBytes } = job.region;
  const cancelled = new Int32Array(job.cancelled);
  const isCancelled = (): boolean => Atomics.load(cancelled, 0) !== 0;
  const fd = openSync(path, 'r');
  try {
    const read = readerOf(fd, job.region);
    const options = { last: job.last, isCancelled, ...fed };
    return await (job.type === 'probe' ? probeGzip : proveGzip)({ sizeBytes, read }, options);
  } finally {
    closeSync(fd);
  }
}

function encode(
  rebuilder: GzipRebuilder | undefined,
  { slot, plainBytes, isLast, lookaheadBytes, frames }: EncodeJob,
): EncodeAnswer {
  if (!rebuilder) throw new Error('a gzip file that was not begun');
  const filler = new SlotFiller(slot);
  rebuilder.correct(frames);
  rebuilder.write(slot.plain.subarray(0, plainBytes), filler.take);
  if (isLast) rebuilder.finish(filler.take, slot.plain.subarray(plainBytes, plainBytes + lookaheadBytes));
  return filler.answer;
}

parentPort!.on('message', async ({ id, job }: { id: number; job: GzipJob }) => {
  let answer: WorkerAnswer;
  try {
    answer = { id, value: await run(job) };
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    answer = { id, error: { message, ...(code !== undefined && { code }) } };
  }
  parentPort!.postMessage(answer);
});
