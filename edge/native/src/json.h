// JSON at the door, read strictly: no unknown key, no value of another type, and an error that says where.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "json_fwd.h"
#include "types.h"

namespace sensorium {

// The JSON value of these bytes; raises Error that begins with `where`.
Json parse_json(std::string_view bytes, const std::string& where);

// The value on one line, its end left out where it is long: for messages.
std::string brief(const Json& value);

// The text as JSON has it: in quotes, on one line.
std::string in_quotes(const std::string& text);

// One JSON object whose keys are all known.
class Fields {
 public:
  Fields(const Json& value, std::string where, std::initializer_list<std::string_view> known);
  // The same, of an object that may have any keys beside those asked for.
  Fields(const Json& value, std::string where);

  bool has(const char* name) const { return value_.contains(name); }
  const Json& at(const char* name) const;
  std::string path(const std::string& name) const { return where_ + "." + name; }

  std::string text(const char* name) const;
  std::string text_or(const char* name, const std::string& fallback) const;
  bool flag_or(const char* name, bool fallback) const;
  std::int64_t integer(const char* name, std::int64_t least, std::int64_t most) const;
  std::int64_t integer_or(const char* name, std::int64_t least, std::int64_t most, std::int64_t fallback) const;
  double number_or(const char* name, double fallback) const;   // finite
  std::optional<double> maybe_number(const char* name) const;  // absent and null: none
  std::vector<std::string> texts(const char* name) const;
  // An object's keys and values, in order; `{}` where it is absent.
  const Json& object_or_empty(const char* name) const;

 private:
  const Json& value_;
  std::string where_;
};

// Raises Error where the value is no object, array, string.
const Json& as_object(const Json& value, const std::string& where);
const Json& as_array(const Json& value, const std::string& where);
std::string as_text(const Json& value, const std::string& where);

}  // namespace sensorium
