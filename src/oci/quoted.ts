const SHOWN_CHARACTERS = 120;

/**
 * `text` as it may stand in a message: in double quotes, cut after 120 characters, with every control
 * character escaped, so that text from a stranger can neither flood nor steer a terminal.
 */
export function quoted(text: string): string {
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  // JSON.stringify leaves DEL, the C1 controls and the bidirectional overrides as they are.
  return JSON.stringify(shown).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
