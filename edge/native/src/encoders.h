// What turns the samples of one modality into what they mean, one sample at a time and in order.
#pragma once

#include <deque>

#include "config.h"
#include "graph.h"
#include "health.h"
#include "voice.h"

namespace sensorium {

constexpr const char* kFailing = "failing";  // the fault of a modality whose encoder fails

// One modality's graph: a prepared sample in, tokens out.
class Tower {
 public:
  // Raises Error where the graph does not fit the spec.
  Tower(std::string modality, InputSpec spec, Graph graph, Ns lasts_ns);

  const InputSpec& spec() const { return spec_; }
  // Tokens, or nothing and why not in `failures`.
  Tokens attempt(const Floats& tensor, std::vector<std::string>& failures) const;
  Evidence evidence(Tokens tokens, Ns at_ns) const;

 private:
  std::string modality_;
  InputSpec spec_;
  Graph graph_;
  Ns lasts_ns_;
};

using TowerPtr = std::shared_ptr<const Tower>;
using Towers = std::map<std::string, TowerPtr>;  // by variant; "" is the model itself

class Encoder {
 public:
  virtual ~Encoder() = default;
  // What this sample shows to that variant; an encoder that fails has its modality degraded, not silenced.
  Finding attempt(const Sample& sample, const std::string& variant);

 protected:
  Encoder(std::string modality, Towers towers) : modality_(std::move(modality)), towers_(std::move(towers)) {}

  virtual void use(const TowerPtr& tower) = 0;
  virtual Finding encode(const Sample& sample) = 0;  // raises SampleError for another kind of sample

  std::string modality_;
  Towers towers_;
};

// Pictures: judged, prepared, and encoded when they change.
class Pictures : public Encoder {
 public:
  Pictures(std::string modality, Towers towers);

 protected:
  void use(const TowerPtr& tower) override;
  Finding encode(const Sample& sample) override;

 private:
  void forget();
  bool keep(Ns at_ns, const PicturePtr& image);
  bool due(Ns at_ns) const;
  Floats tensor() const;
  const ImageInput& spec() const { return std::get<ImageInput>(tower_->spec()); }

  TowerPtr tower_;
  PictureHealth health_;
  std::deque<std::pair<Ns, PicturePtr>> frames_;
  PicturePtr encoded_;  // the picture that the tokens are of
  Ns encoded_ns_ = 0;
  Tokens tokens_;
};

// Sound: judged, cut into utterances or taken as it comes, and encoded.
class Sounds : public Encoder {
 public:
  Sounds(std::string modality, Towers towers, std::unique_ptr<Noticing> noticing);

 protected:
  void use(const TowerPtr& tower) override { tower_ = tower; }
  Finding encode(const Sample& sample) override;

 private:
  using Window = std::optional<Floats>;

  void forget();
  Window newest(Ns end_ns);
  Window utterance(const Floats& samples, bool own, Ns end_ns);
  Window ended(const SpeechEnds& event, Ns end_ns);
  bool is_soft(std::int64_t start, std::int64_t end) const;
  double level(std::int64_t start, std::int64_t end) const;
  Floats window(std::int64_t start, std::int64_t end) const;
  Floats kept_sound() const;
  std::int64_t first_kept() const;  // place of the oldest kept sample
  const SoundInput& spec() const { return std::get<SoundInput>(tower_->spec()); }

  TowerPtr tower_;
  std::unique_ptr<Noticing> noticing_;
  SoundHealth health_;
  SpeechGate gate_;
  std::size_t most_kept_;  // chunks
  std::deque<Floats> kept_;
  std::optional<Ns> end_ns_;
  bool failing_ = false;
  std::int64_t told_end_ = 0;  // where the last whole utterance ended [samples]
  double told_level_ = 0;      // and how loud it was [dB of full scale]
  Ns looked_ns_ = 0;
  std::int64_t alone_ = 0;  // samples while the machine played nothing until now
};

// Typed text: every line is an utterance.
class Lines : public Encoder {
 public:
  Lines() : Encoder("text", {}) {}

 protected:
  void use(const TowerPtr&) override {}
  Finding encode(const Sample& sample) override;
};

// Sound of any length as the model takes it; not empty, finite.
Floats prepare_sound(const Floats& sound, const SoundInput& spec);

}  // namespace sensorium
