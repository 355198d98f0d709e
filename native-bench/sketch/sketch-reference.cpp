// The definition of a sketch in the order it is told: difference, sample, hash, class, least.
#include "../chunker/parameters.hpp"
#include "classes.hpp"

namespace dbup {
namespace {

std::uint8_t u(const std::uint8_t* at) { return static_cast<std::uint8_t>(*at + kTable[*at & 15]); }

std::uint8_t s(const std::uint8_t* at) {
  return static_cast<std::uint8_t>(u(at) - u(at - 1) - u(at - 2) + u(at - 3) - u(at - 4) + u(at - 5) + u(at - 6) -
                                   u(at - 7));
}

}  // namespace

Sketch sketch_reference(const std::uint8_t* chunk, std::size_t length) {
  Classes classes;
  if (length < kSmallestChunk) return classes.features();
  for (const std::uint8_t* last = chunk + kWindow - 1; last < chunk + length; ++last)
    if ((s(last) & kSampleMask) == kSampleTarget) classes.take(hash_window(last));
  return classes.features();
}

}  // namespace dbup
