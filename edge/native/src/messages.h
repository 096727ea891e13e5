// The format in which samples come over a pipe or a socket, and in which recordings are replayed.
//
//   message = u32 length of the header, u32 length of the numbers, header, numbers     (little endian)
//
// The header is a JSON object. Of a sample it is what edge's recordings keep ("type", "captured_ns", "seq" and what its
// type has) and "modality"; the numbers are its own (uint8 RGB, float32). Of a step it is what recordings keep too, and
// there are no numbers. devices/sensorium_devices/wire.py writes them.
#pragma once

#include <string>

#include "core.h"
#include "json.h"

namespace sensorium {

struct Message {
  Json header;
  std::string numbers;
};

// Cuts messages out of bytes that come in pieces of any length.
class Messages {
 public:
  void feed(const char* bytes, std::size_t count) { waiting_.append(bytes, count); }
  // The next whole message; none where there is none yet. Raises Error for what is none.
  std::optional<Message> next();
  bool empty() const { return waiting_.size() == taken_; }

 private:
  std::string waiting_;
  std::size_t taken_ = 0;  // bytes of it that were given out
};

bool is_sample(const Message& message);
std::string modality_of(const Message& message);
// Raises Error for a sample that is none. Without "captured_ns" it was captured at `now_ns`.
Sample parse_sample(const Message& message, Ns now_ns);
SourceChanged parse_source_changed(const Json& header);

}  // namespace sensorium
