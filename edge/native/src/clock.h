// The machine's monotonic clock, which Python's sessions on it have too.
#pragma once

#include <time.h>

#include "types.h"

namespace sensorium {

inline Ns monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

}  // namespace sensorium
