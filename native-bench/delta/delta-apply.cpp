#include <algorithm>
#include <cstring>

#include "delta.hpp"

namespace delta {
namespace {

struct Reader {
  const Bytes &bytes;
  size_t at = 0;
  bool done() const { return at == bytes.size(); }
  bool next(uint32_t &value) {
    uint64_t sum = 0;
    for (int bits = 0; bits < 35 && !done(); bits += 7) {
      const uint8_t byte = bytes[at++];
      sum |= uint64_t{byte & 127u} << bits;
      if (byte < 128) {
        value = static_cast<uint32_t>(sum);
        return sum <= UINT32_MAX;
      }
    }
    return false;
  }
};

}  // namespace

std::string decode(const uint8_t *base, uint32_t base_bytes, const Streams &streams, uint8_t *plain, uint32_t plain_bytes) {
  Reader literal_lengths{streams.bytes[0]}, lengths{streams.bytes[1]}, shifts{streams.bytes[2]}, gaps{streams.bytes[3]};
  const Bytes &differences = streams.bytes[4], &literals = streams.bytes[5];
  size_t difference = 0, literal = 0;
  uint32_t at = 0, source_end = 0, gap = 0;
  bool pending = !gaps.done();
  if (pending && !gaps.next(gap)) return "gap";
  while (!literal_lengths.done()) {
    uint32_t before, length, shift;
    if (!literal_lengths.next(before) || !lengths.next(length) || !shifts.next(shift)) return "number";
    if (before > literals.size() - literal || before > plain_bytes - at) return "literals";
    std::memcpy(plain + at, literals.data() + literal, before);
    literal += before;
    at += before;
    const uint32_t source = source_end + before + ((shift >> 1) ^ (shift & 1 ? UINT32_MAX : 0));
    if (length == 0 || length > plain_bytes - at || source > base_bytes || length > base_bytes - source) return "copy";
    source_end = source + length;
    std::memcpy(plain + at, base + source, length);
    uint32_t k = 0;
    while (pending && gap < length - k) {
      k += gap;
      if (differences.size() - difference < 4) return "differences";
      uint8_t *p = plain + at + k;
      const uint32_t count = std::min(4u, length - k);
      if (count == 4) {
        uint32_t x, y;
        std::memcpy(&x, p, 4);
        std::memcpy(&y, &differences[difference], 4);
        x += y;
        std::memcpy(p, &x, 4);
      } else {
        for (uint32_t m = 0; m < count; m++) p[m] = static_cast<uint8_t>(p[m] + differences[difference + m]);
      }
      difference += 4;
      k += count;
      pending = !gaps.done();
      if (pending && !gaps.next(gap)) return "gap";
    }
    gap -= length - k;
    at += length;
  }
  if (literals.size() - literal != plain_bytes - at || pending || !lengths.done() || !shifts.done()) return "left over";
  if (plain_bytes > at) std::memcpy(plain + at, literals.data() + literal, plain_bytes - at);
  return difference == differences.size() ? "" : "left over";
}

}  // namespace delta
