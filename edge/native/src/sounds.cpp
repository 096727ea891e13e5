// As edge/sensorium/learned/sounds.py has it, and prepare_sound of inputs.py.
#include <algorithm>
#include <cmath>
#include <limits>

#include "encoders.h"
#include "numeric.h"

namespace sensorium {
namespace {

// The figures are sounds.py's, which says where they come from. In samples where nothing else is said.
constexpr std::int64_t kMinUtterance = kRateHz * 96 / 1000;
constexpr std::int64_t kMinSilence = kRateHz * 200 / 1000;
constexpr std::int64_t kAround = kRateHz / 10;
constexpr Ns kSoFarNs = 200 * kNsPerMs;
constexpr std::int64_t kSoFarMin = kRateHz * 300 / 1000;
constexpr double kSofterDb = 15.0;
constexpr std::int64_t kJustBefore = 3 * kRateHz;
constexpr Ns kAlwaysNs = kNsPerS;
constexpr double kOwnVoice = 0.03;
constexpr Ns kGapNs = 500 * kNsPerMs;
constexpr std::int64_t kHop = kRateHz / 100;  // by which the loudest window is searched
constexpr double kSilent = 1e-6;              // amplitude below which a window is not chosen by its energy
constexpr double kQuietest = -std::numeric_limits<double>::infinity();

// Where the stretch of `length` samples with the most energy begins.
std::int64_t loudest(const Floats& sound, std::int64_t length) {
  std::vector<double> energy(sound.size() + 1, 0.0);
  for (std::size_t i = 0; i < sound.size(); ++i)
    energy[i + 1] = energy[i] + static_cast<double>(sound[i]) * static_cast<double>(sound[i]);
  std::vector<double> inside;
  const auto last = static_cast<std::int64_t>(sound.size()) - length;
  for (std::int64_t start = 0; start <= last; start += kHop) inside.push_back(energy[start + length] - energy[start]);
  const double best = *std::max_element(inside.begin(), inside.end());
  if (best <= static_cast<double>(length) * kSilent * kSilent) return last / 2;
  // Many places hold nearly all of a short sound: the middle of the first run of them has it in the middle.
  const auto good = [&](double energy_inside) { return energy_inside >= best * 0.999; };
  const auto first = std::find_if(inside.begin(), inside.end(), good);
  const auto run = std::find_if_not(first, inside.end(), good) - first;
  return ((first - inside.begin()) + (run - 1) / 2) * kHop;
}

}  // namespace

Floats prepare_sound(const Floats& sound, const SoundInput& spec) {
  const auto missing = spec.samples - static_cast<std::int64_t>(sound.size());
  if (missing > 0) {
    Floats made(static_cast<std::size_t>(spec.samples), 0.0F);
    std::copy(sound.begin(), sound.end(), made.begin() + missing / 2);
    return made;
  }
  const std::int64_t start = missing == 0 ? 0 : loudest(sound, spec.samples);
  return Floats(sound.begin() + start, sound.begin() + start + spec.samples);
}

Sounds::Sounds(std::string modality, Towers towers, std::unique_ptr<Noticing> noticing)
    : Encoder(std::move(modality), std::move(towers)),
      tower_(towers_.at("")),
      noticing_(std::move(noticing)),
      gate_(kMinUtterance, kMinSilence, kAround, spec().samples),
      most_kept_(static_cast<std::size_t>((2 * spec().samples + 2 * kRateHz) / kChunk)) {
  forget();
}

void Sounds::forget() {
  noticing_->reset();
  gate_.reset();
  kept_.clear();
  told_end_ = 0;
  told_level_ = kQuietest;
  looked_ns_ = 0;
  alone_ = 0;
}

Finding Sounds::encode(const Sample& sample) {
  const auto* chunk = std::get_if<AudioChunk>(&sample);
  if (chunk == nullptr || chunk->rate_hz != kRateHz || chunk->samples.size() != kChunk)
    throw SampleError("the " + modality_ + " encoder takes chunks of " + std::to_string(kChunk) + " samples at " +
                      std::to_string(kRateHz) + " Hz");
  const Ns end_ns = chunk->captured_ns + chunk->duration_ns();
  const Fault fault = health_.step(chunk->samples, end_ns);
  if (end_ns_ && chunk->captured_ns - *end_ns_ >= kGapNs) forget();
  end_ns_ = end_ns;
  kept_.push_back(chunk->cleaned.value_or(chunk->samples));
  for (float& value : kept_.back())
    if (!std::isfinite(value)) value = 0.0F;
  if (kept_.size() > most_kept_) kept_.pop_front();
  const bool own = chunk->echo >= kOwnVoice;
  alone_ = chunk->cleaned ? 0 : alone_ + kChunk;
  const Window window = spec().always ? newest(end_ns) : utterance(kept_.back(), own, end_ns);
  Finding found;
  found.modality = modality_;
  found.captured_ns = chunk->captured_ns;
  if (!fault && window) {
    const Tokens tokens = tower_->attempt(*window, found.failures);
    failing_ = !tokens;
    if (tokens) found.evidence = tower_->evidence(tokens, end_ns);
  }
  found.fault = fault ? fault : failing_ ? Fault(kFailing) : std::nullopt;
  return found;
}

// The newest stretch, once a second, where there is something in it and nothing was played.
Sounds::Window Sounds::newest(Ns end_ns) {
  const auto heard = static_cast<std::int64_t>(kept_.size()) * kChunk;
  const std::int64_t wanted = std::min(spec().samples, heard);
  if (heard < std::min(spec().samples, kRateHz) || alone_ < wanted || end_ns - looked_ns_ < kAlwaysNs)
    return std::nullopt;
  looked_ns_ = end_ns;
  Floats sound = kept_sound();
  sound.erase(sound.begin(), sound.end() - wanted);
  if (level_dbfs(sound.data(), sound.size()) < kQuietestDbfs) return std::nullopt;
  return prepare_sound(sound, spec());
}

// The window of an utterance that has ended with this chunk, or of one that goes on, now and then.
Sounds::Window Sounds::utterance(const Floats& samples, bool own, Ns end_ns) {
  const double probability = noticing_->probability(samples);
  if (const std::optional<SpeechEnds> event = gate_.step(own ? 0.0 : probability)) return ended(*event, end_ns);
  const std::optional<Stretch>& stretch = gate_.stretch();
  if (!stretch || !stretch->sure || stretch->quiet) return std::nullopt;
  if (gate_.heard() - stretch->start < kSoFarMin || end_ns - looked_ns_ < kSoFarNs) return std::nullopt;
  const std::int64_t start = std::max(told_end_, stretch->start - kAround);
  if (is_soft(start, gate_.heard())) return std::nullopt;
  looked_ns_ = end_ns;
  return window(start, gate_.heard());
}

Sounds::Window Sounds::ended(const SpeechEnds& event, Ns end_ns) {
  if (is_soft(event.start, event.end)) return std::nullopt;
  Floats made = window(event.start, event.end);
  looked_ns_ = end_ns;
  told_end_ = event.end;
  told_level_ = level(event.start, event.end);
  return made;
}

bool Sounds::is_soft(std::int64_t start, std::int64_t end) const {
  return start - told_end_ < kJustBefore && level(start, end) < told_level_ - kSofterDb;
}

// Of the loudest chunk between these places [dB of full scale].
double Sounds::level(std::int64_t start, std::int64_t end) const {
  const auto count = static_cast<std::int64_t>(kept_.size());
  const std::int64_t first = gate_.heard() / kChunk - count;
  const std::int64_t stop = std::min(-floor_div(-end, kChunk) - first, count);
  double most = kQuietest;
  for (std::int64_t i = std::max<std::int64_t>(floor_div(start, kChunk) - first, 0); i < stop; ++i)
    most = std::max(most, level_dbfs(kept_[static_cast<std::size_t>(i)].data(), kChunk));
  return most;
}

// The utterance in the middle of what was heard around it; what belongs to the one before is left out, and what is yet
// to be heard is zeros.
Floats Sounds::window(std::int64_t start, std::int64_t end) const {
  const std::int64_t size = spec().samples, first = first_kept();
  const Floats sound = kept_sound();
  if (end - start >= size)
    return prepare_sound(
        Floats(sound.begin() + std::max<std::int64_t>(0, start - first), sound.begin() + (end - first)), spec());
  const std::int64_t left = floor_div(start + end - size, 2);
  const std::int64_t begin = std::max({left, told_end_, first}), stop = std::min(left + size, gate_.heard());
  Floats made(static_cast<std::size_t>(size), 0.0F);
  std::copy(sound.begin() + (begin - first), sound.begin() + (stop - first), made.begin() + (begin - left));
  return made;
}

Floats Sounds::kept_sound() const {
  Floats made;
  made.reserve(kept_.size() * kChunk);
  for (const Floats& chunk : kept_) made.insert(made.end(), chunk.begin(), chunk.end());
  return made;
}

std::int64_t Sounds::first_kept() const { return gate_.heard() - static_cast<std::int64_t>(kept_.size()) * kChunk; }

}  // namespace sensorium
