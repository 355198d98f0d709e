// Parameters of xgear-1 and what follows from them. docs/format.md is normative; this twin is written from it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dbup {

struct Parameters {
  std::size_t min_bytes = 16 * 1024;
  std::size_t avg_bytes = 64 * 1024;
  std::size_t max_bytes = 512 * 1024;
};

struct Masks {
  std::uint8_t outer, strict, loose;
};

inline constexpr std::uint8_t kTarget = 0x8b;
alignas(16) inline constexpr std::uint8_t kTable[16] = {0xdc, 0x63, 0xdb, 0x93, 0x2b, 0x09, 0xbf, 0xba,
                                                        0x33, 0xa9, 0x69, 0xbd, 0x2b, 0xbd, 0x02, 0xaa};

inline std::uint8_t top_bits(int count) { return static_cast<std::uint8_t>(0xff00 >> count); }

inline Masks masks_of(const Parameters& parameters) {
  int average_bits = 0;
  while ((std::size_t{1} << average_bits) < parameters.avg_bytes) ++average_bits;
  const int loose_bits = average_bits - 2;
  const int outer_bits = loose_bits / 2 < 8 ? loose_bits / 2 : 8;
  const int inner_bits = loose_bits - 2 * outer_bits;
  return {top_bits(outer_bits), top_bits(inner_bits + 4), top_bits(inner_bits)};
}

// The length of the first chunk in `length` bytes, or 0 when it does not end within them.
using FindCut = std::size_t (*)(const std::uint8_t* chunk, std::size_t length, const Parameters& parameters);

std::size_t find_cut_reference(const std::uint8_t* chunk, std::size_t length, const Parameters& parameters);
std::size_t find_cut_avx2(const std::uint8_t* chunk, std::size_t length, const Parameters& parameters);
std::size_t find_cut_avx512(const std::uint8_t* chunk, std::size_t length, const Parameters& parameters);

// Classic gear FastCDC with normalised chunking level 2: the yardstick of speed, with cuts of its own.
std::size_t find_cut_fastcdc(const std::uint8_t* chunk, std::size_t length, const Parameters& parameters);

struct Kernel {
  std::string name;
  FindCut find_cut;
};

// The xgear-1 variants this CPU can run, the reference first.
std::vector<Kernel> xgear_kernels();

// The end offsets of all chunks of a stream; the last chunk ends with the stream.
inline std::vector<std::size_t> cuts_of(FindCut find_cut, const std::uint8_t* data, std::size_t length,
                                        const Parameters& parameters) {
  std::vector<std::size_t> cuts;
  for (std::size_t start = 0; start < length;) {
    const std::size_t cut = find_cut(data + start, length - start, parameters);
    start = cut == 0 ? length : start + cut;
    cuts.push_back(start);
  }
  return cuts;
}

}  // namespace dbup
