// delta-run <old file> <new file> <streams file>
// Cuts the new file in blocks of 2 MiB, codes each against the 5 MiB of the old one around the same place, in pieces of
// 64 KiB, rebuilds it, writes the streams for comparison and prints the CPU seconds as JSON.
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>

#include "delta.hpp"

namespace {

constexpr uint64_t kBlock = 2u << 20, kMargin = 3u << 19, kPiece = 1u << 16;

delta::Bytes read(const char *path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw std::runtime_error(std::string("cannot read ") + path);
  delta::Bytes bytes(static_cast<size_t>(file.tellg()));
  file.seekg(0).read(reinterpret_cast<char *>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void write_u32(std::ostream &out, size_t value) {
  const auto number = static_cast<uint32_t>(value);
  out.write(reinterpret_cast<const char *>(&number), 4);
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 4) return 2;
  const delta::Bytes older = read(arguments[1]), newer = read(arguments[2]);
  std::ofstream out(arguments[3], std::ios::binary);
  delta::Encoder encoder;
  delta::Streams streams;
  delta::Bytes rebuilt(kBlock), base;
  double encode_seconds = 0, decode_seconds = 0;
  for (uint64_t at = 0; at < newer.size(); at += kBlock) {
    const auto size = static_cast<uint32_t>(std::min<uint64_t>(kBlock, newer.size() - at));
    const uint64_t middle = at * older.size() / newer.size();
    const uint64_t first = middle > kMargin ? middle - kMargin : 0;
    const uint64_t end = std::min<uint64_t>(older.size(), middle + size + kMargin);
    std::vector<uint32_t> pieces;
    for (uint64_t p = first; p < end; p += kPiece) pieces.push_back(static_cast<uint32_t>(std::min(kPiece, end - p)));
    double start = cpu_seconds();
    const bool useful = encoder.encode(&older[first], pieces, &newer[at], size, streams);
    encode_seconds += cpu_seconds() - start;
    for (const delta::Bytes &stream : streams.bytes) write_u32(out, useful ? stream.size() : 0);
    if (!useful) continue;
    for (const delta::Bytes &stream : streams.bytes) {
      out.write(reinterpret_cast<const char *>(stream.data()), static_cast<std::streamsize>(stream.size()));
    }
    base.clear();
    for (uint32_t piece : streams.used_pieces) {
      const uint8_t *from = &older[first] + piece * kPiece;
      base.insert(base.end(), from, from + pieces[piece]);
    }
    start = cpu_seconds();
    const std::string wrong = decode(base.data(), static_cast<uint32_t>(base.size()), streams, rebuilt.data(), size);
    decode_seconds += cpu_seconds() - start;
    if (!wrong.empty() || !std::equal(rebuilt.begin(), rebuilt.begin() + size, &newer[at])) {
      std::cerr << "block at " << at << " is not rebuilt: " << wrong << "\n";
      return 1;
    }
  }
  std::cout << "{\"bytes\":" << newer.size() << ",\"encodeSeconds\":" << encode_seconds << ",\"decodeSeconds\":" << decode_seconds
            << "}\n";
}
