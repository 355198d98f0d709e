import { describe, expect, it } from 'vitest';
import { TurnQueue } from '../../src/pool/turn-queue.js';

/** Jobs that end when they are told to, and what they did. */
function jobs() {
  const log: string[] = [];
  const ends = new Map<string, () => void>();
  const job = (name: string) => (): Promise<void> => {
    log.push(name);
    return new Promise((resolve) => ends.set(name, resolve));
  };
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const end = (name: string): Promise<void> => {
    ends.get(name)!();
    return settle();
  };
  return { log, job, end, settle };
}

describe('a turn queue', () => {
  it('begins jobs in order, so many at a time', async () => {
    const { log, job, end, settle } = jobs();
    const queue = new TurnQueue(2);
    const turns = ['a', 'b', 'c', 'd'].map((name) => queue.add(job(name)));
    await settle();
    expect(log).toEqual(['a', 'b']);
    await end('b');
    expect(log).toEqual(['a', 'b', 'c']);
    await end('a');
    expect(log).toEqual(['a', 'b', 'c', 'd']);
    await end('c');
    await end('d');
    await Promise.all(turns.map(({ done }) => done));
  });

  it('lets a hurried job begin once, out of turn, in nobody’s place', async () => {
    const { log, job, end, settle } = jobs();
    const queue = new TurnQueue(1);
    queue.add(job('a'));
    queue.add(job('b'));
    const { hurry, done } = queue.add(job('c'));
    hurry();
    hurry();
    await settle();
    expect(log).toEqual(['a', 'c']);
    await end('c');
    await done;
    expect(log).toEqual(['a', 'c']);
    await end('a');
    expect(log).toEqual(['a', 'c', 'b']);
    await end('b');
    expect(log).toEqual(['a', 'c', 'b']);
  });

  it('goes on after a job that failed', async () => {
    const queue = new TurnQueue(1);
    const failing = queue.add(() => Promise.reject(new Error('no')));
    const next = queue.add(() => Promise.resolve());
    await expect(failing.done).rejects.toThrow('no');
    await next.done;
  });
});
