// As edge/sensorium/learned/pictures.py has it.
#include "encoders.h"
#include "images.h"

namespace sensorium {
namespace {

constexpr Ns kLookNs = 100 * kNsPerMs;        // ten looks a second
constexpr Ns kLookAgainNs = 2000 * kNsPerMs;  // even where nothing changes

}  // namespace

Pictures::Pictures(std::string modality, Towers towers)
    : Encoder(std::move(modality), std::move(towers)), tower_(towers_.at("")) {}

void Pictures::use(const TowerPtr& tower) {
  if (tower == tower_) return;
  tower_ = tower;
  forget();  // health is judged as before, a clip begins anew
}

void Pictures::forget() {
  frames_.clear();
  encoded_.reset();
  encoded_ns_ = 0;
  tokens_.reset();
}

Finding Pictures::encode(const Sample& sample) {
  const auto* frame = std::get_if<Frame>(&sample);
  if (frame == nullptr) throw SampleError("the " + modality_ + " encoder takes frames");
  Finding found;
  found.modality = modality_;
  found.captured_ns = frame->captured_ns;
  found.fault = health_.step(*frame);
  if (found.fault) {
    forget();
    return found;
  }
  if (keep(frame->captured_ns, frame->picture) && due(frame->captured_ns)) {
    encoded_ = frames_.back().second;
    encoded_ns_ = frame->captured_ns;
    tokens_ = tower_->attempt(tensor(), found.failures);
  }
  if (tokens_)
    found.evidence = tower_->evidence(tokens_, frame->captured_ns);
  else if (encoded_)  // else it waits for a clip to be complete
    found.fault = kFailing;
  return found;
}

// Takes the picture in; whether a whole clip is there. A single picture is a clip of one.
bool Pictures::keep(Ns at_ns, const PicturePtr& image) {
  const std::size_t wanted = static_cast<std::size_t>(spec().frames);
  if (encoded_ && at_ns - encoded_ns_ < kLookNs && wanted == 1) return false;
  if (!frames_.empty() && wanted > 1) {
    const double period_ns = spec().frame_period_ms * kNsPerMs;
    const auto since_ns = static_cast<double>(at_ns - frames_.back().first);
    if (since_ns < 0.9 * period_ns) return false;   // cameras tremble
    if (since_ns > 3 * period_ns) frames_.clear();  // no clip goes on over a gap
  }
  frames_.emplace_back(at_ns, prepare_image(image, spec()));
  if (frames_.size() > wanted) frames_.pop_front();
  return frames_.size() == wanted;
}

bool Pictures::due(Ns at_ns) const {
  const Ns since_ns = at_ns - encoded_ns_;
  if (!encoded_ || since_ns >= kLookAgainNs) return true;
  return since_ns >= kLookNs && (spec().frames > 1 || changed(*encoded_, *frames_.back().second));
}

// float32 (1, [frames,] 3, height, width), 0-255.
Floats Pictures::tensor() const {
  const std::size_t pixels = static_cast<std::size_t>(spec().height) * spec().width;
  Floats made;
  made.reserve(frames_.size() * 3 * pixels);
  for (const auto& [at_ns, picture] : frames_)
    for (std::size_t channel = 0; channel < 3; ++channel)
      for (std::size_t i = 0; i < pixels; ++i) made.push_back(picture->rgb[3 * i + channel]);
  return made;
}

}  // namespace sensorium
