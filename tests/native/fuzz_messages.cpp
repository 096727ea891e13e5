// Whatever the bytes are: messages and what they hold, or an Error that says why not. Never a crash or a hang.
#include "ladder.h"
#include "messages.h"

namespace {

using sensorium::Fields;

void read(const sensorium::Message& message) {
  const Fields fields(message.header, "a message");
  if (fields.has("settings")) {
    const Fields settings(fields.at("settings"), "settings");
    settings.texts("modalities");
    for (const sensorium::Rung& rung : sensorium::parse_ladder(settings.at("ladder"), "settings.ladder"))
      sensorium::step({rung}, {}, {}, rung.vision_period_ns() + rung.stay_ns());
  } else if (is_sample(message)) {
    modality_of(message);
    sensorium::parse_sample(message, 7);
  } else if (fields.has("readings")) {
    sensorium::step(sensorium::usual_ladder(), {}, sensorium::parse_readings(fields.at("readings"), "readings"), 7);
  } else {
    sensorium::parse_source_changed(message.header);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  try {
    sensorium::Messages messages;
    messages.feed(reinterpret_cast<const char*>(bytes), count);
    while (const std::optional<sensorium::Message> message = messages.next()) {
      try {
        read(*message);
      } catch (const sensorium::Error&) {
      }
    }
  } catch (const sensorium::Error&) {
  }
  return 0;
}
