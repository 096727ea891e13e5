// Trading quality for time, as edge/sensorium/ladder.py does: rungs, and the pure rule that moves between them.
#pragma once

#include "json_fwd.h"
#include "types.h"

namespace sensorium {

// How the machine is doing. None: it does not tell.
struct Readings {
  std::optional<double> late_ms, behind_ms, temperature_c, memory_free_mb, battery;
  bool on_mains = false;
  double failures = 0;
};

struct Limits {
  std::optional<double> late_ms, behind_ms, temperature_c, memory_free_mb, battery, failures;
};

struct Rung {
  std::string name;
  double vision_period_ms = 0;
  std::string variant;
  bool language_model = true;
  std::int64_t speech_sentences = 0;
  Limits enter, leave;
  double stay_s = 5;

  Ns vision_period_ns() const;
  Ns stay_ns() const;
};

struct Standing {
  std::size_t level = 0;
  std::optional<Ns> since_ns;
  std::string cause;
  bool climbed = false;
  std::optional<Ns> good_ns;
  int relapses = 0;
};

using Ladder = std::vector<Rung>;

// Where to stand after these readings.
Standing step(const Ladder& rungs, const Standing& standing, const Readings& readings, Ns now_ns);

// The rungs of a JSON array of tables; raises Error that begins with `where`.
Ladder parse_ladder(const Json& rungs, const std::string& where);
Readings parse_readings(const Json& readings, const std::string& where);

// The usual ladder without those rungs that give up nothing that this runner has: it neither rewords nor speaks.
Ladder fitted(const Ladder& rungs, bool pictures, const std::vector<std::string>& variants);
const Ladder& usual_ladder();

}  // namespace sensorium
