#include "config.h"

#include <algorithm>
#include <cmath>

#include "json.h"

namespace sensorium {
namespace {

constexpr double kPictureLasts = 5.0, kSoundLasts = 3.0;  // [s], as in learned/config.py

InputSpec input(const Json& value, const std::string& where) {
  const std::string kind = Fields(value, where).text("kind");
  if (kind == "image") {
    const Fields fields(value, where, {"kind", "height", "width", "fit", "frames", "frame_period_ms"});
    ImageInput spec;
    spec.height = static_cast<int>(fields.integer("height", 8, 1024));
    spec.width = static_cast<int>(fields.integer("width", 8, 1024));
    const std::string fit = fields.text_or("fit", "crop");
    if (fit != "crop" && fit != "stretch") throw Error(fields.path("fit") + " is crop or stretch; given " + fit);
    spec.crop = fit == "crop";
    spec.frames = static_cast<int>(fields.integer_or("frames", 1, 64, 1));
    spec.frame_period_ms = fields.number_or("frame_period_ms", 100.0);
    return spec;
  }
  if (kind == "sound") {
    const Fields fields(value, where, {"kind", "rate_hz", "samples", "listen"});
    SoundInput spec;
    fields.integer_or("rate_hz", 16000, 16000, 16000);
    spec.samples = fields.integer("samples", 1600, 480'000);
    const std::string listen = fields.text_or("listen", "utterances");
    if (listen != "utterances" && listen != "always")
      throw Error(fields.path("listen") + " is utterances or always; given " + listen);
    spec.always = listen == "always";
    return spec;
  }
  throw Error(where + " is of kind " + kind + "; the native runner takes image and sound, Python's takes all");
}

std::map<std::string, double> positive(const Fields& fields, const char* name) {
  std::map<std::string, double> made;
  const Json& table = fields.object_or_empty(name);
  const Fields own(table, fields.path(name));
  for (const auto& item : table.items()) {
    const std::optional<double> value = own.maybe_number(item.key().c_str());
    if (!value || *value <= 0) throw Error(own.path(item.key()) + " is above 0");
    made[item.key()] = *value;
  }
  return made;
}

std::vector<std::string> labels_of(const Json& head, const std::string& where) {
  const std::string kind = Fields(head, where).text_or("kind", "classes");
  if (kind != "classes")
    throw Error(where + " is of kind " + kind + "; the native runner scores classes, Python's scores any texts");
  const Fields fields(head, where, {"kind", "labels"});
  std::vector<std::string> labels = fields.texts("labels");
  if (labels.size() < 2) throw Error(fields.path("labels") + " has at least two");
  return labels;
}

}  // namespace

std::vector<std::int64_t> shape_of(const InputSpec& spec) {
  if (const auto* sound = std::get_if<SoundInput>(&spec)) return {1, sound->samples};
  const auto& image = std::get<ImageInput>(spec);
  std::vector<std::int64_t> shape = {1, 3, image.height, image.width};
  if (image.frames > 1) shape.insert(shape.begin() + 1, image.frames);
  return shape;
}

bool operator==(const ImageInput& a, const ImageInput& b) {
  return std::tie(a.height, a.width, a.crop, a.frames, a.frame_period_ms) ==
         std::tie(b.height, b.width, b.crop, b.frames, b.frame_period_ms);
}

bool operator==(const SoundInput& a, const SoundInput& b) { return a.samples == b.samples && a.always == b.always; }

double ModelConfig::temperature_of(const std::vector<std::string>& present) const {
  const auto found = temperature.find(subset_name(present));
  return found == temperature.end() ? 1.0 : found->second;
}

Ns ModelConfig::lasts_ns(const std::string& modality) const {
  const auto found = lasts_s.find(modality);
  const bool sound = std::holds_alternative<SoundInput>(*find(modalities, modality));
  const double seconds = found != lasts_s.end() ? found->second : sound ? kSoundLasts : kPictureLasts;
  return static_cast<Ns>(std::nearbyint(std::min(seconds, 1e9) * kNsPerS));  // thirty years are for ever
}

ModelConfig parse_config(const std::string& part, const Json& config) {
  const Fields fields(config, "part " + part, {"modalities", "heads", "temperature", "lasts_s", "answers"});
  ModelConfig made;
  for (const auto& item : as_object(fields.at("modalities"), fields.path("modalities")).items())
    made.modalities.emplace_back(item.key(), input(item.value(), fields.path("modalities." + item.key())));
  for (const auto& item : as_object(fields.at("heads"), fields.path("heads")).items()) {
    if (made.heads.empty()) made.labels = labels_of(item.value(), fields.path("heads." + item.key()));
    made.heads.push_back(item.key());
  }
  if (made.modalities.empty() || made.heads.empty())
    throw Error("part " + part + " has at least one modality and one head; compile the bundle again");
  made.temperature = positive(fields, "temperature");
  made.lasts_s = positive(fields, "lasts_s");
  if (fields.flag_or("answers", false))
    throw Error("part " + part + " answers typed questions; the native runner does not, Python's does");
  return made;
}

std::string subset_name(const std::vector<std::string>& present) {
  std::string name;
  for (const std::string& modality : present) name += (name.empty() ? "" : "+") + modality;
  return name.empty() ? "none" : name;
}

}  // namespace sensorium
