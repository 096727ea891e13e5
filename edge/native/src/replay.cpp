#include "replay.h"

#include <limits>

namespace sensorium {
namespace {

constexpr Ns kEver = std::numeric_limits<Ns>::max() / 4;

Named<std::string> backends_of(const Fields& settings, const Named<std::string>& own) {
  Named<std::string> made;
  for (const auto& item : settings.object_or_empty("backends").items()) {
    made.emplace_back(item.key(), as_text(item.value(), settings.path("backends." + item.key())));
    const std::string* ours = find(own, item.key());
    if (ours != nullptr && *ours != made.back().second)
      throw Error("the recording has " + item.key() + " executed by " + made.back().second + ", here by " + *ours +
                  "; record it with this bundle");
  }
  return made;
}

Arrivals arrivals_of(const Fields& step) {
  Arrivals made;
  const Json& table = step.object_or_empty("arrivals");
  const Fields fields(table, step.path("arrivals"));
  for (const auto& item : table.items()) made[item.key()] = fields.integer(item.key().c_str(), -kEver, kEver);
  return made;
}

}  // namespace

Replay::Replay(const Bundle& bundle, const Json& settings, int threads) {
  const Fields fields(settings, "settings");
  CoreSettings own;
  own.modalities = fields.texts("modalities");
  own.look_for = fields.texts("look_for");
  own.ladder = parse_ladder(fields.at("ladder"), fields.path("ladder"));
  parts_ = assemble(bundle, own.look_for, threads);
  own.backends = backends_of(fields, parts_.backends);
  core_ = std::make_unique<Core>(std::move(own), *parts_.fusion);
}

Events Replay::handle(const Message& message) {
  const Fields step(message.header, "a step");
  const Ns now_ns = step.integer("now_ns", -kEver, kEver);
  const std::string kind = step.text("step");
  if (kind == "Tick") return core_->tick(step.integer("due_ns", -kEver, kEver), arrivals_of(step), now_ns);
  if (kind == "Check") return core_->check(arrivals_of(step), now_ns);
  if (kind == "SourceChanged") return core_->connect(parse_source_changed(message.header), now_ns);
  if (kind == "Measured") {
    core_->measured(parse_readings(step.at("readings"), step.path("readings")));
    return {};
  }
  if (kind == "Finding") {
    const auto encoder = parts_.encoders.find(modality_of(message));
    if (encoder == parts_.encoders.end())
      throw Error("the recording has " + modality_of(message) + " samples, the bundle no encoder for them");
    return core_->find(encoder->second->attempt(parse_sample(message, now_ns), step.text_or("variant", "")), now_ns);
  }
  if (kind == "Done" || kind == "Spoke")
    return {};  // answers and speech, which this runner has not; no percept has them
  throw Error("the recording has a step '" + kind +
              "'; known: Check, Done, Finding, Measured, SourceChanged, Spoke, Tick");
}

}  // namespace sensorium
