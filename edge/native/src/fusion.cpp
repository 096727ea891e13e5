#include "fusion.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "numeric.h"

namespace sensorium {
namespace {

constexpr double kSure = 1e-6;  // probabilities are kept so far from 0 and 1
constexpr const char* kPresence = "presence";

std::vector<std::string> names(const Present& present) {
  std::vector<std::string> made;
  for (const auto& [name, tokens] : present) made.push_back(name);
  return made;
}

double log_odds(double probability) {
  const double kept = std::min(std::max(probability, kSure), 1 - kSure);
  return std::log(kept) - std::log1p(-kept);
}

}  // namespace

Fusion::Fusion(ModelConfig config, Graph graph, const std::vector<std::string>& only)
    : config_(std::move(config)), graph_(std::move(graph)) {
  for (const TensorSpec& spec : graph_.inputs()) {
    const std::size_t wanted = spec.name == kPresence ? config_.modalities.size() : elements(spec);
    if ((spec.name != kPresence && find(config_.modalities, spec.name) == nullptr) || elements(spec) != wanted)
      throw Error("the fusion graph takes " + spec.name + ", the model has another; compile the bundle again");
  }
  if (graph_.inputs().size() != config_.modalities.size() + 1)
    throw Error("the fusion graph takes another number of modalities than the model has; compile the bundle again");
  const auto& outputs = graph_.outputs();
  const auto found = std::find_if(outputs.begin(), outputs.end(),
                                  [&](const TensorSpec& spec) { return spec.name == config_.heads.front(); });
  if (found == outputs.end() || elements(*found) != config_.labels.size())
    throw Error("the fusion graph does not give the head " + config_.heads.front() + "; compile the bundle again");
  head_ = static_cast<std::size_t>(found - outputs.begin());
  for (std::size_t i = 0; i < config_.labels.size(); ++i)
    if (std::find(only.begin(), only.end(), config_.labels[i]) != only.end()) kept_.push_back(i);
  if (kept_.empty()) {
    kept_.resize(config_.labels.size());
    std::iota(kept_.begin(), kept_.end(), std::size_t{0});
  }
}

std::vector<Candidate> Fusion::fuse(const std::map<std::string, Evidence>& newest, std::size_t count) {
  Present present;
  for (const auto& [name, spec] : config_.modalities) {
    const auto found = newest.find(name);
    if (found != newest.end()) present.emplace_back(name, found->second.tokens);
  }
  if (told_of_ != present) {
    told_ = candidates(present);
    told_of_ = present;
  }
  return {told_.begin(), told_.begin() + static_cast<std::ptrdiff_t>(std::min(count, told_.size()))};
}

std::vector<Candidate> Fusion::candidates(const Present& present) {
  const Doubles all = probabilities(present);
  std::vector<Doubles> without;
  for (std::size_t left_out = 0; left_out < present.size(); ++left_out) {
    Present rest = present;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(left_out));
    without.push_back(probabilities(rest));
  }
  std::vector<std::size_t> best(all.size());
  std::iota(best.begin(), best.end(), std::size_t{0});
  std::stable_sort(best.begin(), best.end(), [&](std::size_t a, std::size_t b) { return all[a] > all[b]; });
  std::vector<Candidate> made;
  for (const std::size_t i : best) {
    Candidate own{config_.labels[kept_[i]], all[i], {}};
    for (std::size_t m = 0; m < present.size(); ++m)
      own.contributions.emplace_back(present[m].first, log_odds(all[i]) - log_odds(without[m][i]));
    made.push_back(std::move(own));
  }
  return made;
}

Fusion::Doubles Fusion::probabilities(const Present& present) {
  if (present.empty() && prior_) return *prior_;
  std::map<std::string, Floats> feeds;
  Floats presence;
  for (const auto& [name, spec] : config_.modalities) {
    const Tokens* found = find(present, name);
    presence.push_back(found == nullptr ? 0.0F : 1.0F);
    if (found != nullptr) feeds[name] = **found;
  }
  feeds[kPresence] = presence;
  std::vector<const Floats*> given;
  for (const TensorSpec& spec : graph_.inputs()) {
    if (feeds.count(spec.name) == 0) feeds[spec.name] = Floats(elements(spec), 0.0F);
    given.push_back(&feeds[spec.name]);
  }
  const Floats output = graph_.run(given)[head_];
  if (!all_finite(output))
    throw BackendError("the fusion graph gave NaN or infinite values of " + config_.heads.front() + " with " +
                       subset_name(names(present)) + " present");
  const double temperature = config_.temperature_of(names(present));
  const double most = static_cast<double>(*std::max_element(output.begin(), output.end())) / temperature;
  Doubles shares(output.size());
  std::transform(output.begin(), output.end(), shares.begin(),
                 [&](float score) { return std::exp(static_cast<double>(score) / temperature - most); });
  const double total = pairwise_sum(shares.data(), shares.size());
  Doubles made;
  for (const std::size_t i : kept_) made.push_back(shares[i] / total);
  if (present.empty()) prior_ = made;
  return made;
}

}  // namespace sensorium
