/* Compresses with the zlib it is linked to, raw deflate, for ../zlib/oracle.mjs.
 *
 * With no argument it reads cases from standard input, little-endian u32: level, memLevel, dictionary bytes, plain
 * bytes, steps; then the dictionary, the plain bytes and the steps as i32: a write size, or -1 for a sync flush. It
 * writes each stream after its length as a u32. With three, LEVEL MEMLEVEL PATH, it writes a file's stream. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { WINDOW_BYTES = 1 << 20 };

static void fail(const char *what) {
  fprintf(stderr, "zlib oracle: %s\n", what);
  exit(2);
}

static void *allocate(size_t size) {
  void *bytes = malloc(size + 1);
  if (bytes == NULL) fail("no memory");
  return bytes;
}

static void begin(z_stream *stream, int level, int mem_level) {
  memset(stream, 0, sizeof *stream);
  if (deflateInit2(stream, level, Z_DEFLATED, -15, mem_level, Z_DEFAULT_STRATEGY) != Z_OK) fail("deflateInit2");
}

static void run(z_stream *stream, int flush) {
  int result = deflate(stream, flush);
  if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) fail("deflate");
}

static void read_exactly(void *to, size_t size) {
  if (fread(to, 1, size, stdin) != size) fail("the input ends early");
}

static void compress_case(const uint32_t *head) {
  uint32_t dictionary_bytes = head[2], plain_bytes = head[3], step_count = head[4];
  uint8_t *dictionary = allocate(dictionary_bytes), *plain = allocate(plain_bytes);
  int32_t *steps = allocate(4 * (size_t)step_count);
  read_exactly(dictionary, dictionary_bytes);
  read_exactly(plain, plain_bytes);
  read_exactly(steps, 4 * (size_t)step_count);
  size_t room = plain_bytes + plain_bytes / 4 + 16 * (size_t)step_count + 4096;
  uint8_t *out = allocate(room);
  z_stream stream;
  begin(&stream, (int)head[0], (int)head[1]);
  if (dictionary_bytes > 0 && deflateSetDictionary(&stream, dictionary, dictionary_bytes) != Z_OK) fail("dictionary");
  stream.next_in = plain;
  stream.next_out = out;
  stream.avail_out = (uInt)room;
  for (uint32_t i = 0; i < step_count; i++) {
    if (steps[i] >= 0) stream.avail_in = (uInt)steps[i];
    run(&stream, steps[i] < 0 ? Z_SYNC_FLUSH : Z_NO_FLUSH);
    if (stream.avail_in != 0) fail("no room");
  }
  run(&stream, Z_FINISH);
  uint32_t total = (uint32_t)stream.total_out;
  deflateEnd(&stream);
  if (fwrite(&total, 4, 1, stdout) != 1 || fwrite(out, 1, total, stdout) != total) fail("cannot write");
  free(out);
  free(steps);
  free(plain);
  free(dictionary);
}

static void compress_file(int level, int mem_level, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) fail("cannot open");
  uint8_t *in = allocate(WINDOW_BYTES), *out = allocate(WINDOW_BYTES);
  z_stream stream;
  begin(&stream, level, mem_level);
  int flush;
  do {
    stream.avail_in = (uInt)fread(in, 1, WINDOW_BYTES, file);
    stream.next_in = in;
    flush = feof(file) ? Z_FINISH : Z_NO_FLUSH;
    do {
      stream.next_out = out;
      stream.avail_out = WINDOW_BYTES;
      run(&stream, flush);
      fwrite(out, 1, WINDOW_BYTES - stream.avail_out, stdout);
    } while (stream.avail_out == 0);
  } while (flush != Z_FINISH);
  deflateEnd(&stream);
  fclose(file);
}

int main(int count, char **arguments) {
  if (count == 2) return puts(zlibVersion()) < 0;
  if (count == 4) {
    compress_file(atoi(arguments[1]), atoi(arguments[2]), arguments[3]);
    return 0;
  }
  uint32_t head[5];
  while (fread(head, sizeof head, 1, stdin) == 1) compress_case(head);
  return 0;
}
