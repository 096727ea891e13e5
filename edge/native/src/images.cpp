#include "images.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "numeric.h"

namespace sensorium {
namespace {

constexpr double kChanged = 3.0;  // of luma [0-255] of any ninth, as in learned/pictures.py
constexpr int kGrid = 3;

// Which samples a new one is made from, and their weights.
struct Tap {
  int first = 0;
  std::vector<float> weights;
};

std::vector<Tap> filter(int old_size, int new_size) {
  const double scale = static_cast<double>(old_size) / new_size;
  const double reach = std::max(scale, 1.0);
  const int count = static_cast<int>(std::ceil(reach)) * 2 + 1;
  std::vector<Tap> taps(static_cast<std::size_t>(new_size));
  std::vector<double> weights(static_cast<std::size_t>(count));
  for (int i = 0; i < new_size; ++i) {
    const double centre = (i + 0.5) * scale;
    const int first = static_cast<int>(std::floor(centre - reach + 0.5));
    for (int k = 0; k < count; ++k) {
      const int place = first + k;
      const bool inside = place >= 0 && place < old_size;
      weights[k] = inside ? std::max(1 - std::abs(place + 0.5 - centre) / reach, 0.0) : 0.0;
    }
    const double total = pairwise_sum(weights.data(), weights.size());
    Tap& tap = taps[i];
    for (int k = 0; k < count; ++k) {
      if (weights[k] == 0) continue;
      if (tap.weights.empty()) tap.first = first + k;
      tap.weights.push_back(static_cast<float>(weights[k] / total));
    }
  }
  return taps;
}

// Resample the rows: (height, width, 3) -> (length, width, 3).
Picture resample_rows(const Picture& image, int length) {
  if (image.height == length) return image;
  const std::size_t stride = static_cast<std::size_t>(image.width) * 3;
  Picture made{length, image.width, std::vector<std::uint8_t>(length * stride)};
  const std::vector<Tap> taps = filter(image.height, length);
  std::vector<float> total(stride);
  for (int row = 0; row < length; ++row) {
    std::fill(total.begin(), total.end(), 0.5F);  // cutting off the rest then rounds
    const Tap& tap = taps[row];
    for (std::size_t k = 0; k < tap.weights.size(); ++k) {
      const std::uint8_t* from = &image.rgb[(tap.first + k) * stride];
      for (std::size_t i = 0; i < stride; ++i) total[i] += static_cast<float>(from[i]) * tap.weights[k];
    }
    for (std::size_t i = 0; i < stride; ++i) made.rgb[row * stride + i] = static_cast<std::uint8_t>(total[i]);
  }
  return made;
}

Picture transposed(const Picture& image) {
  Picture made{image.width, image.height, std::vector<std::uint8_t>(image.rgb.size())};
  for (int y = 0; y < image.height; ++y)
    for (int x = 0; x < image.width; ++x)
      std::copy_n(&image.rgb[(static_cast<std::size_t>(y) * image.width + x) * 3], 3,
                  &made.rgb[(static_cast<std::size_t>(x) * image.height + y) * 3]);
  return made;
}

// The largest middle part that has the shape of the spec.
Picture middle(const Picture& image, const ImageInput& spec) {
  const double scale =
      std::min(static_cast<double>(image.height) / spec.height, static_cast<double>(image.width) / spec.width);
  const auto kept = [&](int size, int most) {
    return std::min(std::max(static_cast<int>(std::nearbyint(size * scale)), 1), most);
  };
  const int height = kept(spec.height, image.height), width = kept(spec.width, image.width);
  const int top = (image.height - height) / 2, left = (image.width - width) / 2;
  Picture made{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height) * width * 3)};
  for (int y = 0; y < height; ++y)
    std::copy_n(&image.rgb[(static_cast<std::size_t>(top + y) * image.width + left) * 3], width * 3,
                &made.rgb[static_cast<std::size_t>(y) * width * 3]);
  return made;
}

// Where the parts of numpy's array_split begin and end.
std::vector<int> edges(int size) {
  std::vector<int> made = {0};
  for (int i = 0; i < kGrid; ++i) made.push_back(made.back() + size / kGrid + (i < size % kGrid ? 1 : 0));
  return made;
}

}  // namespace

Picture resize(const Picture& image, int height, int width) {
  return transposed(resample_rows(transposed(resample_rows(image, height)), width));
}

PicturePtr prepare_image(const PicturePtr& image, const ImageInput& spec) {
  if (image->height == spec.height && image->width == spec.width) return image;
  return std::make_shared<Picture>(spec.crop ? resize(middle(*image, spec), spec.height, spec.width)
                                             : resize(*image, spec.height, spec.width));
}

bool changed(const Picture& before, const Picture& now) {
  const std::vector<int> rows = edges(now.height), columns = edges(now.width);
  for (int row = 0; row < kGrid; ++row) {
    for (int column = 0; column < kGrid; ++column) {
      std::int64_t total = 0;
      for (int y = rows[row]; y < rows[row + 1]; ++y) {
        const std::size_t start = static_cast<std::size_t>(y) * now.width;
        for (std::size_t i = (start + columns[column]) * 3; i < (start + columns[column + 1]) * 3; ++i)
          total += std::abs(int{before.rgb[i]} - int{now.rgb[i]});
      }
      const double count = 3.0 * (rows[row + 1] - rows[row]) * (columns[column + 1] - columns[column]);
      if (static_cast<double>(total) / count > kChanged) return true;
    }
  }
  return false;
}

}  // namespace sensorium
