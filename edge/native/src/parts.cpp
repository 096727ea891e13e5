#include "parts.h"

#include <algorithm>
#include <array>

#include "json.h"

namespace sensorium {
namespace {

constexpr const char* kModel = "model";
constexpr const char* kVariant = "variant";
constexpr const char* kVoice = "voice_activity";
constexpr const char* kLadder = "ladder";
constexpr std::array<const char*, 4> kRoles = {kModel, kVariant, kVoice, kLadder};

class Assembly {
 public:
  Assembly(const Bundle& bundle, int threads) : bundle_(bundle), threads_(threads) {}

  Parts made(const std::vector<std::string>& look_for) {
    check_roles();
    const auto models = bundle_.parts(kModel);
    if (models.empty()) throw Error("the bundle has no part of role model; the native runner runs trained models");
    const auto& [name, part] = models.front();
    for (const auto& [voice, entry] : bundle_.parts(kVoice))
      if (!parts_.voice) parts_.voice = std::make_unique<Graph>(open(voice, *entry, "model"));
    const ModelConfig config = parse_config(name, *part->config);
    const std::map<std::string, Towers> smaller = variants(config);
    for (const auto& [modality, spec] : config.modalities) {
      Towers towers;
      if (smaller.count(modality) != 0) towers = smaller.at(modality);
      towers[""] = tower(name, *part, config, modality);
      parts_.encoders[modality] = encoder(modality, spec, std::move(towers));
    }
    parts_.fusion = std::make_unique<Fusion>(config, open(name, *part, "fusion"), look_for);
    if (parts_.encoders.count("text") == 0) parts_.encoders["text"] = std::make_unique<Lines>();
    parts_.ladder = ladder();
    return std::move(parts_);
  }

 private:
  void check_roles() const {
    for (const auto& [name, part] : bundle_.manifest().parts)
      if (std::find(kRoles.begin(), kRoles.end(), part.role) == kRoles.end())
        throw Error("part " + name + " is a " + part.role +
                    "; the native runner runs a model with its variants, "
                    "ladder and voice activity, Python's runs all");
  }

  Graph open(const std::string& part, const PartEntry& entry, const std::string& graph) {
    Graph made = open_graph(bundle_, part, entry, graph, threads_);
    parts_.backends.emplace_back(part + "/" + graph, kBackend);
    return made;
  }

  TowerPtr tower(const std::string& part, const PartEntry& entry, const ModelConfig& config,
                 const std::string& modality) {
    return std::make_shared<const Tower>(modality, *find(config.modalities, modality), open(part, entry, modality),
                                         config.lasts_ns(modality));
  }

  // The graphs of variants whose input is another than the model's, by modality and variant.
  std::map<std::string, Towers> variants(const ModelConfig& model) {
    std::map<std::string, Towers> made;
    for (const auto& [name, part] : bundle_.parts(kVariant)) {
      const std::string prefix = std::string(kModel) + "-";
      const std::string variant = name.compare(0, prefix.size(), prefix) == 0 ? name.substr(prefix.size()) : name;
      const ModelConfig own = parse_config(name, *part->config);
      for (const auto& [modality, spec] : own.modalities) {
        const InputSpec* usual = find(model.modalities, modality);
        if (usual == nullptr || usual->index() != spec.index())
          throw Error("part " + name + ": " + modality +
                      " is no smaller form of the model's; compile the bundle again");
        if (!(spec == *usual)) made[modality][variant] = tower(name, *part, own, modality);
      }
      parts_.variants.push_back(variant);
    }
    return made;
  }

  std::unique_ptr<Encoder> encoder(const std::string& modality, const InputSpec& spec, Towers towers) const {
    if (std::holds_alternative<ImageInput>(spec)) return std::make_unique<Pictures>(modality, std::move(towers));
    std::unique_ptr<Noticing> noticing;
    if (parts_.voice)
      noticing = std::make_unique<VoiceStream>(*parts_.voice);
    else
      noticing = std::make_unique<Loudness>();
    return std::make_unique<Sounds>(modality, std::move(towers), std::move(noticing));
  }

  Ladder ladder() const {
    for (const auto& [name, part] : bundle_.parts(kLadder)) {
      const Fields fields(*part->config, "part " + name, {"rung"});
      return parse_ladder(fields.at("rung"), fields.path("rung"));
    }
    return usual_ladder();
  }

  const Bundle& bundle_;
  int threads_;
  Parts parts_;
};

}  // namespace

Parts assemble(const Bundle& bundle, const std::vector<std::string>& look_for, int threads) {
  return Assembly(bundle, threads).made(look_for);
}

}  // namespace sensorium
