import { DbupError } from '../core/errors.js';
import { parseImageAddress } from '../image/source.js';
import type { LoadSink } from '../operations/load.js';

/** Where an image goes, and the name the address gives it there. */
export interface SinkRequest {
  /** `engine` is opened when the command runs. */
  /** A file named `-` is standard output. */
  sink: Exclude<LoadSink, { kind: 'engine' | 'stream' }> | { kind: 'engine' };
  as?: string;
}

/**
 * Reads what `-o` names: a file, `-` for standard output, or an address as skopeo spells it. A file holds the
 * tar that was saved where there is one; the addresses choose the form.
 * @throws DbupError USAGE
 */
export function parseSink(text: string): SinkRequest {
  if (text === '') {
    throw new DbupError('USAGE', '-o names nothing', {
      hint: 'Name a file, - for standard output, oci:DIR[:tag], oci-archive:FILE or docker-archive:FILE.',
    });
  }
  const address = parseImageAddress(text);
  if (!address) return { sink: { kind: 'file', path: text, format: 'saved' } };
  switch (address.transport) {
    case 'docker-daemon':
      return { sink: { kind: 'engine' }, as: address.image };
    case 'oci': {
      const { path, tag } = address;
      return { sink: { kind: 'oci-directory', path, ...(tag !== null && tag !== '' && { tag }) } };
    }
    default: {
      const { transport, path, reference } = address;
      const sink = { kind: 'file' as const, path, format: transport };
      return reference === null ? { sink } : { sink, as: reference };
    }
  }
}
