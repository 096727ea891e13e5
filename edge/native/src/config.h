// Settings of a part of role `model`, as edge/sensorium/learned/config.py and inputs.py define them.
#pragma once

#include "manifest.h"

namespace sensorium {

struct ImageInput {
  int height = 0;
  int width = 0;
  bool crop = true;  // the largest middle part of that shape; else all of it, stretched
  int frames = 1;    // the newest of them make a clip
  double frame_period_ms = 100.0;
};

struct SoundInput {
  std::int64_t samples = 0;  // at 16 kHz
  bool always = false;       // looked at once a second; else at utterances
};

using InputSpec = std::variant<ImageInput, SoundInput>;

std::vector<std::int64_t> shape_of(const InputSpec& spec);
bool operator==(const ImageInput& a, const ImageInput& b);
bool operator==(const SoundInput& a, const SoundInput& b);

struct ModelConfig {
  Named<InputSpec> modalities;                // in the order of presence
  std::vector<std::string> heads;             // the first is told
  std::vector<std::string> labels;            // of the first head
  std::map<std::string, double> temperature;  // by subset; divides its logits
  std::map<std::string, double> lasts_s;      // by modality

  double temperature_of(const std::vector<std::string>& present) const;
  Ns lasts_ns(const std::string& modality) const;
};

// Raises Error that names the key, and for what only Python runs: text, readings, heads of embeddings.
ModelConfig parse_config(const std::string& part, const Json& config);

// `vision+audio`; of the empty subset `none`.
std::string subset_name(const std::vector<std::string>& present);

}  // namespace sensorium
