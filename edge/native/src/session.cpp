#include "session.h"

#include <algorithm>

namespace sensorium {

Session::Session(const Bundle& bundle, std::vector<std::string> look_for, int threads)
    : parts_(assemble(bundle, look_for, threads)) {
  CoreSettings settings;
  settings.modalities = {"vision", "audio", "text"};
  for (const auto& [name, encoder] : parts_.encoders)
    if (std::find(settings.modalities.begin(), settings.modalities.end(), name) == settings.modalities.end())
      settings.modalities.push_back(name);
  settings.look_for = std::move(look_for);
  settings.ladder = fitted(parts_.ladder, parts_.encoders.count("vision") != 0, parts_.variants);
  settings.backends = parts_.backends;
  core_ = std::make_unique<Core>(std::move(settings), *parts_.fusion);
}

void Session::connect(const SourceChanged& change, Ns now_ns) {
  open_.erase(std::remove(open_.begin(), open_.end(), change.modality), open_.end());
  if (change.state == SourceChanged::State::open || change.state == SourceChanged::State::faulty)
    open_.push_back(change.modality);
  tell(core_->connect(change, now_ns));
}

std::optional<Finding> Session::look(const std::string& modality, const Sample& sample, Ns now_ns) {
  const auto encoder = parts_.encoders.find(modality);
  if (encoder == parts_.encoders.end()) {
    std::string known;
    for (const auto& [name, own] : parts_.encoders) known += (known.empty() ? "" : ", ") + name;
    throw Error("no modality '" + modality + "'; known: " + known);
  }
  if (std::find(open_.begin(), open_.end(), modality) == open_.end())
    connect({modality, SourceChanged::State::open, "", 0}, now_ns);
  arrivals_[modality] = now_ns;
  if (const auto* frame = std::get_if<Frame>(&sample)) {
    // The ladder may have this picture left out.
    if (looked_ns_ && frame->captured_ns - *looked_ns_ < core_->rung().vision_period_ns()) return std::nullopt;
    looked_ns_ = frame->captured_ns;
  }
  return encoder->second->attempt(sample, core_->rung().variant);
}

void Session::tell(Events events) {
  for (Event& event : events) {
    urgent_ = urgent_ || event.kind == Event::Kind::health;
    events_.push_back(std::move(event));
  }
}

Events Session::take() {
  urgent_ = false;
  return std::exchange(events_, {});
}

}  // namespace sensorium
