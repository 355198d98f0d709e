import { type OpenedPart, OpenedPartsDecoder } from '../format/opened-parts.js';
import type { OpenedContent } from '../format/recipe.js';
import type { ByteSource } from './byte-source.js';
import { entryName, framesName } from './entry-names.js';

/** Of a local file header (PKWARE's APPNOTE, 4.3.7) and of a data descriptor. */
const HEADER_SIGNATURE = 0x04034b50;
const DESCRIPTOR_SIGNATURE = 0x08074b50;
const HEADER_BYTES = 30;
const DESCRIPTOR_BYTES = 16;
/** Names lie at the end of the frames before a stream; what is longer is a directory. */
const FRAME_TAIL_BYTES = 4096;

/** Something to find bases by: a file, a file in an archive, or a file's frames. */
export interface NamedStretch {
  name: string;
  /** Which stream of the segment it is in, and where. */
  stream: 'contents' | 'frames';
  atBytes: number;
  sizeBytes: number;
}

/** Tells where the files of an opened segment, and the files in them, are in its streams, as the file sizes of a tar come by. */
export class OpenedNames {
  readonly #parts: ByteSource;
  readonly #frames: ByteSource;
  readonly #decoder = new OpenedPartsDecoder();
  #part: OpenedPart | null = null;
  #leftBytes = 0;
  #contentsAt = 0;
  #framesAt = 0;
  /** Bytes of the segment that are accounted for; a list that does not agree says nothing more. */
  #leftInSegment: number;

  constructor({ sizeBytes }: OpenedContent, parts: ByteSource, frames: ByteSource) {
    this.#leftInSegment = sizeBytes;
    this.#parts = parts;
    this.#frames = frames;
  }

  /**
   * The stretches of the next file.
   * @throws RangeError when the list of parts is damaged; what its streams throw
   */
  async *next(fileName: string, sizeBytes: number): AsyncGenerator<NamedStretch> {
    const fileAt = this.#contentsAt;
    const framesAt = this.#framesAt;
    let tail: Buffer = Buffer.alloc(0);
    for (let left = Math.min(sizeBytes, this.#leftInSegment); left > 0; ) {
      const part = await this.#openPart();
      if (!part) break;
      const isWhole = part.kind === 'deflated';
      const made = isWhole ? part.deflatedBytes : Math.min(left, this.#leftBytes);
      const taken = isWhole ? part.sizeBytes : made;
      left -= made;
      this.#leftInSegment -= made;
      if (part.kind === 'frame') tail = await this.#readFrames(taken, tail);
      else {
        const name = lastName(tail);
        tail = Buffer.alloc(0);
        if (name !== null && this.#framesAt > framesAt) {
          const stretch = { atBytes: this.#contentsAt, sizeBytes: taken };
          yield { name: entryName(fileName, name), stream: 'contents', ...stretch };
        }
        this.#contentsAt += taken;
      }
      this.#leftBytes -= taken;
      if (this.#leftBytes === 0) this.#part = null;
    }
    if (this.#framesAt > framesAt) {
      const stretch = { atBytes: framesAt, sizeBytes: this.#framesAt - framesAt };
      yield { name: framesName(fileName), stream: 'frames', ...stretch };
    }
    yield { name: fileName, stream: 'contents', atBytes: fileAt, sizeBytes: this.#contentsAt - fileAt };
  }

  async close(): Promise<void> {
    await this.#parts.close();
    await this.#frames.close();
  }

  async #openPart(): Promise<OpenedPart | null> {
    while (!this.#part) {
      this.#part = this.#decoder.next();
      this.#leftBytes = this.#part?.sizeBytes ?? 0;
      if (this.#part) break;
      if (!(await this.#parts.advance())) return null;
      this.#decoder.push(this.#parts.current);
      this.#parts.consume(this.#parts.current.length);
    }
    return this.#part;
  }

  /** Moves on in the frames. @returns the last of them */
  async #readFrames(byteCount: number, before: Buffer): Promise<Buffer> {
    let tail = before;
    for (let left = byteCount; left > 0; ) {
      if (this.#frames.current.length === 0 && !(await this.#frames.advance())) break;
      const piece = this.#frames.current.subarray(0, left);
      tail = Buffer.concat([tail, piece.subarray(-FRAME_TAIL_BYTES)]).subarray(-FRAME_TAIL_BYTES);
      this.#frames.consume(piece.length);
      left -= piece.length;
    }
    this.#framesAt += byteCount;
    return tail;
  }
}

/** The name in the last of the local headers that some frames are, '' for those of a gzip file; null when there is none. */
function lastName(frames: Buffer): string | null {
  if (frames[0] === 0x1f && frames[1] === 0x8b) return '';
  let name: string | null = null;
  for (let at = 0; at + HEADER_BYTES <= frames.length; ) {
    const signature = frames.readUInt32LE(at);
    if (signature === DESCRIPTOR_SIGNATURE) {
      at += DESCRIPTOR_BYTES;
      continue;
    }
    if (signature !== HEADER_SIGNATURE) return null;
    const nameBytes = frames.readUInt16LE(at + 26);
    name = frames.toString('utf8', at + HEADER_BYTES, at + HEADER_BYTES + nameBytes);
    at += HEADER_BYTES + nameBytes + frames.readUInt16LE(at + 28);
  }
  return name;
}
