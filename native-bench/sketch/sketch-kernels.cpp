// sketch-kernels <file> <chunk bytes> <rounds>: one line of JSON with each kernel's speed on the chunks of that file,
// in bytes per second of CPU time. Each chunk is sketched `rounds` times in a row, so that all but one find it in cache.
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>

#include "sketch.hpp"

namespace {

std::uint32_t checksum_of(dbup::MakeSketch make_sketch, const std::vector<std::uint8_t>& data, std::size_t chunk,
                          std::size_t rounds) {
  std::uint32_t hash = 0x811c9dc5u;
  for (std::size_t at = 0; at + chunk <= data.size(); at += chunk)
    for (std::size_t round = 0; round < rounds; ++round)
      for (const std::uint32_t feature : make_sketch(data.data() + at, chunk)) hash = (hash ^ feature) * 0x01000193u;
  return hash;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: sketch-kernels <file> <chunk bytes> <rounds>\n";
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<std::uint8_t> data{std::istreambuf_iterator<char>(file), {}};
  const std::size_t chunk = std::strtoull(argv[2], nullptr, 10);
  const std::size_t rounds = std::strtoull(argv[3], nullptr, 10);
  if (chunk == 0 || rounds == 0 || data.size() < chunk) {
    std::cerr << argv[1] << " cannot be read or is shorter than a chunk\n";
    return 1;
  }
  const std::uint32_t golden = checksum_of(dbup::sketch_reference, data, chunk, 1);
  std::cout << R"({"checksum":)" << golden << R"(,"bytesPerSecond":{)";
  bool is_first = true;
  for (const dbup::SketchKernel& kernel : dbup::sketch_kernels()) {
    if (checksum_of(kernel.make_sketch, data, chunk, 1) != golden) {
      std::cerr << kernel.name << " differs from the reference\n";
      return 1;
    }
    const std::clock_t start = std::clock();
    const volatile std::uint32_t kept = checksum_of(kernel.make_sketch, data, chunk, rounds);
    static_cast<void>(kept);
    const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    const double bytes = static_cast<double>(data.size() / chunk * chunk * rounds);
    std::cout << (is_first ? "" : ",") << '"' << kernel.name << R"(":)" << static_cast<std::uint64_t>(bytes / seconds);
    is_first = false;
  }
  std::cout << "}}\n";
  return 0;
}
