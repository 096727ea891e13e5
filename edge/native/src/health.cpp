#include "health.h"

#include <algorithm>
#include <cmath>

#include "numeric.h"

namespace sensorium {
namespace {

// The figures are health.py's, which says where they come from.
constexpr double kStalePeriods = 2.75;
constexpr Ns kStaleFloorNs = 90 * kNsPerMs;
constexpr Ns kSoundFloorNs = 250 * kNsPerMs;
constexpr Ns kAbsentAfterNs = 2 * kNsPerS;
constexpr double kDarkLuma = 12.0, kBrightLuma = 243.0, kCoveredContrast = 6.0, kLeave = 1.25;
constexpr int kLumaStep = 4, kCell = 4;
constexpr float kMutedRms = 2.0F / 32768.0F, kClippedLevel = 0.99F, kDcOffset = 0.1F;
constexpr double kClippedShare = 0.01;
constexpr Ns kFrozenNs = 700 * kNsPerMs;

// Luma by ITU-R BT.601, averaged over cells of 16x16 pixels where the picture is that large.
std::vector<double> luma_of(const Picture& image) {
  const int rows = (image.height + kLumaStep - 1) / kLumaStep, columns = (image.width + kLumaStep - 1) / kLumaStep;
  const auto luma = [&](int row, int column) {
    const std::uint8_t* pixel =
        &image.rgb[(static_cast<std::size_t>(row) * kLumaStep * image.width + std::size_t{1} * column * kLumaStep) * 3];
    return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
  };
  const bool large = rows / kCell >= kCell && columns / kCell >= kCell;
  const int cell = large ? kCell : 1;
  std::vector<double> made;
  for (int row = 0; row + cell <= rows; row += cell) {
    for (int column = 0; column + cell <= columns; column += cell) {
      double total = 0;
      for (int y = row; y < row + cell; ++y)
        for (int x = column; x < column + cell; ++x) total += luma(y, x);
      made.push_back(total / (cell * cell));
    }
  }
  return made;
}

}  // namespace

const char* to_string(State state) {
  switch (state) {
    case State::live: return "live";
    case State::degraded: return "degraded";
    case State::stale: return "stale";
    case State::absent: return "absent";
  }
  return "";
}

State arrival(Ns age_ns, Ns stale_ns) {
  if (stale_ns == 0 || age_ns <= stale_ns) return State::live;
  return age_ns < std::max(kAbsentAfterNs, 2 * stale_ns) ? State::stale : State::absent;
}

Ns stale_after_ns(const std::string& modality, Ns period_ns) {
  if (period_ns == 0) return 0;
  const Ns floor_ns = modality == "audio" ? kSoundFloorNs : kStaleFloorNs;
  return std::max(static_cast<Ns>(std::nearbyint(kStalePeriods * static_cast<double>(period_ns))), floor_ns);
}

Fault picture_fault(const Picture& image, const Fault& standing) {
  const std::vector<double> luma = luma_of(image);
  const double middle = mean(luma), contrast = std::sqrt(variance(luma));
  if (middle < kDarkLuma * (standing == "dark" ? kLeave : 1.0)) return "dark";
  const double flat = kCoveredContrast * (standing == "covered" || standing == "over-exposed" ? kLeave : 1.0);
  if (middle > kBrightLuma && contrast < 2 * flat) return "over-exposed";
  if (contrast < flat) return "covered";
  return std::nullopt;
}

Fault sound_fault(const std::vector<float>& samples) {
  if (!all_finite(samples)) return "not finite";
  if (std::sqrt(variance(samples)) < kMutedRms) return "muted";
  const auto clipped =
      std::count_if(samples.begin(), samples.end(), [](float v) { return std::abs(v) >= kClippedLevel; });
  if (static_cast<double>(clipped) / static_cast<double>(samples.size()) > kClippedShare) return "clipped";
  if (std::abs(mean(samples)) > kDcOffset) return "DC offset";
  return std::nullopt;
}

const Fault& Hysteresis::step(const Fault& seen, Ns at_ns) {
  if (seen == fault_) {
    other_ = fault_;
    return fault_;
  }
  if (seen != other_) {
    other_ = seen;
    other_since_ns_ = at_ns;
  }
  if (at_ns - other_since_ns_ >= (seen ? enter_ns_ : leave_ns_)) fault_ = seen;
  return fault_;
}

const Fault& PictureHealth::step(const Frame& frame) {
  Fault fault = picture_fault(*frame.picture, hysteresis_.fault());
  if (frozen(frame.picture, frame.captured_ns) && !frame.still && !fault) fault = "frozen";
  return hysteresis_.step(fault, frame.captured_ns);
}

bool PictureHealth::frozen(const PicturePtr& image, Ns at_ns) {
  const bool repeats = previous_ && previous_->height == image->height && previous_->width == image->width &&
                       previous_->rgb == image->rgb;
  previous_ = image;
  if (!repeats) same_since_ns_ = at_ns;
  return at_ns - same_since_ns_ >= kFrozenNs;
}

}  // namespace sensorium
