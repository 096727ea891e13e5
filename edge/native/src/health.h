// The judgement on a stream, as edge/sensorium/health.py makes it: do samples arrive, and is there anything in them?
#pragma once

#include "types.h"

namespace sensorium {

enum class State { live, degraded, stale, absent };

const char* to_string(State state);

struct Health {
  State state = State::absent;
  std::string reason;
  Ns since_ns = 0;

  bool present() const { return state == State::live || state == State::degraded; }
};

// Whether samples still arrive: the last came age_ns ago, one is overdue from stale_ns on (0: never).
State arrival(Ns age_ns, Ns stale_ns);

// The age from which on the last sample is stale, where one is usual every period_ns (0: no rate).
Ns stale_after_ns(const std::string& modality, Ns period_ns);

using Fault = std::optional<std::string>;

// Why a picture shows nothing: dark, over-exposed, covered. `standing`: the fault that it must leave clearly.
Fault picture_fault(const Picture& image, const Fault& standing);

// Why sound cannot be used: not finite, muted, clipped, DC offset.
Fault sound_fault(const std::vector<float>& samples);

// Lets a fault through once it has lasted, and lets it go once it has been gone for as long.
class Hysteresis {
 public:
  Hysteresis(Ns enter_ns, Ns leave_ns) : enter_ns_(enter_ns), leave_ns_(leave_ns) {}
  const Fault& step(const Fault& seen, Ns at_ns);
  const Fault& fault() const { return fault_; }

 private:
  Ns enter_ns_, leave_ns_;
  Fault fault_;
  Fault other_;
  Ns other_since_ns_ = 0;
};

class PictureHealth {
 public:
  const Fault& step(const Frame& frame);

 private:
  bool frozen(const PicturePtr& image, Ns at_ns);

  Hysteresis hysteresis_{200 * kNsPerMs, 200 * kNsPerMs};
  Ns same_since_ns_ = 0;
  PicturePtr previous_;
};

class SoundHealth {
 public:
  const Fault& step(const std::vector<float>& samples, Ns at_ns) {
    return hysteresis_.step(sound_fault(samples), at_ns);
  }

 private:
  Hysteresis hysteresis_{500 * kNsPerMs, 100 * kNsPerMs};
};

}  // namespace sensorium
