// Replaying a recording, as edge/sensorium/replay.py does: the same steps through the same core give the same
// decisions.
#pragma once

#include "messages.h"
#include "parts.h"

namespace sensorium {

class Replay {
 public:
  // `settings`: the recording's first message. Raises Error: damaged, or made with other backends than this runner has.
  Replay(const Bundle& bundle, const Json& settings, int threads);

  // The events that one recorded step leads to; raises Error for one that makes no sense.
  Events handle(const Message& message);

 private:
  Parts parts_;
  std::unique_ptr<Core> core_;
};

}  // namespace sensorium
