// What travels through the runner: samples, evidence, findings. Times are integer nanoseconds of one monotonic clock.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

namespace sensorium {

using Ns = std::int64_t;
constexpr Ns kNsPerMs = 1'000'000;
constexpr Ns kNsPerS = 1'000'000'000;

// Says what was given, what is allowed and what to do. Whoever is outside gets it as a string.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A graph that does not open or does not run.
struct BackendError : Error {
  using Error::Error;
};

// A sample that is not what its modality takes.
struct SampleError : Error {
  using Error::Error;
};

// uint8 RGB, (height, width, 3).
struct Picture {
  int height = 0;
  int width = 0;
  std::vector<std::uint8_t> rgb;
};

using PicturePtr = std::shared_ptr<const Picture>;

struct Frame {
  Ns captured_ns = 0;
  PicturePtr picture;
  bool still = false;  // a photo shown on purpose: that it repeats is no fault
};

// Mono sound in [-1, 1]; captured_ns is its first sample's time.
struct AudioChunk {
  Ns captured_ns = 0;
  std::vector<float> samples;
  std::int64_t rate_hz = 0;
  double echo = 0.0;  // likeness, in [0, 1], to what the machine plays
  std::optional<std::vector<float>> cleaned;  // without what the machine plays, where it plays something

  Ns duration_ns() const { return static_cast<Ns>(samples.size()) * kNsPerS / rate_hz; }
};

struct Line {
  Ns captured_ns = 0;
  std::string text;
};

using Sample = std::variant<Frame, AudioChunk, Line>;

using Tokens = std::shared_ptr<const std::vector<float>>;  // (1, count, width); nothing for words

// One modality's latest result.
struct Evidence {
  std::string sense;
  Ns captured_ns = 0;
  Tokens tokens;
  Ns lasts_ns = 10 * kNsPerS;

  Ns lasts_until_ns() const { return captured_ns + lasts_ns; }
};

// What an encoder made of one sample.
struct Finding {
  std::string modality;
  Ns captured_ns = 0;
  std::optional<std::string> fault;  // why the content is useless: dark, muted ...
  std::optional<Evidence> evidence;
  std::optional<std::string> text;
  std::vector<std::string> failures;  // parts that failed on this sample
};

// One JSON line that the session tells.
struct Event {
  enum class Kind { percept, health, rung, fault, utterance };
  Kind kind;
  std::string line;
};

using Events = std::vector<Event>;
using Arrivals = std::map<std::string, Ns>;  // modality -> when its last sample came

inline void append(Events& to, Events more) {
  for (Event& event : more) to.push_back(std::move(event));
}

}  // namespace sensorium
