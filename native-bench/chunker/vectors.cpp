// vectors <directory>: writes the golden vectors. A file that is there already must come out the same:
// golden files are added to, never changed.
#include <fstream>
#include <iostream>
#include <sstream>

#include "generators.hpp"
#include "parameters.hpp"

namespace {

using dbup::DataSpec;
using dbup::Parameters;

const std::vector<DataSpec>& ordinary_data(std::uint32_t length) {
  static std::vector<DataSpec> specs;
  specs = {
      {"random", 1, 0, length},       {"random", 2, 0, length - 13},   {"text", 3, 0, length},
      {"executable", 4, 0, length},   {"sparse", 5, 0, length},        {"constant", 1, 0, length},
      {"constant", 1, 255, length},   {"constant", 1, 65, length - 1}, {"counter", 1000, 0, length},
      {"every-eighth", 1, 0, length}, {"periodic", 6, 2, length},      {"periodic", 7, 3, length},
      {"periodic", 8, 7, length},     {"periodic", 9, 24, length},     {"periodic", 10, 97, length},
      {"periodic", 11, 4096, length}, {"periodic", 12, 70001, length},
  };
  return specs;
}

// Lengths and planted cuts on both sides of every bound.
std::vector<DataSpec> edge_data(const Parameters& parameters) {
  std::vector<DataSpec> specs;
  for (const std::size_t bound : {parameters.min_bytes, parameters.avg_bytes, parameters.max_bytes}) {
    for (int delta = -1; delta <= 1; ++delta) {
      const auto at = static_cast<std::uint32_t>(bound) + static_cast<std::uint32_t>(delta);
      const auto length = static_cast<std::uint32_t>(parameters.max_bytes) + 77;
      specs.push_back({"random", 21, 0, at});
      specs.push_back({"constant", 1, 0, at});
      specs.push_back({"planted-strict", 1, at, length});
      specs.push_back({"planted-loose", 1, at, length});
      specs.push_back({"planted-strict", 1, at, at});
    }
  }
  return specs;
}

bool render(std::ostream& out, const DataSpec& spec, const Parameters& parameters) {
  const std::vector<std::uint8_t> data = dbup::generate(spec);
  std::vector<std::size_t> golden;
  for (const dbup::Kernel& kernel : dbup::xgear_kernels()) {
    const auto cuts = dbup::cuts_of(kernel.find_cut, data.data(), data.size(), parameters);
    if (golden.empty()) golden = cuts;
    if (cuts != golden) {
      std::cerr << kernel.name << " differs from the reference on " << spec.generator << " seed " << spec.seed
                << " argument " << spec.argument << " length " << spec.length_bytes << "\n";
      return false;
    }
  }
  out << R"({"generator":")" << spec.generator << R"(","seed":)" << spec.seed << R"(,"argument":)" << spec.argument
      << R"(,"lengthBytes":)" << spec.length_bytes << R"(,"dataFnv1a32":)" << dbup::fnv1a32(data)
      << R"(,"parameters":{"algorithm":"xgear-1","minBytes":)" << parameters.min_bytes << R"(,"avgBytes":)"
      << parameters.avg_bytes << R"(,"maxBytes":)" << parameters.max_bytes << R"(},"cuts":[)";
  for (std::size_t index = 0; index < golden.size(); ++index) out << (index ? "," : "") << golden[index];
  out << "]}";
  return true;
}

bool write_vectors(const std::string& path, const std::vector<DataSpec>& specs,
                   const std::vector<Parameters>& all_parameters) {
  std::ostringstream out;
  out << "[";
  bool is_first = true;
  for (const Parameters& parameters : all_parameters) {
    for (const DataSpec& spec : specs) {
      out << (is_first ? "\n" : ",\n");
      is_first = false;
      if (!render(out, spec, parameters)) return false;
    }
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
    std::cerr << "usage: vectors <directory>\n";
    return 2;
  }
  const std::string directory = std::string(argv[1]) + "/";
  const Parameters usual{};
  const Parameters smallest{64, 128, 129};
  const Parameters small{64, 256, 2048};
  const Parameters odd{1000, 4096, 20011};
  const Parameters largest{65536, 2097152, 4194304};
  const bool is_written =
      write_vectors(directory + "default.json", ordinary_data(2 * 1024 * 1024), {usual}) &&
      write_vectors(directory + "small.json", ordinary_data(24 * 1024), {smallest, small}) &&
      write_vectors(directory + "odd.json", ordinary_data(200 * 1000), {odd}) &&
      write_vectors(directory + "edges-default.json", edge_data(usual), {usual}) &&
      write_vectors(directory + "edges-small.json", edge_data(small), {small}) &&
      write_vectors(directory + "largest.json", {{"random", 31, 0, 20000000}, {"executable", 32, 0, 20000000}}, {largest});
  return is_written ? 0 : 1;
}
