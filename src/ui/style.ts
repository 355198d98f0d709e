/** How text is set off on a terminal. Every function gives its text back as it is where colour is not wanted. */
export interface Style {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  yellow(text: string): string;
}

const ESCAPE = '\u001b[';

/** Colour goes to terminals only, and to none where NO_COLOR is set (https://no-color.org) or TERM is `dumb`. */
export function styleFor(stream: { isTTY?: boolean }, env: NodeJS.ProcessEnv): Style {
  const wanted = stream.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb';
  const wrap =
    (on: number, off: number) =>
    (text: string): string =>
      wanted ? `${ESCAPE}${on}m${text}${ESCAPE}${off}m` : text;
  return { bold: wrap(1, 22), dim: wrap(2, 22), red: wrap(31, 39), yellow: wrap(33, 39) };
}
