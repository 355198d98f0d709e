#include <emmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "delta.hpp"

namespace delta {
namespace {

constexpr uint32_t kAnchor = 8, kShortestCopy = 8, kJudged = 256, kProbes = 16, kSwitchBytes = 128;
constexpr uint32_t kSwitchBack = 65536, kSwitchBudget = 4, kLongestStep = 32, kNone = UINT32_MAX;
constexpr int kFar = 24, kNear = 12, kSure = 64, kForwardDrop = 24, kBackwardDrop = 8, kDense = 6, kSwitchGain = 20;

uint64_t load64(const uint8_t *p) {
  uint64_t value;
  std::memcpy(&value, p, 8);
  return value;
}

int mask16(const uint8_t *a, const uint8_t *b) {
  const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i *>(a));
  const __m128i y = _mm_loadu_si128(reinterpret_cast<const __m128i *>(b));
  return _mm_movemask_epi8(_mm_cmpeq_epi8(x, y));
}

int equal16(const uint8_t *a, const uint8_t *b) { return __builtin_popcount(static_cast<unsigned>(mask16(a, b))); }

int gain(uint8_t a, uint8_t b) { return a == b ? 1 : -1; }

int count_equal(const uint8_t *a, const uint8_t *b, uint32_t count) {
  int equal = 0;
  uint32_t i = 0;
  for (; i + 16 <= count; i += 16) equal += equal16(a + i, b + i);
  for (; i < count; i++) equal += a[i] == b[i];
  return equal;
}

uint32_t refine(const uint8_t *a, const uint8_t *b, uint32_t length, uint32_t limit) {
  const uint32_t first = length >= 16 ? length - 16 : 0, end = std::min(length + 16, limit);
  int score = 0, top = 0;
  uint32_t best = first;
  for (uint32_t i = first; i < end; i++) {
    score += gain(a[i], b[i]);
    if (score >= top) top = score, best = i + 1;
  }
  return best;
}

int forward_score(const uint8_t *a, const uint8_t *b, uint32_t limit) {
  int score = 0, top = 0;
  uint32_t i = 0;
  for (; i + 16 <= limit; i += 16) {
    score += 2 * equal16(a + i, b + i) - 16;
    if (score > top) top = score;
    else if (score < top - kForwardDrop) return top;
  }
  for (; i < limit; i++) top = std::max(top, score += gain(a[i], b[i]));
  return top;
}

class Search {
 public:
  Search(const uint8_t *base, uint32_t base_bytes, const uint8_t *plain, uint32_t plain_bytes, std::vector<uint32_t> &table,
         std::vector<Copy> &copies)
      : base_(base), base_bytes_(base_bytes), plain_(plain), plain_bytes_(plain_bytes), table_(table), copies_(copies),
        back_budget_(plain_bytes * kSwitchBudget), limit_(plain_bytes / 16 + 16) {
    uint32_t stride = 4;
    while (base_bytes / stride > (1u << 21) || (base_bytes / stride == (1u << 21) && base_bytes % stride)) stride *= 2;
    const double entries = std::max(1.0, static_cast<double>(base_bytes) / stride);
    const auto bits = std::max(10u, static_cast<uint32_t>(std::ceil(std::log2(entries))));
    shift_ = 64 - bits;
    table_.assign(size_t{1} << bits, 0);
    for (uint32_t i = 0; i + kAnchor <= base_bytes; i += stride) table_[slot(load64(base + i))] = i + 1;
    copies_.clear();
  }

  bool run() {
    uint32_t misses = 0;
    for (uint32_t at = 0; at + kAnchor <= plain_bytes_;) {
      if (!candidate(at)) {
        at += std::min(1 + (misses++ >> 6), kLongestStep);
        continue;
      }
      if (!follow(at)) return false;
      at = std::max(literal_at_, at + 1);
      misses = 0;
    }
    return true;
  }

 private:
  size_t slot(uint64_t bytes) const { return static_cast<size_t>((bytes * 0x9e3779b185ebca87u) >> shift_); }

  bool candidate(uint32_t at) {
    const uint64_t bytes = load64(plain_ + at);
    best_score_ = 0;
    uint32_t near = kNone;
    if (!copies_.empty()) {
      near = copies_.back().source + copies_.back().length + (at - literal_at_);
      if (near + kAnchor <= base_bytes_ && load64(base_ + near) == bytes) consider(at, near, kNear);
    }
    if (best_score_ < kSure) {
      const uint32_t found = table_[slot(bytes)];
      if (found && found - 1 != near && load64(base_ + found - 1) == bytes) consider(at, found - 1, kFar);
    }
    return best_score_ != 0;
  }

  void consider(uint32_t at, uint32_t source, int least) {
    const uint8_t *a = plain_ + at, *b = base_ + source;
    const uint32_t furthest = std::min(at - literal_at_, source);
    int score = 0, top = 0;
    uint32_t back = 0;
    for (uint32_t i = 1; i <= furthest; i++) {
      score += gain(*(a - i), *(b - i));
      if (score > top) top = score, back = i;
      else if (score < top - kBackwardDrop) break;
    }
    const int total = top + forward_score(a, b, std::min({kJudged, plain_bytes_ - at, base_bytes_ - source}));
    if (total < least || total <= best_score_) return;
    best_score_ = total;
    best_source_ = source;
    best_back_ = back;
  }

  bool probe(uint32_t at, uint32_t source, uint32_t i, uint32_t limit) {
    for (uint32_t j = i; j < i + kProbes; j++) {
      if (at + j + kAnchor > plain_bytes_) return false;
      const uint8_t *a = plain_ + at + j, *b = base_ + source + j;
      const uint64_t bytes = load64(a);
      const uint32_t found = table_[slot(bytes)];
      if (!found || found - 1 == source + j || load64(base_ + found - 1) != bytes) continue;
      const uint32_t other = found - 1;
      if (j >= limit) return false;
      const uint8_t *o = base_ + other;
      const uint32_t count = std::min({kSwitchBytes, plain_bytes_ - at - j, base_bytes_ - other, limit - j});
      if (count_equal(a, o, count) - count_equal(a, b, count) < kSwitchGain) continue;
      int score = 0, top = 0;
      uint32_t back = 0, k = 1;
      const uint32_t furthest = std::min({kSwitchBack, back_budget_, j, other});
      for (; k <= furthest && score > -kBackwardDrop; k++) {
        score += (*(a - k) == *(o - k)) - (*(a - k) == *(b - k));
        if (score > top) top = score, back = k;
      }
      back_budget_ -= k - 1;
      other_at_ = at + j - back;
      other_source_ = other - back;
      probed_to_ = at + j + 16;
      return true;
    }
    return false;
  }

  uint32_t extend(uint32_t at, uint32_t source) {
    const uint8_t *a = plain_ + at, *b = base_ + source;
    const uint32_t limit = std::min(plain_bytes_ - at, base_bytes_ - source);
    int score = 0, top = 0;
    uint32_t best = 0;
    other_at_ = kNone;
    for (uint32_t i = 0; i + 16 <= limit;) {
      const int equal = equal16(a + i, b + i);
      if (16 - equal >= kDense && at + i >= probed_to_) {
        probed_to_ = at + i + 16;
        if (probe(at, source, i, limit)) {
          const uint32_t taken_over = other_at_ - at;
          return refine(a, b, std::min(best, taken_over), taken_over);
        }
      }
      i += 16;
      score += 2 * equal - 16;
      if (score > top) top = score, best = i;
      else if (score < top - kForwardDrop) break;
    }
    return refine(a, b, best, limit);
  }

  bool follow(uint32_t at) {
    uint32_t source = best_source_, start = at - best_back_, start_source = source - best_back_;
    do {
      const uint32_t end = at + extend(at, source);
      if (end >= start + kShortestCopy) {
        if (copies_.size() == limit_) return false;
        copies_.push_back({start - literal_at_, end - start, start_source});
        literal_at_ = end;
      }
      at = start = other_at_;
      source = start_source = other_source_;
    } while (other_at_ != kNone);
    return true;
  }

  const uint8_t *base_;
  uint32_t base_bytes_;
  const uint8_t *plain_;
  uint32_t plain_bytes_;
  std::vector<uint32_t> &table_;
  std::vector<Copy> &copies_;
  uint32_t back_budget_, limit_, shift_ = 0, literal_at_ = 0, probed_to_ = 0;
  uint32_t best_source_ = 0, best_back_ = 0, other_at_ = kNone, other_source_ = 0;
  int best_score_ = 0;
};

void put(Bytes &out, uint32_t value) {
  for (; value >= 128; value >>= 7) out.push_back(static_cast<uint8_t>(value | 128));
  out.push_back(static_cast<uint8_t>(value));
}

/** Gaps, differences and literals; false when there are more differences than a fifth of the plain bytes. */
bool put_bytes(const uint8_t *base, const uint8_t *plain, uint32_t plain_bytes, const std::vector<Copy> &copies, Streams &out) {
  uint32_t at = 0, gap = 0, left = plain_bytes / 5;
  for (const Copy &copy : copies) {
    out.bytes[5].insert(out.bytes[5].end(), plain + at, plain + at + copy.literals);
    at += copy.literals;
    const uint8_t *a = plain + at, *b = base + copy.source;
    for (uint32_t k = 0; k < copy.length;) {
      if (k + 16 <= copy.length) {
        const auto equal = static_cast<uint32_t>(__builtin_ctz(~static_cast<unsigned>(mask16(a + k, b + k)) | 0x10000));
        gap += equal;
        k += equal;
        if (equal == 16) continue;
      } else if (a[k] == b[k]) {
        gap++, k++;
        continue;
      }
      if (left-- == 0) return false;
      put(out.bytes[3], gap);
      gap = 0;
      uint8_t difference[4] = {0, 0, 0, 0};
      const uint32_t count = std::min(4u, copy.length - k);
      if (count == 4) {
        uint32_t x, y;
        std::memcpy(&x, a + k, 4);
        std::memcpy(&y, b + k, 4);
        x -= y;
        std::memcpy(difference, &x, 4);
      } else {
        for (uint32_t m = 0; m < count; m++) difference[m] = static_cast<uint8_t>(a[k + m] - b[k + m]);
      }
      out.bytes[4].insert(out.bytes[4].end(), difference, difference + 4);
      k += count;
    }
    at += copy.length;
  }
  out.bytes[5].insert(out.bytes[5].end(), plain + at, plain + plain_bytes);
  return true;
}

/** Takes pieces no copy touches out of the base. */
void drop_unused(std::vector<Copy> &copies, const std::vector<uint32_t> &piece_bytes, Streams &out) {
  std::vector<uint32_t> starts{0};
  for (uint32_t size : piece_bytes) starts.push_back(starts.back() + size);
  std::vector<bool> used(piece_bytes.size());
  std::vector<size_t> first;
  for (const Copy &copy : copies) {
    auto piece = static_cast<size_t>(std::upper_bound(starts.begin(), starts.end() - 1, copy.source) - starts.begin()) - 1;
    first.push_back(piece);
    while (starts[piece] < copy.source + copy.length) used[piece++] = true;
  }
  std::vector<uint32_t> dropped{0};
  for (size_t i = 0; i < used.size(); i++) {
    dropped.push_back(dropped.back() + (used[i] ? 0 : piece_bytes[i]));
    if (used[i]) out.used_pieces.push_back(static_cast<uint32_t>(i));
  }
  for (size_t i = 0; i < copies.size(); i++) copies[i].source -= dropped[first[i]];
}

}  // namespace

bool Encoder::encode(const uint8_t *base, const std::vector<uint32_t> &piece_bytes, const uint8_t *plain, uint32_t plain_bytes,
                     Streams &out) {
  for (Bytes &stream : out.bytes) stream.clear();
  out.used_pieces.clear();
  uint32_t base_bytes = 0;
  for (uint32_t size : piece_bytes) base_bytes += size;
  if (!Search(base, base_bytes, plain, plain_bytes, table, copies).run()) return false;
  uint64_t copied = 0;
  for (const Copy &copy : copies) copied += copy.length;
  if (copied * 16 < plain_bytes || !put_bytes(base, plain, plain_bytes, copies, out)) return false;
  drop_unused(copies, piece_bytes, out);
  uint32_t source_end = 0;
  for (const Copy &copy : copies) {
    const uint32_t shift = copy.source - (source_end + copy.literals);
    put(out.bytes[0], copy.literals);
    put(out.bytes[1], copy.length);
    put(out.bytes[2], (shift << 1) ^ (shift >> 31 ? UINT32_MAX : 0));
    source_end = copy.source + copy.length;
  }
  size_t sum = 0;
  for (const Bytes &stream : out.bytes) sum += stream.size();
  return sum <= plain_bytes;
}

}  // namespace delta
