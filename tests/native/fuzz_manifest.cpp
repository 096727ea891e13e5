// Whatever the bytes are: a manifest, or an Error that says why not. Never a crash, a hang or another exception.
#include "config.h"
#include "ladder.h"
#include "manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count) {
  try {
    const sensorium::Manifest manifest = sensorium::parse_manifest({reinterpret_cast<const char*>(bytes), count});
    for (const auto& [name, part] : manifest.parts) {
      if (part.role == "ladder")
        sensorium::parse_ladder(*part.config, name);
      else
        sensorium::parse_config(name, *part.config);
    }
  } catch (const sensorium::Error&) {
  }
  return 0;
}
