// The deterministic heart of a session, as edge/sensorium/core.py has it: steps in, events out, no thread, no clock.
#pragma once

#include <deque>

#include "events.h"
#include "fusion.h"
#include "ladder.h"

namespace sensorium {

// A source was opened, lost, has ended by itself, or gives samples at a rate that it did not tell.
struct SourceChanged {
  enum class State { open, lost, ended, faulty };
  std::string modality;
  State state = State::open;
  std::string reason;
  Ns period_ns = 0;
};

struct CoreSettings {
  std::vector<std::string> modalities;
  std::vector<std::string> look_for;
  Ladder ladder;
  Named<std::string> backends;  // part/graph -> what executes it
};

class Core {
 public:
  Core(CoreSettings settings, Fusion& fusion);

  Events tick(Ns due_ns, const Arrivals& arrivals, Ns now_ns);
  Events check(const Arrivals& arrivals, Ns now_ns) { return judge(arrivals, now_ns); }
  Events connect(const SourceChanged& change, Ns now_ns);
  Events find(const Finding& found, Ns now_ns);
  void measured(const Readings& readings) { readings_ = readings; }

  // When the health of some modality may change by itself; none when nothing is awaited.
  std::optional<Ns> next_check_ns(const Arrivals& arrivals) const;
  const Rung& rung() const { return settings_.ladder[standing_.level]; }

 private:
  struct Sense {
    std::string name;
    Health health;
    bool connected = false;
    Ns stale_ns = 0;
    Ns opened_ns = 0;
    Ns last_ns = 0;
    Fault fault;                               // of what is in the samples
    Fault rate_fault;                          // of how they come
    std::map<std::string, Evidence> evidence;  // by sense
    std::map<std::string, Ns> failures;        // reason -> when it was last told
    Ns behind_ns = 0;
    bool looked = false;

    void look(Ns age_ns);
    Health judged(Ns now_ns) const;
  };

  Sense* sense_of(const std::string& name);
  Events judge(const Arrivals& arrivals, Ns now_ns);
  Events set_health(Sense& sense, Health health, Ns now_ns);
  Events said(const Finding& found, Ns now_ns);
  Events tell_failures(Sense& sense, const Finding& found, Ns now_ns);
  Events climb(double latency_ms, Ns now_ns);
  std::vector<Candidate> candidates(Ns now_ns, Events& failed);

  CoreSettings settings_;
  Fusion& fusion_;
  std::vector<Sense> senses_;
  Standing standing_;
  std::deque<std::pair<double, double>> lateness_;  // of ticks on this rung: late, behind [ms]
  Readings readings_;
  std::int64_t ticks_ = 0;
  std::map<std::string, Ns> fusion_failures_;
};

// Parts with what executes most of their graphs, and the graphs that differ.
Named<std::string> by_part(const Named<std::string>& backends);

}  // namespace sensorium
