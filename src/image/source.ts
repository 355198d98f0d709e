import { DbupError } from '../core/errors.js';

/** Where an image is read from or written to, spelled as skopeo spells it. */
export type ImageAddress =
  | { transport: 'docker-daemon'; image: string }
  | { transport: 'docker-archive'; path: string; reference: string | null }
  | { transport: 'oci-archive'; path: string; reference: string | null }
  | { transport: 'oci'; path: string; tag: string | null };

const TRANSPORTS = ['docker-daemon', 'docker-archive', 'oci-archive', 'oci'] as const;

/** Reads `TRANSPORT:REST`; null when the text has no known transport before its first colon. @throws DbupError USAGE */
export function parseImageAddress(text: string): ImageAddress | null {
  const colon = text.indexOf(':');
  const transport = TRANSPORTS.find((name) => name === text.slice(0, colon));
  if (!transport) return null;
  const rest = text.slice(colon + 1);
  if (rest === '') {
    throw new DbupError('USAGE', `${text} names nothing after the colon`, {
      hint: 'Write oci:DIR[:tag], docker-archive:FILE, oci-archive:FILE or docker-daemon:IMAGE.',
    });
  }
  if (transport === 'docker-daemon') return { transport, image: rest };
  // As skopeo has it, the first colon ends the path.
  const end = rest.indexOf(':');
  const path = end < 0 ? rest : rest.slice(0, end);
  const suffix = end < 0 ? null : rest.slice(end + 1);
  return transport === 'oci' ? { transport, path, tag: suffix } : { transport, path, reference: suffix };
}
