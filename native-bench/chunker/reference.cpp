// The definition of xgear-1 in the order it is told: s1, s2, s4, s8, three comparisons.
#include "parameters.hpp"

namespace dbup {
namespace {

std::uint8_t s1(const std::uint8_t* at) { return static_cast<std::uint8_t>(*at + kTable[*at & 15]); }
std::uint8_t s2(const std::uint8_t* at) { return static_cast<std::uint8_t>(s1(at) - s1(at - 1)); }
std::uint8_t s4(const std::uint8_t* at) { return static_cast<std::uint8_t>(s2(at) - s2(at - 2)); }
std::uint8_t s8(const std::uint8_t* at) { return static_cast<std::uint8_t>(s4(at) - s4(at - 4)); }

bool matches(std::uint8_t value, std::uint8_t mask) { return (value & mask) == (kTarget & mask); }

}  // namespace

std::size_t find_cut_reference(const std::uint8_t* chunk, std::size_t length, const Parameters& parameters) {
  const Masks masks = masks_of(parameters);
  for (std::size_t size = parameters.min_bytes; size <= length; ++size) {
    if (size == parameters.max_bytes) return size;
    const std::uint8_t* last = chunk + size - 1;
    const std::uint8_t inner = size < parameters.avg_bytes ? masks.strict : masks.loose;
    if (matches(s8(last), masks.outer) && matches(s8(last - 16), masks.outer) && matches(s8(last - 8), inner))
      return size;
  }
  return 0;
}

}  // namespace dbup
