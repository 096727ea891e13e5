// From a bundle to the parts of a session, as edge/sensorium/assemble.py opens them.
#pragma once

#include "encoders.h"
#include "fusion.h"
#include "ladder.h"

namespace sensorium {

struct Parts {
  std::unique_ptr<Graph> voice;  // what finds speech, where the bundle has it; encoders refer to it
  std::map<std::string, std::unique_ptr<Encoder>> encoders;
  std::unique_ptr<Fusion> fusion;
  std::vector<std::string> variants;
  Ladder ladder;
  Named<std::string> backends;  // part/graph -> what executes it
};

// Opens every part; raises Error for a bundle that has parts which only Python runs. `look_for`: the labels that are
// told, all where it is empty. `threads`: 1 is the caller's alone, 0 leaves the number to ExecuTorch.
Parts assemble(const Bundle& bundle, const std::vector<std::string>& look_for, int threads);

}  // namespace sensorium
