// Gear FastCDC as Xia et al. describe it (USENIX ATC 2016): skip to the minimum, a strict and a loose mask.
#include <array>

#include "parameters.hpp"

namespace dbup {
namespace {

std::array<std::uint64_t, 256> make_gear() {
  std::array<std::uint64_t, 256> gear{};
  std::uint64_t state = 1;
  for (auto& entry : gear) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    entry = z ^ (z >> 31);
  }
  return gear;
}

const std::array<std::uint64_t, 256> kGear = make_gear();

}  // namespace

std::size_t find_cut_fastcdc(const std::uint8_t* chunk, std::size_t length, const Parameters& parameters) {
  int bits = 0;
  while ((std::size_t{1} << bits) < parameters.avg_bytes) ++bits;
  const std::uint64_t strict = ~std::uint64_t{0} << (64 - bits - 2);
  const std::uint64_t loose = ~std::uint64_t{0} << (64 - bits + 2);
  const std::size_t end = length < parameters.max_bytes ? length : parameters.max_bytes;
  const std::size_t middle = end < parameters.avg_bytes ? end : parameters.avg_bytes;
  std::uint64_t hash = 0;
  std::size_t at = parameters.min_bytes;
  for (; at < middle; ++at) {
    hash = (hash << 1) + kGear[chunk[at]];
    if (!(hash & strict)) return at + 1;
  }
  for (; at < end; ++at) {
    hash = (hash << 1) + kGear[chunk[at]];
    if (!(hash & loose)) return at + 1;
  }
  return length >= parameters.max_bytes ? parameters.max_bytes : 0;
}

}  // namespace dbup
