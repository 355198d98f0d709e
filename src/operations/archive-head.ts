import { isTarHeader, TAR_BLOCK_BYTES, TarBlock } from '../archive/tar-header.js';
import { detectCompression } from '../compress/inflate.js';
import { DbupError } from '../core/errors.js';

/** @param head the first bytes of an archive, COMPRESSION_MAGIC_BYTES or more. @throws DbupError INPUT_NOT_AN_IMAGE when it is compressed */
export function refuseCompressed(head: Uint8Array, description: string): void {
  const compression = detectCompression(head);
  if (!compression) return;
  const tool = compression === 'gzip' ? 'gunzip' : 'zstd -d';
  throw new DbupError(
    'INPUT_NOT_AN_IMAGE',
    `${description} is compressed with ${compression}; dbup stores an archive as it is inside`,
    {
      hint: `Feed it decompressed: \`${tool} < FILE | dbup save -i -\`.`,
    },
  );
}

/** @param head the beginning of an archive: a block, or all there is. @throws DbupError INPUT_NOT_AN_IMAGE when no tar begins so */
export function refuseOtherThanTar(head: Uint8Array, description: string): void {
  refuseCompressed(head, description);
  const block = new TarBlock();
  block.bytes.set(head.subarray(0, TAR_BLOCK_BYTES));
  if (head.length < TAR_BLOCK_BYTES || !isTarHeader(block)) throw notAnArchive(description);
}

export function notAnArchive(description: string): DbupError {
  return new DbupError('INPUT_NOT_AN_IMAGE', `${description} is not a tar archive`, {
    hint: 'Give the output of `docker save`, `podman save` or `skopeo copy ... docker-archive:FILE`.',
  });
}
