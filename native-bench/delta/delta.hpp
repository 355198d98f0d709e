// The twin of src/compress/delta: finds the same copies and makes the same streams, and rebuilds from them.
// docs/format.md, "Delta block", says what streams mean; how copies are found is dbup's own choice.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace delta {

using Bytes = std::vector<uint8_t>;

struct Copy {
  uint32_t literals;
  uint32_t length;
  uint32_t source;
};

/** Literal lengths, copy lengths, shifts, gaps, differences, literals; and the base pieces they need. */
struct Streams {
  std::array<Bytes, 6> bytes;
  std::vector<uint32_t> used_pieces;
};

/** Memory that is used again block after block. */
struct Encoder {
  std::vector<uint32_t> table;
  std::vector<Copy> copies;
  /** False when the base is of little use. */
  bool encode(const uint8_t *base, const std::vector<uint32_t> &piece_bytes, const uint8_t *plain, uint32_t plain_bytes,
              Streams &streams);
};

/** Rebuilds `plain_bytes` from the used pieces of the base; empty, or what is wrong. */
std::string decode(const uint8_t *base, uint32_t base_bytes, const Streams &streams, uint8_t *plain, uint32_t plain_bytes);

}  // namespace delta
