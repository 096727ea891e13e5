#include "manifest.h"

#include <algorithm>
#include <array>

#include "json.h"

namespace sensorium {
namespace {

constexpr std::array<std::string_view, 8> kDTypes = {"float32", "float16", "int64", "int32",
                                                     "int8",    "uint8",   "bool",  "string"};

// A relative POSIX path that stays inside the bundle's folder, in its plain form.
std::string inner_path(const std::string& path, const std::string& where) {
  std::string plain;
  bool inside = !path.empty() && path[0] != '/' && path.find_first_of(std::string("\\:\0", 3)) == std::string::npos;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t stop = std::min(path.find('/', start), path.size());
    const std::string part = path.substr(start, stop - start);
    inside = inside && part != "..";
    if (!part.empty() && part != ".") plain += (plain.empty() ? "" : "/") + part;
    start = stop + 1;
  }
  if (!inside || plain.empty())
    throw Error(where + ": path " + in_quotes(path) +
                " leaves the bundle's folder; allowed: relative paths without '..'");
  return plain;
}

std::vector<TensorSpec> tensors(const Json& value, const std::string& where) {
  std::vector<TensorSpec> made;
  for (const Json& item : as_array(value, where)) {
    const Fields fields(item, where, {"name", "dtype", "shape"});
    TensorSpec spec{fields.text("name"), fields.text("dtype"), {}};
    if (std::find(kDTypes.begin(), kDTypes.end(), spec.dtype) == kDTypes.end())
      throw Error(fields.path("dtype") + ": no type " + in_quotes(spec.dtype) + "; the first known is float32");
    for (const Json& size : as_array(fields.at("shape"), fields.path("shape"))) {
      if (!size.is_number_integer() || size.get<std::int64_t>() < -1)
        throw Error(fields.path("shape") + " holds a size that is none");
      spec.shape.push_back(size.get<std::int64_t>());
    }
    made.push_back(std::move(spec));
  }
  return made;
}

GraphEntry graph(const Json& value, const std::string& where) {
  const Fields fields(value, where,
                      {"file", "backend", "inputs", "outputs", "precision", "fallback", "evidence", "status"});
  GraphEntry entry;
  entry.form = {inner_path(fields.text("file"), fields.path("file")), fields.text("backend")};
  entry.inputs = tensors(fields.at("inputs"), fields.path("inputs"));
  entry.outputs = tensors(fields.at("outputs"), fields.path("outputs"));
  fields.text_or("precision", "float32");
  if (fields.has("evidence")) as_array(fields.at("evidence"), fields.path("evidence"));
  fields.text_or("status", "");
  if (fields.has("fallback") && !fields.at("fallback").is_null()) {
    const Fields spare(fields.at("fallback"), fields.path("fallback"), {"file", "backend", "precision"});
    entry.fallback = Form{inner_path(spare.text("file"), spare.path("file")), spare.text("backend")};
  }
  return entry;
}

PartEntry part(const Json& value, const std::string& where) {
  const Fields fields(value, where, {"role", "graphs", "files", "config", "origins", "figures"});
  PartEntry entry;
  entry.role = fields.text("role");
  for (const auto& item : fields.object_or_empty("graphs").items())
    entry.graphs.emplace_back(item.key(), graph(item.value(), fields.path("graphs." + item.key())));
  for (const auto& item : fields.object_or_empty("files").items()) {
    const std::string place = fields.path("files." + item.key());
    entry.files.emplace_back(item.key(), inner_path(as_text(item.value(), place), place));
  }
  entry.config = std::make_shared<const Json>(fields.object_or_empty("config"));
  if (fields.has("origins")) as_array(fields.at("origins"), fields.path("origins"));
  fields.object_or_empty("figures");
  return entry;
}

FileEntry file(const Json& value, const std::string& where) {
  const Fields fields(value, where, {"sha256", "size"});
  FileEntry entry{fields.text("sha256"), fields.integer("size", 0, INT64_MAX)};
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (entry.sha256.size() != 64 || !std::all_of(entry.sha256.begin(), entry.sha256.end(), is_hex))
    throw Error(fields.path("sha256") + " is no sha256: 64 digits of 0-9a-f");
  return entry;
}

void check_hashed(const Manifest& manifest) {
  const auto check = [&](const std::string& name) {
    if (find(manifest.files, name) == nullptr) throw Error(name + " is used but has no sha256 in the manifest");
  };
  for (const auto& [part_name, own] : manifest.parts) {
    for (const auto& [graph_name, entry] : own.graphs) {
      check(entry.form.file);
      if (entry.fallback) check(entry.fallback->file);
    }
    for (const auto& [key, name] : own.files) check(name);
  }
}

}  // namespace

Manifest parse_manifest(std::string_view bytes) {
  if (bytes.size() > kMaxManifestBytes) throw Error("manifest.json has more than 16 MiB; it is no manifest");
  const Json raw = parse_json(bytes, "manifest.json");
  const std::string where = "manifest";
  as_object(raw, where);
  const std::int64_t version = Fields(raw, where).integer("schema_version", 0, INT64_MAX);
  if (version > kSchemaVersion)
    throw Error("schema " + std::to_string(version) + ", this Sensorium reads up to " + std::to_string(kSchemaVersion) +
                "; upgrade Sensorium");
  const Fields fields(raw, where, {"schema_version", "name", "target", "host", "parts", "files", "tools", "notes"});
  Manifest manifest;
  manifest.name = fields.text("name");
  manifest.target = fields.text("target");
  for (const auto& item : as_object(fields.at("parts"), fields.path("parts")).items())
    manifest.parts.emplace_back(item.key(), part(item.value(), fields.path("parts." + item.key())));
  for (const auto& item : as_object(fields.at("files"), fields.path("files")).items()) {
    const std::string place = fields.path("files." + item.key());
    manifest.files.emplace_back(inner_path(item.key(), place), file(item.value(), place));
  }
  fields.object_or_empty("host");
  fields.object_or_empty("tools");
  fields.texts("notes");
  check_hashed(manifest);
  return manifest;
}

}  // namespace sensorium
