// sketch-vectors <directory>: writes the golden vectors. A file that is there already must come out the same:
// golden files are added to, never changed.
#include <fstream>
#include <iostream>
#include <sstream>

#include "../chunker/generators.hpp"
#include "sketch.hpp"

namespace {

using dbup::DataSpec;

std::vector<DataSpec> ordinary_data(std::uint32_t length) {
  return {
      {"random", 1, 0, length},       {"random", 2, 0, length - 13},   {"text", 3, 0, length},
      {"executable", 4, 0, length},   {"sparse", 5, 0, length},        {"constant", 1, 0, length},
      {"constant", 1, 255, length},   {"counter", 1000, 0, length},    {"every-eighth", 1, 0, length},
      {"periodic", 6, 2, length},     {"periodic", 7, 3, length},      {"periodic", 8, 7, length},
      {"periodic", 9, 24, length},    {"periodic", 10, 97, length},    {"periodic", 11, 4096, length},
      {"periodic", 12, 70001, length},
  };
}

// Lengths around the smallest chunk and around the steps of vector code, and short ones whose classes are not all full.
std::vector<DataSpec> edge_data() {
  std::vector<DataSpec> specs;
  for (const std::uint32_t length : {0u, 1u, 19u, 20u, 63u})
    specs.push_back({"random", 40, 0, length});
  for (std::uint32_t length = 64; length <= 200; length += length < 90 ? 1 : 11)
    specs.push_back({"every-eighth", 1, 0, length});
  for (std::uint32_t length = 64; length <= 2000; length += 97) specs.push_back({"random", 41 + length, 0, length});
  for (std::uint32_t length = 64; length <= 2000; length += 197) specs.push_back({"executable", 42 + length, 0, length});
  return specs;
}

bool render(std::ostream& out, const DataSpec& spec) {
  const std::vector<std::uint8_t> data = dbup::generate(spec);
  const dbup::Sketch golden = dbup::sketch_reference(data.data(), data.size());
  for (const dbup::SketchKernel& kernel : dbup::sketch_kernels()) {
    if (kernel.make_sketch(data.data(), data.size()) == golden) continue;
    std::cerr << kernel.name << " differs from the reference on " << spec.generator << " seed " << spec.seed
              << " argument " << spec.argument << " length " << spec.length_bytes << "\n";
    return false;
  }
  out << R"({"generator":")" << spec.generator << R"(","seed":)" << spec.seed << R"(,"argument":)" << spec.argument
      << R"(,"lengthBytes":)" << spec.length_bytes << R"(,"dataFnv1a32":)" << dbup::fnv1a32(data) << R"(,"sketch":[)";
  for (std::size_t kind = 0; kind < dbup::kFeatures; ++kind) out << (kind ? "," : "") << golden[kind];
  out << "]}";
  return true;
}

bool write_vectors(const std::string& path, const std::vector<DataSpec>& specs) {
  std::ostringstream out;
  out << "[";
  for (std::size_t index = 0; index < specs.size(); ++index) {
    out << (index == 0 ? "\n" : ",\n");
    if (!render(out, specs[index])) return false;
  }
  out << "\n]\n";
  std::ifstream existing(path);
  if (existing) {
    std::ostringstream old;
    old << existing.rdbuf();
    if (old.str() == out.str()) return true;
    std::cerr << path << " would change: that is a change of the pool format\n";
    return false;
  }
  std::ofstream file(path);
  file << out.str();
  return static_cast<bool>(file.flush());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: sketch-vectors <directory>\n";
    return 2;
  }
  const std::string directory = std::string(argv[1]) + "/";
  const bool is_written = write_vectors(directory + "edges.json", edge_data()) &&
                          write_vectors(directory + "ordinary.json", ordinary_data(65536)) &&
                          write_vectors(directory + "large.json", ordinary_data(3 * 1024 * 1024));
  return is_written ? 0 : 1;
}
