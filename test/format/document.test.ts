import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chunkerMasks } from '../../src/chunk/chunker.js';
import { LIMITS } from '../../src/core/limits.js';
import { decodeDescriptor } from '../../src/format/descriptor.js';
import { checkPackHeader, decodePackFooter } from '../../src/format/pack.js';
import { decodePackTrailer } from '../../src/format/pack-trailer.js';
import { decodeRecipe } from '../../src/format/recipe.js';
import { decodeSnapshot } from '../../src/format/snapshot.js';
import { sha256Hex, writePool } from './hand-made-pool.js';
import { extractArchive, loadArchive, withDirectory } from './pool-run.js';
import { ARCHIVE, TINY_BLOCKS, tinyPool } from './tiny-image.js';
import { dump, filesInDocument } from './worked-example.js';

const DOCUMENT = readFileSync(new URL('../../docs/format.md', import.meta.url), 'utf8');
const FILES = filesInDocument(DOCUMENT);

function only(directory: string): { name: string; bytes: Uint8Array } {
  const found = [...FILES].filter(([name]) => name.startsWith(directory));
  expect(found).toHaveLength(1);
  return { name: found[0]![0].slice(directory.length), bytes: found[0]![1] };
}

function decodePack() {
  const { name, bytes } = only('packs/');
  checkPackHeader(bytes, name);
  const trailer = decodePackTrailer(bytes.slice(-32), bytes.length, name);
  const footerAt = bytes.length - 32 - trailer.footerBytes;
  return decodePackFooter(bytes.slice(footerAt, -32), trailer, name);
}

describe('the worked example of docs/format.md', () => {
  it('is the pool that is built here from the rules', () => {
    const built = tinyPool();
    expect([...FILES.keys()]).toEqual([...built.keys()]);
    for (const [name, bytes] of built) expect(Buffer.from(FILES.get(name)!).equals(bytes), name).toBe(true);
  });

  it('names its files by their digests', () => {
    for (const directory of ['packs/', 'snapshots/']) {
      const { name, bytes } = only(directory);
      expect(sha256Hex(bytes)).toBe(name);
    }
  });

  it('is shown as hexdump would, characters and all', () => {
    const blocks = [...DOCUMENT.matchAll(/^```hexdump\n([\s\S]*?)\n```$/gm)].map(([, lines]) =>
      lines!.split('\n'),
    );
    const { bytes } = only('packs/');
    const starts = blocks.map((lines) => Number.parseInt(lines[0]!.slice(0, 8), 16));
    expect(blocks.length).toBeGreaterThan(5);
    blocks.forEach((lines, i) => {
      const part = bytes.subarray(starts[i]!, starts[i + 1] ?? bytes.length);
      expect(lines).toEqual(dump(part, starts[i]!));
    });
  });

  it('is read by the decoders', () => {
    const footer = decodePack();
    expect(footer.blocks.map(({ codec, kind, chunkCount }) => [codec, kind, chunkCount])).toEqual(
      TINY_BLOCKS.map(({ codec, kind, chunks }) => [codec, kind, chunks.length]),
    );
    const { bytes } = only('packs/');
    const recipes = footer.blocks[2]!;
    let at = recipes.offsetBytes;
    const decoded = [5, 6, 7].map((chunk) => {
      const recipe = decodeRecipe(bytes.slice(at, at + footer.chunkBytes[chunk]!), 'r');
      at += footer.chunkBytes[chunk]!;
      return recipe;
    });
    expect(decoded.map(({ kind }) => kind)).toEqual(['tar', 'plain', 'tar']);
    expect(decoded[2]!.sizeBytes).toBe(ARCHIVE.length);
    const snapshot = decodeSnapshot(only('snapshots/').bytes, 's');
    expect(snapshot.reference).toBe('hello:1');
    expect(decodeDescriptor(FILES.get('dbup-pool.json')!, 'd').chunker.avgBytes).toBe(65_536);
  });

  it('gives the image back, by dbup and by the independent reader', async () => {
    await withDirectory(async (directory) => {
      const pool = join(directory, 'pool');
      await writePool(pool, FILES);
      expect(Buffer.from(await loadArchive(pool, 'hello:1')).equals(ARCHIVE)).toBe(true);
      expect(Buffer.from(await extractArchive(pool, 'hello:1')).equals(ARCHIVE)).toBe(true);
    });
  });
});

describe('docs/format.md', () => {
  it('states the limits that the code has', () => {
    const rows = [...DOCUMENT.matchAll(/^\| [^|]+ \| ([\d,]+)(?: bytes)? \| `(\w+)` \|$/gm)];
    const stated = rows.map(([, value, name]) => [name, Number(value!.replaceAll(',', ''))]);
    expect(stated).toHaveLength(25);
    for (const [name, value] of stated)
      expect([name, LIMITS[name as keyof typeof LIMITS]]).toEqual([name, value]);
  });

  it('states the masks that the chunker has', () => {
    const hex = (mask: number): string => mask.toString(16).padStart(2, '0');
    const { outer, loose, strict } = chunkerMasks(65_536);
    expect(DOCUMENT).toContain(`For 65,536: ${hex(outer)}, ${hex(loose)}, ${hex(strict)}.`);
  });

  it('links to headings that exist', () => {
    const headings = [...DOCUMENT.matchAll(/^#+ (.*)$/gm)].map(([, text]) =>
      text!
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, anchor] of DOCUMENT.matchAll(/\]\(#([^)]+)\)/g)) expect(headings).toContain(anchor);
  });
});
