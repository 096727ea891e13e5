// Where somebody speaks, as components/voice_activity.py and learned/loudness.py find it.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "graph.h"

namespace sensorium {

constexpr std::int64_t kRateHz = 16'000;
constexpr std::int64_t kChunk = 512;     // 32 ms: the only size the voice detector takes at 16 kHz
constexpr double kQuietestDbfs = -55.0;  // below this nothing counts

// Root mean square without its offset [dB of full scale]; -120 for digital silence.
double level_dbfs(const float* samples, std::size_t count);

// Tells how probable it is that a chunk belongs to an utterance.
class Noticing {
 public:
  virtual ~Noticing() = default;
  virtual double probability(const Floats& chunk) = 0;
  virtual void reset() = 0;
};

// Loudness against a floor that adapts, without any model.
class Loudness : public Noticing {
 public:
  Loudness() { reset(); }
  double probability(const Floats& chunk) override;
  void reset() override;

 private:
  std::deque<double> levels_;
};

// Silero VAD's memory of one sound; the graph takes `input` (1, 576) and `state` (2, 1, 128).
class VoiceStream : public Noticing {
 public:
  explicit VoiceStream(const Graph& graph);  // raises Error where it is no such graph
  double probability(const Floats& chunk) override;
  void reset() override;

 private:
  const Graph& graph_;
  Floats state_, context_;
};

// A stretch of speech that is over [samples from the stream's beginning].
struct SpeechEnds {
  std::int64_t start = 0;
  std::int64_t end = 0;
};

// Speech under way.
struct Stretch {
  std::int64_t start = 0;
  bool sure = false;                                          // long enough to count
  std::optional<std::int64_t> quiet;                          // where the pause under way began
  std::vector<std::pair<std::int64_t, std::int64_t>> pauses;  // earlier ones, from and to
};

// From probabilities to stretches of speech, as Silero's get_speech_timestamps. All lengths in samples.
class SpeechGate {
 public:
  SpeechGate(std::int64_t min_speech, std::int64_t min_silence, std::int64_t around, std::int64_t longest)
      : min_speech_(min_speech), min_silence_(min_silence), around_(around), longest_(longest) {}

  std::optional<SpeechEnds> step(double probability);
  void reset();
  std::int64_t heard() const { return heard_; }
  const std::optional<Stretch>& stretch() const { return stretch_; }

 private:
  std::optional<SpeechEnds> finish();
  std::optional<SpeechEnds> cut();
  void make_sure();
  std::int64_t kept_from() const;

  std::int64_t min_speech_, min_silence_, around_, longest_;
  std::int64_t heard_ = 0;
  std::int64_t told_ = 0;  // end of the last stretch that was told
  std::optional<Stretch> stretch_;
};

}  // namespace sensorium
