// A live session without threads: whoever has it pushes samples and asks for ticks.
#pragma once

#include "core.h"
#include "parts.h"

namespace sensorium {

class Session {
 public:
  Session(const Bundle& bundle, std::vector<std::string> look_for, int threads);

  void connect(const SourceChanged& change, Ns now_ns);
  // Takes a sample in that arrived at `now_ns`; one of a modality that was not opened opens it. `after_ns` tells the
  // time once it was encoded. Raises Error where nothing takes that modality.
  template <typename Clock>
  void push(const std::string& modality, const Sample& sample, Ns now_ns, Clock after_ns) {
    if (const std::optional<Finding> found = look(modality, sample, now_ns)) tell(core_->find(*found, after_ns()));
  }
  // Makes a percept, the last event that `take` gives then.
  void tick(Ns due_ns, Ns now_ns) { append(events_, core_->tick(due_ns, arrivals_, now_ns)); }
  void check(Ns now_ns) { tell(core_->check(arrivals_, now_ns)); }

  std::optional<Ns> next_check_ns() const { return core_->next_check_ns(arrivals_); }
  // Whether a modality's health has changed since the last tick: what it means is told at once.
  bool is_urgent() const { return urgent_; }
  // The events since the last call.
  Events take();
  std::vector<std::string> open_modalities() const { return open_; }

 private:
  std::optional<Finding> look(const std::string& modality, const Sample& sample, Ns now_ns);
  void tell(Events events);

  Parts parts_;
  std::unique_ptr<Core> core_;
  Arrivals arrivals_;
  std::vector<std::string> open_;
  Events events_;
  std::optional<Ns> looked_ns_;  // when the last picture was captured that was looked at
  bool urgent_ = false;
};

}  // namespace sensorium
