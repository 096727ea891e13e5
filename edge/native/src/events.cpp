#include "events.h"

#include <array>
#include <cstdio>

#include "json.h"

namespace sensorium {
namespace {

constexpr int kDigits = 4, kMsDigits = 1;  // after the point

// The inside of an object with Python's separators.
class Object {
 public:
  Object& raw(const std::string& key, const std::string& value) {
    text_ += (text_.empty() ? "" : ", ") + in_quotes(key) + ": " + value;
    return *this;
  }
  Object& text(const std::string& key, const std::string& value) { return raw(key, in_quotes(value)); }
  Object& whole(const std::string& key, std::int64_t value) { return raw(key, std::to_string(value)); }
  Object& flag(const std::string& key, bool value) { return raw(key, value ? "true" : "false"); }
  std::string done() const { return "{" + text_ + "}"; }

 private:
  std::string text_;
};

template <typename Items, typename Told>
std::string list(const Items& items, Told told) {
  std::string made;
  for (const auto& item : items) made += (made.empty() ? "" : ", ") + told(item);
  return "[" + made + "]";
}

Object begun(const char* kind, Ns at_ns) { return Object().text("event", kind).whole("at_ns", at_ns); }

std::string sensed(const Sensed& own) {
  return Object()
      .text("state", to_string(own.state))
      .text("reason", own.reason)
      .raw("age_ms", own.age_ms ? rounded(*own.age_ms, kMsDigits) : "null")
      .flag("evidence", own.evidence)
      .done();
}

std::string candidate(const Candidate& own) {
  Object contributions;
  for (const auto& [modality, added] : own.contributions) contributions.raw(modality, rounded(added, kDigits));
  return Object()
      .text("text", own.text)
      .raw("probability", rounded(own.probability, kDigits))
      .raw("contributions", contributions.done())
      .done();
}

}  // namespace

std::string rounded(double value, int digits) {
  std::array<char, 400> buffer{};  // the largest double has 309 digits before the point
  std::string text(buffer.data(),
                   static_cast<std::size_t>(std::snprintf(buffer.data(), buffer.size(), "%.*f", digits, value)));
  while (text.back() == '0' && text[text.size() - 2] != '.') text.pop_back();
  return text;
}

Event percept_event(const Percept& percept) {
  Object senses, backends;
  for (const Sensed& own : percept.senses) senses.raw(own.modality, sensed(own));
  for (const auto& [part, backend] : percept.backends) backends.text(part, backend);
  return {Event::Kind::percept, begun("percept", percept.at_ns)
                                    .whole("seq", percept.seq)
                                    .raw("senses", senses.done())
                                    .raw("candidates", list(percept.candidates, candidate))
                                    .raw("things", "[]")
                                    .raw("scene", "[]")
                                    .raw("sounds", "[]")
                                    .text("rung", percept.rung)
                                    .raw("latency_ms", rounded(percept.latency_ms, kMsDigits))
                                    .raw("backends", backends.done())
                                    .done()};
}

Event health_event(Ns at_ns, const std::string& modality, const Health& health) {
  return {Event::Kind::health, begun("health", at_ns)
                                   .text("modality", modality)
                                   .text("state", to_string(health.state))
                                   .text("reason", health.reason)
                                   .whole("since_ns", health.since_ns)
                                   .done()};
}

Event rung_event(Ns at_ns, const std::string& rung, const std::string& previous, const std::string& cause) {
  return {Event::Kind::rung,
          begun("rung", at_ns).text("rung", rung).text("previous", previous).text("cause", cause).done()};
}

Event fault_event(Ns at_ns, const std::string& where, const std::string& reason) {
  return {Event::Kind::fault, begun("fault", at_ns).text("where", where).text("reason", reason).done()};
}

Event utterance_event(Ns at_ns, const std::string& text, const std::string& modality, Ns started_ns, Ns ended_ns) {
  return {Event::Kind::utterance, begun("utterance", at_ns)
                                      .text("text", text)
                                      .text("modality", modality)
                                      .flag("final", true)
                                      .whole("started_ns", started_ns)
                                      .whole("ended_ns", ended_ns)
                                      .done()};
}

}  // namespace sensorium
