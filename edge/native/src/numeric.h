// Sums in numpy's order, so that they are numpy's to the last bit, and what is made of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace sensorium {

// numpy's pairwise summation: https://github.com/numpy/numpy/blob/v2.4.0/numpy/_core/src/umath/loops_utils.h.src
template <typename T>
T pairwise_sum(const T* values, std::size_t count) {
  if (count < 8) {
    T sum = 0;
    for (std::size_t i = 0; i < count; ++i) sum += values[i];
    return sum;
  }
  if (count > 128) {
    std::size_t half = count / 2;
    half -= half % 8;
    return pairwise_sum(values, half) + pairwise_sum(values + half, count - half);
  }
  T lane[8];
  std::copy(values, values + 8, lane);
  std::size_t i = 8;
  for (; i < count - count % 8; i += 8)
    for (std::size_t k = 0; k < 8; ++k) lane[k] += values[i + k];
  T sum = ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
  for (; i < count; ++i) sum += values[i];
  return sum;
}

template <typename T>
T mean(const std::vector<T>& values) {
  return pairwise_sum(values.data(), values.size()) / static_cast<T>(values.size());
}

template <typename T>
T variance(const std::vector<T>& values) {
  const T middle = mean(values);
  std::vector<T> squares(values.size());
  std::transform(values.begin(), values.end(), squares.begin(), [&](T v) { return (v - middle) * (v - middle); });
  return mean(squares);
}

inline bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

// Division that rounds down, as Python's // does; the divisor is positive.
inline std::int64_t floor_div(std::int64_t value, std::int64_t by) { return value / by - (value % by < 0 ? 1 : 0); }

}  // namespace sensorium
