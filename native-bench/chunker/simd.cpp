// xgear-1 with AVX2 (32 bytes a step) and AVX-512BW (64 bytes a step); chosen at run time.
#include <immintrin.h>

#include "parameters.hpp"

namespace dbup {
namespace {

std::uint8_t difference_at(const std::uint8_t* last) {
  static constexpr int kSigns[8] = {1, -1, -1, 1, -1, 1, 1, -1};
  int sum = 0;
  for (int back = 0; back < 8; ++back) {
    const std::uint8_t byte = last[-back];
    sum += kSigns[back] * (byte + kTable[byte & 15]);
  }
  return static_cast<std::uint8_t>(sum);
}

// The size of the chunk that ends at the first true cut among the outer hits, or 0.
std::size_t confirm(const std::uint8_t* chunk, std::size_t at, std::uint64_t hits, const Parameters& parameters,
                    const Masks& masks) {
  for (; hits != 0; hits &= hits - 1) {
    const std::size_t index = at + static_cast<std::size_t>(__builtin_ctzll(hits));
    const std::uint8_t inner = index + 1 < parameters.avg_bytes ? masks.strict : masks.loose;
    if (((difference_at(chunk + index - 8) ^ kTarget) & inner) == 0) return index + 1;
  }
  return 0;
}

// Candidates [at, end) one by one, then the forced cut.
std::size_t finish(const std::uint8_t* chunk, std::size_t at, std::size_t end, std::size_t length,
                   const Parameters& parameters, const Masks& masks) {
  for (; at < end; ++at) {
    if ((difference_at(chunk + at) ^ kTarget) & masks.outer) continue;
    if ((difference_at(chunk + at - 16) ^ kTarget) & masks.outer) continue;
    if (const std::size_t cut = confirm(chunk, at, 1, parameters, masks)) return cut;
  }
  return length >= parameters.max_bytes ? parameters.max_bytes : 0;
}

// Outer comparisons of the 16 positions before `at`, the newest in the highest bit.
std::uint64_t matches_before(const std::uint8_t* chunk, std::size_t at, const Masks& masks) {
  std::uint64_t bits = 0;
  for (std::size_t back = 16; back > 0; --back) {
    bits = bits >> 1 | (((difference_at(chunk + at - back) ^ kTarget) & masks.outer) == 0 ? 0x8000u : 0u);
  }
  return bits;
}

struct Avx2State {
  __m256i a, d, q;
};

__attribute__((target("avx2"))) inline std::uint32_t avx2_step(const std::uint8_t* from, Avx2State& state,
                                                               __m256i table, __m256i outer, __m256i target) {
  const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  // pshufb looks at bit 7 too, so the index is cut to its nibble.
  const __m256i nibbles = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
  const __m256i a = _mm256_add_epi8(bytes, _mm256_shuffle_epi8(table, nibbles));
  const __m256i a_mid = _mm256_permute2x128_si256(state.a, a, 0x21);
  const __m256i d = _mm256_sub_epi8(a, _mm256_alignr_epi8(a, a_mid, 15));
  const __m256i d_mid = _mm256_permute2x128_si256(state.d, d, 0x21);
  const __m256i q = _mm256_sub_epi8(d, _mm256_alignr_epi8(d, d_mid, 14));
  const __m256i q_mid = _mm256_permute2x128_si256(state.q, q, 0x21);
  const __m256i s = _mm256_sub_epi8(q, _mm256_alignr_epi8(q, q_mid, 12));
  state = {a, d, q};
  return static_cast<std::uint32_t>(
      _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_and_si256(s, outer), target)));
}

struct Avx512State {
  __m512i a, d, q;
};

#define DBUP_AVX512 __attribute__((target("avx512f,avx512bw")))

DBUP_AVX512 inline std::uint64_t avx512_step(const std::uint8_t* from, Avx512State& state, __m512i table,
                                             __m512i outer, __m512i target) {
  const __m512i bytes = _mm512_loadu_si512(from);
  const __m512i a = _mm512_add_epi8(bytes, _mm512_shuffle_epi8(table, _mm512_and_si512(bytes, _mm512_set1_epi8(15))));
  // Each 128-bit lane beside the lane before it: the last lane of the previous vector, then the first three of this.
  const __m512i d = _mm512_sub_epi8(a, _mm512_alignr_epi8(a, _mm512_alignr_epi64(a, state.a, 6), 15));
  const __m512i q = _mm512_sub_epi8(d, _mm512_alignr_epi8(d, _mm512_alignr_epi64(d, state.d, 6), 14));
  const __m512i s = _mm512_sub_epi8(q, _mm512_alignr_epi8(q, _mm512_alignr_epi64(q, state.q, 6), 12));
  state = {a, d, q};
  return _mm512_cmpeq_epi8_mask(_mm512_and_si512(s, outer), target);
}

}  // namespace

__attribute__((target("avx2"))) std::size_t find_cut_avx2(const std::uint8_t* chunk, std::size_t length,
                                                          const Parameters& parameters) {
  const Masks masks = masks_of(parameters);
  const std::size_t end = length < parameters.max_bytes ? length : parameters.max_bytes;
  std::size_t at = parameters.min_bytes - 1;
  if (at + 64 > end) return finish(chunk, at, end, length, parameters, masks);
  const __m256i table = _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i*>(kTable)));
  const __m256i outer = _mm256_set1_epi8(static_cast<char>(masks.outer));
  const __m256i target = _mm256_set1_epi8(static_cast<char>(kTarget & masks.outer));
  Avx2State state{_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256()};
  avx2_step(chunk + at - 32, state, table, outer, target);
  std::uint64_t before = matches_before(chunk, at, masks);
  for (; at + 64 <= end; at += 64) {
    const std::uint64_t low = avx2_step(chunk + at, state, table, outer, target);
    const std::uint64_t high = avx2_step(chunk + at + 32, state, table, outer, target);
    const std::uint64_t matches = high << 32 | low;
    const std::uint64_t hits = matches & (matches << 16 | before);
    if (hits != 0) {
      if (const std::size_t cut = confirm(chunk, at, hits, parameters, masks)) return cut;
    }
    before = matches >> 48;
  }
  return finish(chunk, at, end, length, parameters, masks);
}

DBUP_AVX512 std::size_t find_cut_avx512(const std::uint8_t* chunk, std::size_t length, const Parameters& parameters) {
  const Masks masks = masks_of(parameters);
  const std::size_t end = length < parameters.max_bytes ? length : parameters.max_bytes;
  std::size_t at = parameters.min_bytes - 1;
  if (at + 64 > end) return finish(chunk, at, end, length, parameters, masks);
  const __m512i table = _mm512_broadcast_i32x4(_mm_load_si128(reinterpret_cast<const __m128i*>(kTable)));
  const __m512i outer = _mm512_set1_epi8(static_cast<char>(masks.outer));
  const __m512i target = _mm512_set1_epi8(static_cast<char>(kTarget & masks.outer));
  Avx512State state{_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  alignas(64) std::uint8_t early[64] = {};
  for (std::size_t back = 32; back > 0; --back) early[64 - back] = chunk[at - back];
  avx512_step(early, state, table, outer, target);
  std::uint64_t before = matches_before(chunk, at, masks);
  for (; at + 64 <= end; at += 64) {
    const std::uint64_t matches = avx512_step(chunk + at, state, table, outer, target);
    const std::uint64_t hits = matches & (matches << 16 | before);
    if (hits != 0) {
      if (const std::size_t cut = confirm(chunk, at, hits, parameters, masks)) return cut;
    }
    before = matches >> 48;
  }
  return finish(chunk, at, end, length, parameters, masks);
}

std::vector<Kernel> xgear_kernels() {
  std::vector<Kernel> kernels{{"xgear reference", find_cut_reference}};
  if (__builtin_cpu_supports("avx2")) kernels.push_back({"xgear avx2", find_cut_avx2});
  if (__builtin_cpu_supports("avx512bw")) kernels.push_back({"xgear avx512", find_cut_avx512});
  return kernels;
}

}  // namespace dbup
