#include "generators.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>

namespace dbup {
namespace {

// Marsaglia's xorshift32.
class Random {
 public:
  explicit Random(std::uint32_t seed) : state_(seed) {}
  std::uint32_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 17;
    state_ ^= state_ << 5;
    return state_;
  }
  std::uint32_t below(std::uint32_t bound) { return next() % bound; }
  // The smaller of two draws: small values are common, as in most real data.
  std::uint32_t skewed(std::uint32_t bound) {
    const std::uint32_t first = below(bound);
    return std::min(first, below(bound));
  }

 private:
  std::uint32_t state_;
};

// Bytes up to a fixed length; what is pushed beyond it is dropped.
class Sink {
 public:
  explicit Sink(std::size_t length) : length_(length) { bytes.reserve(length); }
  bool full() const { return bytes.size() >= length_; }
  void push(std::uint32_t byte) {
    if (!full()) bytes.push_back(static_cast<std::uint8_t>(byte));
  }
  void push_u32(std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) push(value >> shift);
  }
  std::vector<std::uint8_t> bytes;

 private:
  std::size_t length_;
};

constexpr char kLetters[] = "etaoinshrdlucmfwypvbgkqjxz";
constexpr std::uint8_t kOpcodes[16] = {0x48, 0x8b, 0x89, 0xe8, 0x0f, 0x00, 0x85, 0x74,
                                       0x41, 0x83, 0xc3, 0x55, 0x5d, 0xff, 0x24, 0x31};

std::string word(Random& random) {
  std::string text;
  const std::uint32_t length = 2 + random.below(9);
  while (text.size() < length) text += kLetters[random.skewed(26)];
  return text;
}

void fill_random(Random& random, Sink& sink) {
  while (!sink.full()) sink.push_u32(random.next());
}

void fill_text(Random& random, Sink& sink) {
  std::vector<std::string> vocabulary;
  while (vocabulary.size() < 512) vocabulary.push_back(word(random));
  while (!sink.full()) {
    for (const char letter : vocabulary[random.skewed(512)]) sink.push(static_cast<std::uint8_t>(letter));
    const std::uint32_t separator = random.below(16);
    if (separator < 2) sink.push(separator == 0 ? '.' : ',');
    sink.push(separator == 0 ? '\n' : ' ');
  }
}

void push_code(Random& random, Sink& sink) {
  for (std::uint32_t left = 256 + random.below(4096); left > 0; --left) {
    const std::uint32_t kind = random.below(8);
    if (kind < 5) {
      sink.push(kOpcodes[random.skewed(16)]);
    } else if (kind == 5) {
      sink.push(random.next());
    } else {
      sink.push_u32(random.below(65536));
    }
  }
}

void push_symbols(Random& random, Sink& sink) {
  std::uint32_t name = 0;
  std::uint32_t address = 0x1000;
  for (std::uint32_t left = 16 + random.below(200); left > 0; --left) {
    sink.push_u32(name += 1 + random.below(24));
    sink.push_u32(0x000c0012);
    sink.push_u32(address += 16 * (1 + random.below(64)));
    sink.push_u32(0);
    sink.push_u32(random.below(4096));
    sink.push_u32(0);
  }
}

void fill_executable(Random& random, Sink& sink) {
  while (!sink.full()) {
    switch (random.below(4)) {
      case 0: push_code(random, sink); break;
      case 1: push_symbols(random, sink); break;
      case 2:
        for (std::uint32_t left = 32 + random.below(400); left > 0; --left) {
          for (const char letter : word(random)) sink.push(static_cast<std::uint8_t>(letter));
          sink.push(0);
        }
        break;
      default:
        do sink.push(0);
        while (!sink.full() && sink.bytes.size() % 4096 != 0);
    }
  }
}

void fill_sparse(Random& random, Sink& sink) {
  while (!sink.full()) {
    for (std::uint32_t left = random.below(200000); left > 0; --left) sink.push(0);
    for (std::uint32_t left = random.below(3000); left > 0; --left) sink.push(random.next());
  }
}

void fill_periodic(Random& random, Sink& sink, std::uint32_t period) {
  std::vector<std::uint32_t> pattern;
  while (pattern.size() < period) pattern.push_back(random.next());
  for (std::uint32_t index = 0; !sink.full(); ++index) sink.push(pattern[index % period]);
}

// After 7 zeros, 0x3c makes s8 the target and 0xbc makes it the target but for its top bit.
void plant(std::vector<std::uint8_t>& bytes, std::uint32_t end, std::uint8_t inner) {
  bytes[end - 1] = 0x3c;
  bytes[end - 9] = inner;
  bytes[end - 17] = 0x3c;
}

}  // namespace

std::vector<std::uint8_t> generate(const DataSpec& spec) {
  Random random(spec.seed);
  Sink sink(spec.length_bytes);
  if (spec.generator == "random") fill_random(random, sink);
  else if (spec.generator == "text") fill_text(random, sink);
  else if (spec.generator == "executable") fill_executable(random, sink);
  else if (spec.generator == "sparse") fill_sparse(random, sink);
  else if (spec.generator == "periodic") fill_periodic(random, sink, spec.argument);
  else if (spec.generator == "constant")
    while (!sink.full()) sink.push(spec.argument);
  else if (spec.generator == "counter")
    for (std::uint32_t value = spec.seed; !sink.full(); ++value) sink.push_u32(value);
  else if (spec.generator == "every-eighth")
    while (!sink.full()) sink.push(sink.bytes.size() % 8 == 7 ? 0x3c : 0);
  else if (spec.generator == "planted-strict" || spec.generator == "planted-loose") {
    while (!sink.full()) sink.push(0);
    plant(sink.bytes, spec.argument, spec.generator == "planted-strict" ? 0x3c : 0xbc);
  } else {
    std::cerr << "no generator " << spec.generator << "\n";
    std::exit(2);
  }
  return sink.bytes;
}

std::uint32_t fnv1a32(const std::vector<std::uint8_t>& data) {
  std::uint32_t hash = 0x811c9dc5u;
  for (const std::uint8_t byte : data) hash = (hash ^ byte) * 0x01000193u;
  return hash;
}

}  // namespace dbup
