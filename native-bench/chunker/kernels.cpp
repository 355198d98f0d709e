// kernels <file>: one line of JSON with each kernel's speed on that file, in bytes per second of CPU time.
// kernels --generate <file> <bytes>: writes mixed data to measure with.
#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>

#include "generators.hpp"
#include "parameters.hpp"

namespace {

int generate_file(const std::string& path, std::size_t length) {
  std::ofstream file(path, std::ios::binary);
  const char* const generators[] = {"executable", "text", "random"};
  std::uint32_t seed = 1;
  for (std::size_t written = 0; written < length; ++seed) {
    const auto part = static_cast<std::uint32_t>(std::min<std::size_t>(4 << 20, length - written));
    const auto data = dbup::generate({generators[seed % 3], seed, 0, part});
    file.write(reinterpret_cast<const char*>(data.data()), part);
    written += part;
  }
  return file.flush() ? 0 : 1;
}

double bytes_per_second(dbup::FindCut find_cut, const std::vector<std::uint8_t>& data) {
  const std::clock_t start = std::clock();
  const auto cuts = dbup::cuts_of(find_cut, data.data(), data.size(), dbup::Parameters{});
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  return cuts.empty() ? 0 : static_cast<double>(data.size()) / seconds;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--generate") return generate_file(argv[2], std::strtoull(argv[3], nullptr, 10));
  if (argc != 2) {
    std::cerr << "usage: kernels <file> | kernels --generate <file> <bytes>\n";
    return 2;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const std::vector<std::uint8_t> data{std::istreambuf_iterator<char>(file), {}};
  if (data.empty()) {
    std::cerr << argv[1] << " cannot be read or is empty\n";
    return 1;
  }
  std::vector<dbup::Kernel> kernels = dbup::xgear_kernels();
  const auto golden = dbup::cuts_of(kernels[0].find_cut, data.data(), data.size(), dbup::Parameters{});
  for (const dbup::Kernel& kernel : kernels) {
    if (dbup::cuts_of(kernel.find_cut, data.data(), data.size(), dbup::Parameters{}) != golden) {
      std::cerr << kernel.name << " differs from the reference\n";
      return 1;
    }
  }
  kernels.push_back({"fastcdc scalar", dbup::find_cut_fastcdc});
  std::uint32_t checksum = 0x811c9dc5u;
  for (const std::size_t cut : golden) checksum = (checksum ^ static_cast<std::uint32_t>(cut)) * 0x01000193u;
  std::cout << R"({"cutsChecksum":)" << checksum << R"(,"chunks":)" << golden.size() << R"(,"bytesPerSecond":{)";
  for (std::size_t index = 0; index < kernels.size(); ++index) {
    std::cout << (index ? "," : "") << '"' << kernels[index].name << R"(":)"
              << static_cast<std::uint64_t>(bytes_per_second(kernels[index].find_cut, data));
  }
  std::cout << "}}\n";
  return 0;
}
