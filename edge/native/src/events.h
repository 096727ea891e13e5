// Events as JSON lines, byte for byte as edge/sensorium/events.py writes them.
#pragma once

#include "health.h"

namespace sensorium {

// One text that was looked for.
struct Candidate {
  std::string text;
  double probability = 0;
  std::vector<std::pair<std::string, double>> contributions;  // modality -> log-odds it added
};

// How one modality stood when a percept was made.
struct Sensed {
  std::string modality;
  State state = State::absent;
  std::string reason;
  std::optional<double> age_ms;
  bool evidence = false;
};

struct Percept {
  Ns at_ns = 0;
  std::int64_t seq = 0;
  std::vector<Sensed> senses;
  std::vector<Candidate> candidates;
  std::string rung;
  double latency_ms = 0;
  std::vector<std::pair<std::string, std::string>> backends;
};

Event percept_event(const Percept& percept);
Event health_event(Ns at_ns, const std::string& modality, const Health& health);
Event rung_event(Ns at_ns, const std::string& rung, const std::string& previous, const std::string& cause);
Event fault_event(Ns at_ns, const std::string& where, const std::string& reason);
Event utterance_event(Ns at_ns, const std::string& text, const std::string& modality, Ns started_ns, Ns ended_ns);

// A number as Python's json writes round(value, digits).
std::string rounded(double value, int digits);

}  // namespace sensorium
