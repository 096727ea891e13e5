// The name of a JSON value, for headers: its definition takes a compiler seconds.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace sensorium {

using Json = nlohmann::ordered_json;  // the order of modalities, parts and senses means something

}  // namespace sensorium
