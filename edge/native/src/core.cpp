#include "core.h"

#include <algorithm>

namespace sensorium {
namespace {

constexpr std::size_t kToldCandidates = 5;
constexpr Ns kToldAgainNs = 10 * kNsPerS;
constexpr std::size_t kWindow = 20;  // ticks whose lateness is judged together

// The 95th percentile of a whole window; none of less.
std::optional<double> p95(std::vector<double> values) {
  if (values.size() != kWindow) return std::nullopt;
  std::sort(values.begin(), values.end());
  return values[kWindow * 95 / 100 - 1];
}

double ms(Ns ns) { return static_cast<double>(ns) / kNsPerMs; }

Ns arrived(const Arrivals& arrivals, const std::string& name) {
  const auto found = arrivals.find(name);
  return found == arrivals.end() ? 0 : found->second;
}

}  // namespace

void Core::Sense::look(Ns age_ns) {
  behind_ns = looked ? std::max(behind_ns, age_ns) : age_ns;
  looked = true;
}

// The judgement on a connected modality from when its last sample came and what was in it.
Health Core::Sense::judged(Ns now_ns) const {
  const Ns newest_ns = std::max(last_ns, opened_ns);
  const State state = arrival(now_ns - newest_ns, stale_ns);
  if (state != State::live) return {state, "no samples", newest_ns};
  const Fault& own = fault ? fault : rate_fault;
  return own ? Health{State::degraded, *own, now_ns} : Health{State::live, "", now_ns};
}

Core::Core(CoreSettings settings, Fusion& fusion) : settings_(std::move(settings)), fusion_(fusion) {
  for (const std::string& name : settings_.modalities) {
    Sense sense;
    sense.name = name;
    sense.health = {State::absent, "not connected yet", 0};
    senses_.push_back(std::move(sense));
  }
}

Core::Sense* Core::sense_of(const std::string& name) {
  const auto found = std::find_if(senses_.begin(), senses_.end(), [&](const Sense& own) { return own.name == name; });
  return found == senses_.end() ? nullptr : &*found;
}

Events Core::connect(const SourceChanged& change, Ns now_ns) {
  Sense* sense = sense_of(change.modality);
  if (sense == nullptr) return {};
  if (change.state == SourceChanged::State::faulty) {
    sense->rate_fault = change.reason.empty() ? Fault() : Fault(change.reason);
    return judge({}, now_ns);
  }
  sense->connected = change.state == SourceChanged::State::open;
  sense->rate_fault.reset();
  // Without a sample it did not stop: it never was there, and an answer says so.
  if (!sense->connected) return set_health(*sense, {State::absent, change.reason, sense->last_ns}, now_ns);
  sense->opened_ns = now_ns;
  sense->stale_ns = stale_after_ns(change.modality, change.period_ns);
  return {};  // it is live once a sample came
}

Events Core::judge(const Arrivals& arrivals, Ns now_ns) {
  Events events;
  for (Sense& sense : senses_) {
    sense.last_ns = std::max(sense.last_ns, arrived(arrivals, sense.name));
    if (!sense.connected) continue;
    const Health health = sense.judged(now_ns);
    const bool began = sense.last_ns >= sense.opened_ns || sense.stale_ns == 0;
    if (began || !health.present()) append(events, set_health(sense, health, now_ns));
  }
  return events;
}

Events Core::set_health(Sense& sense, Health health, Ns now_ns) {
  if (health.state == sense.health.state && health.reason == sense.health.reason) return {};
  sense.health = std::move(health);
  if (!sense.health.present()) sense.evidence.clear();
  return {health_event(now_ns, sense.name, sense.health)};
}

std::optional<Ns> Core::next_check_ns(const Arrivals& arrivals) const {
  std::optional<Ns> due_ns;
  for (const Sense& sense : senses_) {
    if (!sense.connected || sense.stale_ns == 0 || !sense.health.present()) continue;
    const Ns own_ns = std::max(arrived(arrivals, sense.name), sense.opened_ns) + sense.stale_ns + 1;
    due_ns = std::min(due_ns.value_or(own_ns), own_ns);
  }
  return due_ns;
}

Events Core::find(const Finding& found, Ns now_ns) {
  Sense* sense = sense_of(found.modality);
  Events events;
  if (found.text) append(events, said(found, now_ns));
  if (sense == nullptr || !sense->connected) return events;  // from a source that was lost meanwhile
  sense->last_ns = std::max(sense->last_ns, std::min(found.captured_ns, now_ns));
  sense->fault = found.fault;
  if (!found.text) sense->look(std::max<Ns>(0, now_ns - found.captured_ns));  // a line is old when typed slowly
  append(events, set_health(*sense, sense->judged(now_ns), now_ns));
  append(events, tell_failures(*sense, found, now_ns));
  if (found.fault)
    sense->evidence.clear();
  else if (found.evidence)
    sense->evidence[found.evidence->sense] = *found.evidence;
  return events;
}

// What was typed is told and is evidence; this runner has no answers.
Events Core::said(const Finding& found, Ns now_ns) {
  if (Sense* sense = sense_of(found.modality)) sense->evidence[""] = Evidence{"", now_ns, nullptr};
  return {utterance_event(now_ns, *found.text, found.modality, found.captured_ns, found.captured_ns)};
}

Events Core::tell_failures(Sense& sense, const Finding& found, Ns now_ns) {
  Events events;
  for (auto own = sense.failures.begin(); own != sense.failures.end();)
    own = now_ns - own->second < kToldAgainNs ? std::next(own) : sense.failures.erase(own);
  for (const std::string& reason : found.failures)
    if (sense.failures.emplace(reason, now_ns).second) events.push_back(fault_event(now_ns, found.modality, reason));
  return events;
}

Events Core::tick(Ns due_ns, const Arrivals& arrivals, Ns now_ns) {
  Events events = judge(arrivals, now_ns);
  Percept percept;
  percept.at_ns = now_ns;
  percept.latency_ms = ms(std::max<Ns>(0, now_ns - due_ns));
  append(events, climb(percept.latency_ms, now_ns));
  percept.candidates = candidates(now_ns, events);
  percept.seq = ++ticks_;
  for (const Sense& sense : senses_) {
    Sensed own{sense.name, sense.health.state, sense.health.reason, std::nullopt, false};
    for (const auto& [key, evidence] : sense.evidence) {
      const double age_ms = ms(now_ns - evidence.captured_ns);
      own.age_ms = std::min(own.age_ms.value_or(age_ms), age_ms);
      own.evidence = own.evidence || (sense.health.present() && now_ns <= evidence.lasts_until_ns());
    }
    percept.senses.push_back(std::move(own));
  }
  percept.rung = rung().name;
  percept.backends = by_part(settings_.backends);
  events.push_back(percept_event(percept));
  return events;
}

// Up or down the ladder, or neither.
Events Core::climb(double latency_ms, Ns now_ns) {
  Ns behind_ns = 0;
  for (const Sense& sense : senses_)
    if (sense.connected) behind_ns = std::max(behind_ns, sense.behind_ns);
  lateness_.emplace_back(latency_ms, ms(behind_ns));
  if (lateness_.size() > kWindow) lateness_.pop_front();
  std::vector<double> late, behind;
  for (const auto& [own_late, own_behind] : lateness_) {
    late.push_back(own_late);
    behind.push_back(own_behind);
  }
  for (Sense& sense : senses_) sense.looked = false;
  Readings readings = readings_;
  readings.late_ms = p95(std::move(late));
  readings.behind_ms = p95(std::move(behind));
  readings.failures = 0;  // of backends that were replaced: here is only one
  const std::string previous = rung().name;
  const std::size_t before = standing_.level;
  standing_ = step(settings_.ladder, standing_, readings, now_ns);
  if (standing_.level == before) return {};
  lateness_.clear();
  for (Sense& sense : senses_) sense.behind_ns = 0;
  return {rung_event(now_ns, rung().name, previous, standing_.cause)};
}

// What is looked for; a fusion that fails is told now and then, and the session goes on without.
std::vector<Candidate> Core::candidates(Ns now_ns, Events& failed) {
  std::map<std::string, Evidence> newest;
  for (const Sense& sense : senses_) {
    if (!sense.health.present()) continue;
    for (const auto& [key, evidence] : sense.evidence)
      if (evidence.tokens && now_ns <= evidence.lasts_until_ns()) newest[sense.name] = evidence;
  }
  try {
    return fusion_.fuse(newest, settings_.look_for.empty() ? kToldCandidates : settings_.look_for.size());
  } catch (const BackendError& err) {
    const std::string reason = std::string("BackendError: ") + err.what();
    const auto told = fusion_failures_.find(reason);
    if (told == fusion_failures_.end() || now_ns - told->second >= kToldAgainNs) {
      fusion_failures_ = {{reason, now_ns}};
      failed.push_back(fault_event(now_ns, "fusion", reason));
    }
    return {};
  }
}

Named<std::string> by_part(const Named<std::string>& backends) {
  const auto part_of = [](const std::string& graph) { return graph.substr(0, graph.find('/')); };
  Named<std::string> most;
  for (const auto& [graph, first] : backends) {
    const std::string part = part_of(graph);
    if (sensorium::find(most, part) != nullptr) continue;
    std::string best;
    std::ptrdiff_t best_count = 0;
    for (const auto& own : backends) {
      const auto count = std::count_if(backends.begin(), backends.end(), [&](const auto& other) {
        return part_of(other.first) == part && other.second == own.second;
      });
      if (part_of(own.first) == part && count > best_count) {
        best = own.second;
        best_count = count;
      }
    }
    most.emplace_back(part, best);
  }
  Named<std::string> made = most;
  for (const auto& [graph, backend] : backends)
    if (backend != *sensorium::find(most, part_of(graph))) made.emplace_back(graph, backend);
  return made;
}

}  // namespace sensorium
