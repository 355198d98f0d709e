// sketch-1: the features of a chunk. docs/format.md is normative; this twin is written from it.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dbup {

constexpr std::size_t kFeatures = 6;
using Sketch = std::array<std::uint32_t, kFeatures>;

// The sketch of the chunk of `length` bytes at `chunk`.
using MakeSketch = Sketch (*)(const std::uint8_t* chunk, std::size_t length);

Sketch sketch_reference(const std::uint8_t* chunk, std::size_t length);
Sketch sketch_avx2(const std::uint8_t* chunk, std::size_t length);

struct SketchKernel {
  std::string name;
  MakeSketch make_sketch;
};

// The variants this CPU can run, the reference first.
std::vector<SketchKernel> sketch_kernels();

}  // namespace dbup
