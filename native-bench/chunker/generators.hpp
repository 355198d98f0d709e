// Seeded test data. test/chunk/generators.ts makes the same bytes: a checksum in every golden vector proves it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace dbup {

struct DataSpec {
  std::string generator;
  std::uint32_t seed;      // not 0
  std::uint32_t argument;  // what it means depends on the generator; 0 where it has none
  std::uint32_t length_bytes;
};

std::vector<std::uint8_t> generate(const DataSpec& spec);

std::uint32_t fnv1a32(const std::vector<std::uint8_t>& data);

}  // namespace dbup
