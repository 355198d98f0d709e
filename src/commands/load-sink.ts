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

/** What `--format` takes; the last is podman's word for `oci`. */
export const FORMATS = ['docker-archive', 'oci-archive', 'oci', 'oci-dir'] as const;

/**
 * Reads what `-o` names: a file, `-` for standard output, or an address as skopeo spells it. A file holds the
 * tar that was saved where there is one; the addresses choose the form, and so does `format`, one of {@link FORMATS}.
 * @throws DbupError USAGE
 */
export function parseSink(text: string, format?: string): SinkRequest {
  if (text === '') {
    throw new DbupError('USAGE', '-o names nothing', {
      hint: 'Name a file, - for standard output, oci:DIR[:tag], oci-archive:FILE or docker-archive:FILE.',
    });
  }
  const address = parseImageAddress(text);
  if (address && format !== undefined) {
    throw new DbupError('USAGE', `--format ${format} and ${text} both say in which form`, {
      hint: 'Name a plain file or directory with -o, or leave --format out.',
    });
  }
  if (!address) return plainSink(text, format);
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

function plainSink(path: string, format: string | undefined): SinkRequest {
  if (format === 'docker-archive' || format === 'oci-archive')
    return { sink: { kind: 'file', path, format } };
  if (format === undefined) return { sink: { kind: 'file', path, format: 'saved' } };
  if (path !== '-') return { sink: { kind: 'oci-directory', path } };
  throw new DbupError('USAGE', 'an OCI layout is a directory and cannot go to standard output', {
    hint: 'Write --format oci-archive for the same in a tar.',
  });
}
