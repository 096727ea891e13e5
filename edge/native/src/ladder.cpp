#include "ladder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "json.h"

namespace sensorium {
namespace {

constexpr int kDoublings = 5, kRelapse = 3;  // ladder.py's

struct Measure {
  std::optional<double> Limits::*limit;
  int worse;  // 1: more is worse; -1: less is worse
  const char* told;
  double scale;
  bool of_time;

  bool reaches(double value, double bound) const { return worse * value >= worse * bound; }
};

constexpr std::array<Measure, 6> kMeasures = {{
    {&Limits::late_ms, 1, "ticks %.0f ms late", 1, true},
    {&Limits::behind_ms, 1, "senses %.0f ms behind", 1, true},
    {&Limits::temperature_c, 1, "%.0f °C", 1, false},
    {&Limits::memory_free_mb, -1, "%.0f MB of memory free", 1, false},
    {&Limits::battery, -1, "battery at %.0f %%", 100, false},
    {&Limits::failures, 1, "%.0f failures of backends in a minute", 1, false},
}};

// The readings in the form of limits: what does not matter is none.
Limits values_of(const Readings& own) {
  return {own.late_ms, own.behind_ms, own.temperature_c, own.memory_free_mb, own.on_mains ? std::nullopt : own.battery,
          own.failures};
}

std::string format(const char* how, double value) {
  std::array<char, 400> buffer{};
  std::snprintf(buffer.data(), buffer.size(), how, value);
  return buffer.data();
}

std::optional<std::string> cause_of(const Limits& values, const Limits& enter) {
  for (const Measure& measure : kMeasures) {
    const auto &value = values.*measure.limit, &limit = enter.*measure.limit;
    if (value && limit && measure.reaches(*value, *limit))
      return format(measure.told, *value * measure.scale) + ", the limit is " + format("%g", *limit * measure.scale);
  }
  return std::nullopt;
}

bool is_good(const Limits& values, const Limits& leave) {
  for (const Measure& measure : kMeasures) {
    const auto &value = values.*measure.limit, &limit = leave.*measure.limit;
    if (!limit) continue;
    if (!value && measure.of_time) return false;
    if (value && measure.reaches(*value, *limit)) return false;
  }
  return true;
}

std::string told(const Limits& values, const Limits& leave) {
  std::string made;
  for (const Measure& measure : kMeasures) {
    const auto& value = values.*measure.limit;
    if (leave.*measure.limit && value)
      made += (made.empty() ? "" : ", ") + format(measure.told, *value * measure.scale);
  }
  return made.empty() ? "nothing speaks against it" : made;
}

Limits limits(const Json& value, const std::string& where) {
  const Fields fields(value, where, {"late_ms", "behind_ms", "temperature_c", "memory_free_mb", "battery", "failures"});
  return {fields.maybe_number("late_ms"),        fields.maybe_number("behind_ms"), fields.maybe_number("temperature_c"),
          fields.maybe_number("memory_free_mb"), fields.maybe_number("battery"),   fields.maybe_number("failures")};
}

Rung rung(const Json& value, const std::string& where) {
  const Fields fields(
      value, where,
      {"name", "vision_period_ms", "variant", "language_model", "speech_sentences", "enter", "leave", "stay_s"});
  Rung own;
  own.name = fields.text("name");
  own.vision_period_ms = fields.number_or("vision_period_ms", 0);
  own.variant = fields.text_or("variant", "");
  own.language_model = fields.flag_or("language_model", true);
  own.speech_sentences = fields.integer_or("speech_sentences", 0, INT32_MAX, 0);
  own.enter = limits(fields.object_or_empty("enter"), fields.path("enter"));
  own.leave = limits(fields.object_or_empty("leave"), fields.path("leave"));
  own.stay_s = fields.number_or("stay_s", 5);
  const bool in_range =
      own.vision_period_ms >= 0 && own.vision_period_ms <= 1e9 && own.stay_s >= 1 && own.stay_s <= 1e6;
  if (own.name.empty() || !in_range) throw Error(where + " has a name, a vision_period_ms from 0 and a stay_s from 1");
  return own;
}

Rung usual(const char* name, double vision_period_ms, const char* variant, std::int64_t sentences, Limits enter,
           Limits leave) {
  return {name, vision_period_ms, variant, false, sentences, std::move(enter), std::move(leave), 5};
}

}  // namespace

Ns Rung::vision_period_ns() const { return static_cast<Ns>(std::nearbyint(vision_period_ms * kNsPerMs)); }
Ns Rung::stay_ns() const { return static_cast<Ns>(std::nearbyint(stay_s * kNsPerS)); }

Standing step(const Ladder& rungs, const Standing& standing, const Readings& readings, Ns now_ns) {
  const Rung& own = rungs[standing.level];
  const Limits values = values_of(readings);
  std::optional<Ns> good_ns;
  if (standing.level > 0 && is_good(values, own.leave)) good_ns = standing.good_ns.value_or(now_ns);
  const Ns stayed_ns = standing.since_ns ? now_ns - *standing.since_ns : own.stay_ns();
  std::optional<std::string> cause;
  if (standing.level + 1 < rungs.size()) cause = cause_of(values, rungs[standing.level + 1].enter);
  if (cause && stayed_ns >= own.stay_ns()) {
    const bool soon = standing.climbed && stayed_ns < kRelapse * own.stay_ns();
    return {standing.level + 1,
            now_ns,
            *cause,
            false,
            std::nullopt,
            soon ? std::min(standing.relapses + 1, kDoublings) : 0};
  }
  if (!cause && good_ns && now_ns - *good_ns >= (own.stay_ns() << standing.relapses))
    return {standing.level - 1, now_ns,           "good again: " + told(values, own.leave), true,
            std::nullopt,       standing.relapses};
  Standing same = standing;
  same.good_ns = good_ns;
  return same;
}

Ladder parse_ladder(const Json& rungs, const std::string& where) {
  Ladder made;
  for (const Json& value : as_array(rungs, where)) made.push_back(rung(value, where));
  if (made.empty()) throw Error(where + ": it has no rung; give at least one");
  return made;
}

Readings parse_readings(const Json& readings, const std::string& where) {
  const Fields fields(readings, where,
                      {"late_ms", "behind_ms", "temperature_c", "memory_free_mb", "battery", "on_mains", "failures"});
  return {fields.maybe_number("late_ms"),        fields.maybe_number("behind_ms"), fields.maybe_number("temperature_c"),
          fields.maybe_number("memory_free_mb"), fields.maybe_number("battery"),   fields.flag_or("on_mains", false),
          fields.number_or("failures", 0)};
}

Ladder fitted(const Ladder& rungs, bool pictures, const std::vector<std::string>& variants) {
  const auto given_up = [&](const Rung& own) {
    return std::make_pair(pictures ? own.vision_period_ms : 0.0, own.variant);
  };
  Ladder kept;
  for (Rung own : rungs) {
    if (std::find(variants.begin(), variants.end(), own.variant) == variants.end()) own.variant.clear();
    if (kept.empty() || given_up(own) != given_up(kept.back())) kept.push_back(std::move(own));
  }
  return kept;
}

const Ladder& usual_ladder() {
  static const Ladder kLadder = {
      {"full", 0, "", true, 0, {}, {}, 5},
      usual("plain words", 0, "", 0, {50, 500, 85, 200, 0.20, {}}, {25, 150, 80, 300, 0.25, {}}),
      usual("smaller pictures", 0, "small", 0, {50, 500, 87, {}, 0.15, 3}, {25, 150, 82, {}, 0.20, 1}),
      usual("fewer pictures", 500, "small", 0, {50, 500, 89, {}, 0.15, {}}, {25, 150, 84, {}, 0.20, {}}),
      usual("short answers", 500, "small", 1, {50, 500, 91, {}, 0.10, {}}, {25, 150, 86, {}, 0.15, {}}),
      usual("rare pictures", 2000, "small", 1, {50, 500, 93, 100, 0.05, {}}, {25, 150, 88, 150, 0.10, {}}),
  };
  return kLadder;
}

}  // namespace sensorium
