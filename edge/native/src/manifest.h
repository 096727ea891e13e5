// What a bundle says of itself: manifest.json, as edge/sensorium/bundle/manifest.py defines it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json_fwd.h"
#include "types.h"

namespace sensorium {

constexpr int kSchemaVersion = 1;
constexpr std::size_t kMaxManifestBytes = std::size_t{16} << 20;  // ours has some 20 kB; more is no manifest

struct TensorSpec {
  std::string name;
  std::string dtype;
  std::vector<std::int64_t> shape;  // -1 is any size
};

struct FileEntry {
  std::string sha256;
  std::int64_t size = 0;  // bytes
};

// One form of a graph: a file and what executes it.
struct Form {
  std::string file;
  std::string backend;
};

struct GraphEntry {
  Form form;
  std::optional<Form> fallback;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
};

template <typename T>
using Named = std::vector<std::pair<std::string, T>>;  // in the order of the file

template <typename T>
const T* find(const Named<T>& among, const std::string& name) {
  for (const auto& [own, value] : among)
    if (own == name) return &value;
  return nullptr;
}

struct PartEntry {
  std::string role;
  Named<GraphEntry> graphs;
  Named<std::string> files;
  std::shared_ptr<const Json> config;  // an object
};

struct Manifest {
  std::string name;
  std::string target;
  Named<PartEntry> parts;
  Named<FileEntry> files;
};

// Raises Error that names the key; also where a file is used that has no hash.
Manifest parse_manifest(std::string_view bytes);

}  // namespace sensorium
