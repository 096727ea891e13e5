// Learned fusion, as edge/sensorium/learned/fusion.py has it: tokens of whatever senses are fresh through one graph,
// and what each of them changed.
#pragma once

#include "config.h"
#include "events.h"
#include "graph.h"

namespace sensorium {

// The tokens that are there, by modality in the model's order.
using Present = std::vector<std::pair<std::string, Tokens>>;

class Fusion {
 public:
  // `only` these labels are told, where any of them is one. Raises Error where the graph does not fit the config.
  Fusion(ModelConfig config, Graph graph, const std::vector<std::string>& only);

  // The `count` most probable labels; of the same tokens the same, without running the graph again.
  std::vector<Candidate> fuse(const std::map<std::string, Evidence>& newest, std::size_t count);

 private:
  using Doubles = std::vector<double>;

  std::vector<Candidate> candidates(const Present& present);
  Doubles probabilities(const Present& present);

  ModelConfig config_;
  Graph graph_;
  std::vector<std::size_t> kept_;  // places of the labels that are told
  std::size_t head_ = 0;           // place of the first head among the outputs
  std::optional<Doubles> prior_;
  std::optional<Present> told_of_;
  std::vector<Candidate> told_;
};

}  // namespace sensorium
