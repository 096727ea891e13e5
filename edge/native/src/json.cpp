#include "json.h"

#include <algorithm>
#include <cmath>

namespace sensorium {
namespace {

const Json kEmpty = Json::object();
constexpr int kDeepest = 64;  // a manifest has 8 levels; each costs stack where JSON is copied or written

[[noreturn]] void refuse(const std::string& where, const char* allowed, const Json& value) {
  throw Error(where + " is " + allowed + "; given " + (value.is_structured() ? value.type_name() : brief(value)));
}

}  // namespace

Json parse_json(std::string_view bytes, const std::string& where) {
  const auto shallow = [&](int depth, Json::parse_event_t, const Json&) {
    if (depth > kDeepest) throw Error(where + " has more than " + std::to_string(kDeepest) + " levels");
    return true;
  };
  try {
    return Json::parse(bytes.begin(), bytes.end(), shallow);
  } catch (const Json::exception& err) {
    throw Error(where + " is no JSON: " + err.what());
  }
}

const Json& as_object(const Json& value, const std::string& where) {
  if (!value.is_object()) refuse(where, "an object", value);
  return value;
}

const Json& as_array(const Json& value, const std::string& where) {
  if (!value.is_array()) refuse(where, "an array", value);
  return value;
}

std::string as_text(const Json& value, const std::string& where) {
  if (!value.is_string()) refuse(where, "a string", value);
  return value.get<std::string>();
}

std::string brief(const Json& value) {
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

std::string in_quotes(const std::string& text) {
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Fields::Fields(const Json& value, std::string where) : value_(as_object(value, where)), where_(std::move(where)) {}

Fields::Fields(const Json& value, std::string where, std::initializer_list<std::string_view> known)
    : Fields(value, std::move(where)) {
  for (const auto& item : value_.items()) {
    if (std::find(known.begin(), known.end(), item.key()) != known.end()) continue;
    std::string names;
    for (std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
    throw Error(where_ + " has no key " + in_quotes(item.key()) + "; known: " + names);
  }
}

const Json& Fields::at(const char* name) const {
  const auto found = value_.find(name);
  if (found == value_.end()) throw Error(path(name) + " is missing");
  return *found;
}

std::string Fields::text(const char* name) const { return as_text(at(name), path(name)); }

std::string Fields::text_or(const char* name, const std::string& fallback) const {
  return has(name) ? text(name) : fallback;
}

bool Fields::flag_or(const char* name, bool fallback) const {
  if (!has(name)) return fallback;
  if (!at(name).is_boolean()) refuse(path(name), "true or false", at(name));
  return at(name).get<bool>();
}

std::int64_t Fields::integer(const char* name, std::int64_t least, std::int64_t most) const {
  const Json& value = at(name);
  const bool huge = value.is_number_unsigned() && value.get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX);
  if (value.is_number_integer() && !huge) {
    const auto given = value.get<std::int64_t>();
    if (given >= least && given <= most) return given;
  }
  const std::string allowed = "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
  refuse(path(name), allowed.c_str(), value);
}

std::int64_t Fields::integer_or(const char* name, std::int64_t least, std::int64_t most, std::int64_t fallback) const {
  return has(name) ? integer(name, least, most) : fallback;
}

double Fields::number_or(const char* name, double fallback) const {
  return has(name) && !at(name).is_null() ? *maybe_number(name) : fallback;
}

std::optional<double> Fields::maybe_number(const char* name) const {
  if (!has(name) || at(name).is_null()) return std::nullopt;
  if (!at(name).is_number() || !std::isfinite(at(name).get<double>())) refuse(path(name), "a number", at(name));
  return at(name).get<double>();
}

std::vector<std::string> Fields::texts(const char* name) const {
  std::vector<std::string> made;
  if (!has(name)) return made;
  for (const Json& value : as_array(at(name), path(name))) made.push_back(as_text(value, path(name)));
  return made;
}

const Json& Fields::object_or_empty(const char* name) const {
  return has(name) ? as_object(at(name), path(name)) : kEmpty;
}

}  // namespace sensorium
