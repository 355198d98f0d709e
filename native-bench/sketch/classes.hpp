// What both variants do with a sampled window: hash it and keep the least hash of its class.
#pragma once
#include <algorithm>
#include <cstring>

#include "sketch.hpp"

namespace dbup {

constexpr std::size_t kSmallestChunk = 64;
constexpr std::size_t kWindow = 20;
constexpr std::uint8_t kSampleMask = 0xfc;
constexpr std::uint8_t kSampleTarget = 0x88;

template <typename Word>
Word little_endian(const std::uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);  // x86-64 is little-endian
  return word;
}

inline std::uint64_t hash_window(const std::uint8_t* last) {
  const std::uint8_t* const window = last - (kWindow - 1);
  std::uint64_t x = little_endian<std::uint64_t>(window) * 0x9e3779b97f4a7c15u;
  x ^= x >> 32;
  x = (x ^ little_endian<std::uint64_t>(window + 8)) * 0xbf58476d1ce4e5b9u;
  x ^= x >> 32;
  x = (x ^ little_endian<std::uint32_t>(window + 16)) * 0x94d049bb133111ebu;
  x ^= x >> 29;
  x *= 0xd6e8feb86659fd93u;
  return x ^ (x >> 32);
}

class Classes {
 public:
  Classes() { least_.fill(~std::uint64_t{0}); }

  void take(std::uint64_t x) {
    auto& least = least_[((x >> 32 & 0xffff) * kFeatures) >> 16];
    least = std::min(least, x);
  }

  // No hash from here on changes anything.
  std::uint64_t bound() const { return *std::max_element(least_.begin(), least_.end()); }

  Sketch features() const {
    Sketch features{};
    for (std::size_t kind = 0; kind < kFeatures; ++kind)
      if (least_[kind] != ~std::uint64_t{0}) features[kind] = static_cast<std::uint32_t>(least_[kind]);
    return features;
  }

 private:
  std::array<std::uint64_t, kFeatures> least_;
};

}  // namespace dbup
