import { describe, expect, it } from 'vitest';
import { parseLoadAnswer } from '../../../src/image/engine/load-answer.js';

const ID = `sha256:${'ab'.repeat(32)}`;

describe('parseLoadAnswer', () => {
  it('reads one line a name and ids (docker)', () => {
    const text = `{"stream":"Loaded image: a/b:1\\n"}\r\n{"stream":"Loaded image ID: ${ID}\\n"}\r\n`;
    expect(parseLoadAnswer(text, 'E')).toEqual({
      messages: ['Loaded image: a/b:1', `Loaded image ID: ${ID}`],
      loaded: ['a/b:1', ID],
    });
  });

  it('reads all names in one message (podman)', () => {
    expect(
      parseLoadAnswer('{"stream":"Loaded image: localhost:5000/x:1,docker.io/y:2"}', 'E').loaded,
    ).toEqual(['localhost:5000/x:1', 'docker.io/y:2']);
  });

  it('keeps other messages, without their terminal escapes', () => {
    const text = '{"status":"Loading \\u001b[31mlayer\\u001b[0m"}\n{"progress":1}\n';
    expect(parseLoadAnswer(text, 'E')).toEqual({ messages: ['Loading  [31mlayer [0m'], loaded: [] });
  });

  it.each([
    ['{"stream":"x"}\n{"errorDetail":{"message":"no space left"},"error":"no space left"}'],
    ['{"error":"no space left"}'],
  ])('throws the engine’s own words of %s', (text) => {
    expect(() => parseLoadAnswer(text, 'E')).toThrow(
      expect.objectContaining({ code: 'ENGINE_ERROR', message: 'E did not load the image: no space left' }),
    );
  });

  it.each([['<html>'], ['42'], ['{"stream":']])('refuses %s', (text) => {
    expect(() => parseLoadAnswer(text, 'E')).toThrow(expect.objectContaining({ code: 'ENGINE_ERROR' }));
  });
});
