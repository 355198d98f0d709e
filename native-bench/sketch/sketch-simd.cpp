// AVX2, 32 positions a vector.
#include <immintrin.h>

#include "../chunker/parameters.hpp"
#include "classes.hpp"

namespace dbup {
namespace {

#define AVX2 __attribute__((target("avx2"), always_inline)) inline

AVX2 __m256i spread(__m256i bytes) {
  const __m256i table = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kTable)));
  return _mm256_add_epi8(bytes, _mm256_shuffle_epi8(table, _mm256_and_si256(bytes, _mm256_set1_epi8(15))));
}

// Each lane of `current` minus the one `Lag` before it.
template <int Lag>
AVX2 __m256i minus(__m256i previous, __m256i current) {
  const __m256i middle = _mm256_permute2x128_si256(previous, current, 0x21);
  return _mm256_sub_epi8(current, _mm256_alignr_epi8(current, middle, 16 - Lag));
}

AVX2 __m256i load(const std::uint8_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }

AVX2 std::uint32_t samples(__m256i previous, __m256i current) {
  const __m256i masked =
      _mm256_and_si256(minus<4>(previous, current), _mm256_set1_epi8(static_cast<char>(kSampleMask)));
  const __m256i equal = _mm256_cmpeq_epi8(masked, _mm256_set1_epi8(static_cast<char>(kSampleTarget)));
  return static_cast<std::uint32_t>(_mm256_movemask_epi8(equal));
}

}  // namespace

__attribute__((target("avx2,bmi"))) Sketch sketch_avx2(const std::uint8_t* chunk, std::size_t length) {
  if (length < 96) return sketch_reference(chunk, length);
  Classes classes;
  std::uint64_t bound = classes.bound();
  const auto take = [&](const std::uint8_t* last) {
    const std::uint64_t x = hash_window(last);
    if (x >= bound) return;
    classes.take(x);
    bound = classes.bound();
  };
  const auto take_all = [&](const std::uint8_t* at, std::uint64_t bits) {
    for (; bits != 0; bits &= bits - 1) take(at + __builtin_ctzll(bits));
  };
  // The first vector holds bytes 0 to 31: of its lanes, 19 and above are positions with a window.
  const __m256i zero = _mm256_setzero_si256();
  __m256i a1 = spread(load(chunk));
  __m256i d1 = minus<1>(zero, a1);
  __m256i q1 = minus<2>(zero, d1);
  take_all(chunk, samples(zero, q1) & ~std::uint32_t{0} << (kWindow - 1));
  const std::uint8_t* at = chunk + 32;
  const std::uint8_t* const end = chunk + length;
  for (; at + 64 <= end; at += 64) {
    const __m256i a0 = spread(load(at));
    const __m256i d0 = minus<1>(a1, a0);
    const __m256i q0 = minus<2>(d1, d0);
    const std::uint64_t low = samples(q1, q0);
    a1 = spread(load(at + 32));
    d1 = minus<1>(a0, a1);
    q1 = minus<2>(d0, d1);
    const std::uint64_t high = samples(q0, q1);
    take_all(at, low | high << 32);
  }
  if (at < end) {
    // The last 64 bytes once more; what was taken already changes nothing.
    const std::uint8_t* const tail = end - 64;
    const __m256i b0 = spread(load(tail - 32));
    const __m256i b1 = spread(load(tail));
    const __m256i b2 = spread(load(tail + 32));
    const __m256i e0 = minus<1>(zero, b0), e1 = minus<1>(b0, b1), e2 = minus<1>(b1, b2);
    const __m256i f0 = minus<2>(zero, e0), f1 = minus<2>(e0, e1), f2 = minus<2>(e1, e2);
    take_all(tail, samples(f0, f1) | static_cast<std::uint64_t>(samples(f1, f2)) << 32);
  }
  return classes.features();
}

std::vector<SketchKernel> sketch_kernels() {
  std::vector<SketchKernel> kernels{{"reference", sketch_reference}};
  if (__builtin_cpu_supports("avx2")) kernels.push_back({"avx2", sketch_avx2});
  return kernels;
}

}  // namespace dbup
