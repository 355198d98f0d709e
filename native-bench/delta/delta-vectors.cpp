// delta-vectors <directory>
// Writes golden vectors that are missing, and fails when one that is there would change.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>

#include "delta.hpp"

namespace {

using delta::Bytes;

struct Random {
  uint32_t state;
  uint32_t operator()() {
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
  }
};

Bytes bytes_of(Random &random, size_t size, uint32_t values) {
  Bytes bytes(size);
  for (uint8_t &byte : bytes) byte = static_cast<uint8_t>((random() >> 8) % values);
  return bytes;
}

void add32(Bytes &bytes, size_t at, uint32_t difference) {
  for (unsigned i = 0; i < 4; i++) {
    difference += bytes[at + i];
    bytes[at + i] = static_cast<uint8_t>(difference);
    difference >>= 8;
  }
}

Bytes slice(const Bytes &bytes, size_t from, size_t to) {
  return Bytes(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.begin() + static_cast<std::ptrdiff_t>(to));
}

Bytes join(const std::vector<Bytes> &parts) {
  Bytes whole;
  for (const Bytes &part : parts) whole.insert(whole.end(), part.begin(), part.end());
  return whole;
}

struct Case {
  Bytes base, plain;
  std::vector<uint32_t> piece_bytes;
};

std::vector<uint32_t> pieces(size_t size, uint32_t longest) {
  std::vector<uint32_t> cut;
  for (size_t at = 0; at < size; at += cut.back()) cut.push_back(static_cast<uint32_t>(std::min<size_t>(longest, size - at)));
  return cut;
}

std::map<std::string, Case> cases() {
  Random random{20261122};
  std::map<std::string, Case> all;
  const Bytes code = bytes_of(random, 6000, 40);
  Bytes shifted = code;
  for (size_t at = 10; at + 4 <= shifted.size(); at += 16 + random() % 20) add32(shifted, at, 0xfffffe70u + random() % 2);
  all["shifted-addresses"] = {code, shifted, pieces(code.size(), 2000)};
  const Bytes inserted = join({slice(code, 0, 1501), bytes_of(random, 77, 256), slice(code, 1501, 6000)});
  all["insert"] = {code, inserted, pieces(code.size(), 6000)};
  all["remove-and-move"] = {code, join({slice(code, 4000, 5990), slice(code, 200, 1900)}), pieces(code.size(), 512)};
  all["unused-pieces"] = {code, join({slice(code, 2100, 2900), slice(code, 5100, 5700)}), pieces(code.size(), 1000)};
  Bytes dense = code;
  for (size_t at = 0; at < dense.size(); at += 4 + random() % 24) dense[at] = static_cast<uint8_t>(random());
  all["dense-mismatches"] = {code, dense, pieces(code.size(), 6000)};
  Bytes records;
  for (uint32_t i = 0; i < 250; i++) {
    Bytes record = bytes_of(random, 4, 256);
    record.resize(24);
    record[8] = 8;
    record[16] = static_cast<uint8_t>(i);
    records.insert(records.end(), record.begin(), record.end());
  }
  all["records-out-of-step"] = {records, join({slice(records, 0, 2000), slice(records, 2048, 6000)}), pieces(6000, 1024)};
  all["zeros"] = {Bytes(4000), join({Bytes(3000), Bytes(9, 1), Bytes(500)}), pieces(4000, 4000)};
  all["one-byte-pieces"] = {slice(code, 0, 300), slice(shifted, 40, 290), pieces(300, 1)};
  return all;
}

std::string base64(const Bytes &bytes) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; i++) group = group << 8 | (at + i < bytes.size() ? bytes[at + i] : 0u);
    for (unsigned i = 0; i < 4; i++) text += at + i <= bytes.size() ? digits[group >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

template <typename List, typename Show>
std::string list(const List &values, Show show) {
  std::ostringstream text;
  const char *separator = "";
  for (const auto &value : values) {
    text << separator << show(value);
    separator = ", ";
  }
  return "[" + text.str() + "]";
}

std::string quoted(const Bytes &bytes) { return '"' + base64(bytes) + '"'; }

std::string render(const Case &one) {
  delta::Encoder encoder;
  delta::Streams streams;
  const bool useful = encoder.encode(one.base.data(), one.piece_bytes, one.plain.data(), static_cast<uint32_t>(one.plain.size()), streams);
  if (!useful) throw std::runtime_error("a vector's base is of no use");
  const auto number = [](uint32_t value) { return std::to_string(value); };
  std::ostringstream text;
  text << "{\n  \"base\": " << quoted(one.base) << ",\n  \"pieceBytes\": " << list(one.piece_bytes, number)
       << ",\n  \"plain\": " << quoted(one.plain) << ",\n  \"usedPieces\": " << list(streams.used_pieces, number)
       << ",\n  \"streams\": " << list(streams.bytes, quoted) << "\n}\n";
  return text.str();
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 2) return 2;
  std::filesystem::create_directories(arguments[1]);
  for (const auto &[name, one] : cases()) {
    const auto path = std::filesystem::path(arguments[1]) / (name + ".json");
    const std::string text = render(one);
    if (std::ifstream file(path); file) {
      const std::string there{std::istreambuf_iterator<char>(file), {}};
      if (there == text) continue;
      std::cerr << path << " would change\n";
      return 1;
    }
    std::ofstream(path) << text;
  }
}
