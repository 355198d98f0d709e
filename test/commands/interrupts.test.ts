import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { Interrupts } from '../../src/commands/interrupts.js';

test('the first signal aborts, the second ends the process, and afterwards nothing is heard', () => {
  const emitter = new EventEmitter();
  const exits: number[] = [];
  let told = 0;
  const interrupts = new Interrupts(
    {
      on: (name, listener) => emitter.on(name, listener),
      off: (name, listener) => emitter.off(name, listener),
      exit: (code) => exits.push(code),
    },
    () => told++,
  );
  expect(interrupts.signal.aborted).toBe(false);
  emitter.emit('SIGTERM');
  expect([interrupts.signal.aborted, told, exits]).toEqual([true, 1, []]);
  emitter.emit('SIGINT');
  expect([told, exits]).toEqual([1, [130]]);
  interrupts.close();
  expect(emitter.eventNames()).toEqual([]);
});
