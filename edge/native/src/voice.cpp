#include "voice.h"

#include <algorithm>
#include <cmath>

#include "numeric.h"

namespace sensorium {
namespace {

constexpr double kOpenDb = 8.0, kCloseDb = 5.0, kFloorShare = 0.2;  // loudness.py's
constexpr std::size_t kFloorChunks = 94, kSeedChunks = 4;
constexpr double kOnset = 0.5, kOffset = 0.35;  // Silero's own
constexpr std::size_t kContext = 64;            // samples of the chunk before that the model sees again
constexpr std::size_t kState = 256;

}  // namespace

double level_dbfs(const float* samples, std::size_t count) {
  const double power = count == 0 ? 0.0 : variance(std::vector<double>(samples, samples + count));
  return 10.0 * std::log10(std::max(power, 1e-12));
}

double Loudness::probability(const Floats& chunk) {
  const double level = level_dbfs(chunk.data(), chunk.size());
  levels_.push_back(level);
  if (levels_.size() > kFloorChunks) levels_.pop_front();
  std::vector<double> sorted(levels_.begin(), levels_.end());
  std::sort(sorted.begin(), sorted.end());
  const double floor = sorted[static_cast<std::size_t>(std::floor((sorted.size() - 1) * kFloorShare))];
  if (level < kQuietestDbfs || level < floor + kCloseDb) return 0.0;
  return level >= floor + kOpenDb ? 1.0 : 0.4;
}

void Loudness::reset() { levels_.assign(kSeedChunks, kQuietestDbfs - kOpenDb); }

VoiceStream::VoiceStream(const Graph& graph) : graph_(graph) {
  const auto& in = graph.inputs();
  const auto& out = graph.outputs();
  if (in.size() != 2 || in[0].name != "input" || elements(in[0]) != kContext + kChunk || in[1].name != "state" ||
      elements(in[1]) != kState || out.size() != 2 || elements(out[0]) != 1 || elements(out[1]) != kState)
    throw Error("the voice activity graph is another than this runner knows; compile the bundle again");
  reset();
}

double VoiceStream::probability(const Floats& chunk) {
  Floats seen = context_;
  seen.insert(seen.end(), chunk.begin(), chunk.end());
  std::vector<Floats> made = graph_.run({&seen, &state_});
  state_ = std::move(made[1]);
  context_.assign(seen.end() - kContext, seen.end());
  return made[0][0];
}

void VoiceStream::reset() {
  state_.assign(kState, 0.0F);
  context_.assign(kContext, 0.0F);
}

std::optional<SpeechEnds> SpeechGate::step(double probability) {
  const std::int64_t place = heard_;
  heard_ += kChunk;
  const bool loud = probability >= kOnset, silent = probability < kOffset;
  if (!stretch_) {
    if (loud) stretch_ = Stretch{place, false, std::nullopt, {}};
    make_sure();
    return std::nullopt;
  }
  Stretch& own = *stretch_;
  if (loud && own.quiet) {
    own.pauses.emplace_back(*own.quiet, place);
    own.quiet.reset();
  } else if (silent && !own.quiet) {
    own.quiet = place;
  }
  if (silent && own.quiet && place - *own.quiet >= min_silence_) return finish();
  if (heard_ - own.start > longest_) return cut();
  make_sure();
  return std::nullopt;
}

void SpeechGate::reset() {
  heard_ = told_ = 0;
  stretch_.reset();
}

std::optional<SpeechEnds> SpeechGate::finish() {
  const Stretch own = *stretch_;
  const std::int64_t start = kept_from();
  stretch_.reset();
  if (!own.sure) return std::nullopt;
  const std::int64_t end = std::min(heard_, own.quiet.value_or(heard_) + around_);
  told_ = end;
  return SpeechEnds{start, end};
}

// Ends a stretch that became too long in its longest late pause; where it has none, here.
std::optional<SpeechEnds> SpeechGate::cut() {
  const Stretch own = *stretch_;
  if (own.quiet) return finish();
  std::pair<std::int64_t, std::int64_t> best = {heard_, heard_};
  const auto choose = [&](bool late) {
    bool any = false;
    for (const auto& pause : own.pauses) {
      if (late && pause.first - own.start < longest_ / 2) continue;
      if (!any || pause.second - pause.first > best.second - best.first) best = pause;
      any = true;
    }
    return any;
  };
  if (!choose(true)) choose(false);
  const SpeechEnds ends{kept_from(), std::min(best.first + around_, best.second)};
  Stretch rest{best.second, false, std::nullopt, {}};
  std::copy_if(own.pauses.begin(), own.pauses.end(), std::back_inserter(rest.pauses),
               [&](const auto& pause) { return pause.first > best.second; });
  stretch_ = std::move(rest);
  told_ = ends.end;
  make_sure();
  return ends;
}

void SpeechGate::make_sure() {
  if (stretch_ && !stretch_->sure && !stretch_->quiet && heard_ - stretch_->start > min_speech_) stretch_->sure = true;
}

std::int64_t SpeechGate::kept_from() const { return std::max(told_, stretch_->start - around_); }

}  // namespace sensorium
