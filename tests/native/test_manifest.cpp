// The manifest reader refuses what Python's refuses, with the place and what is allowed.
#include "check.h"
#include "json.h"
#include "manifest.h"

using sensorium::Json;
using sensorium::parse_manifest;

namespace {

const std::string kHash(64, 'a');

Json sound() {
  return Json::parse(R"({"schema_version": 1, "name": "tiny", "target": "any",
    "parts": {"model": {"role": "model", "graphs": {"vision": {"file": "model/./vision.pte", "backend": "executorch",
      "inputs": [{"name": "sample", "dtype": "float32", "shape": [1, 3, 8, 8]}], "outputs": [], "precision": "int8"}}}},
    "files": {"model/vision.pte": {"sha256": ")" +
                     kHash + R"(", "size": 5}}, "tools": {"torch": "2"}, "notes": ["x"]})");
}

std::string refusal(const Json& manifest) {
  return raised([&] { parse_manifest(manifest.dump()); });
}

void a_sound_one_is_read() {
  const sensorium::Manifest manifest = parse_manifest(sound().dump());
  CHECK(manifest.name == "tiny" && manifest.target == "any");
  const auto& graph = manifest.parts[0].second.graphs[0].second;
  CHECK(graph.form.file == "model/vision.pte");
  CHECK(graph.inputs[0].shape == (std::vector<std::int64_t>{1, 3, 8, 8}));
  CHECK(find(manifest.files, "model/vision.pte")->size == 5);
}

void what_is_told_of_its_target_is_read() {
  Json proved = sound();
  Json& graph = proved["parts"]["model"]["graphs"]["vision"];
  graph["evidence"] = Json::array({{{"stage", "exported"}}});
  graph["status"] = "exported";
  proved["host"] = {{"machine", "aarch64"}};
  CHECK(refusal(proved).empty());
  graph["evidence"] = "measured";
  CHECK(contains(refusal(proved), "manifest.parts.model.graphs.vision.evidence is an array"));
}

void what_is_wrong_is_named() {
  CHECK(contains(raised([] { parse_manifest("{"); }), "manifest.json is no JSON"));
  CHECK(contains(raised([] { parse_manifest(std::string(std::size_t{1} << 20, '[')); }), "more than 64 levels"));
  CHECK(contains(raised([] { parse_manifest("[]"); }), "manifest is an object; given array"));
  CHECK(contains(raised([] { parse_manifest(std::string(std::size_t{17} << 20, ' ')); }), "more than 16 MiB"));
  Json bad = sound();
  bad["schema_version"] = 2;
  CHECK(contains(refusal(bad), "schema 2, this Sensorium reads up to 1"));
  bad = sound();
  bad["extra"] = 1;
  CHECK(contains(refusal(bad), "no key \"extra\"; known: schema_version"));
  bad = sound();
  bad["parts"]["model"]["graphs"]["vision"].erase("backend");
  CHECK(contains(refusal(bad), "manifest.parts.model.graphs.vision.backend is missing"));
  bad = sound();
  bad["parts"]["model"]["graphs"]["vision"]["inputs"][0]["dtype"] = "float8";
  CHECK(contains(refusal(bad), "no type \"float8\""));
  bad = sound();
  bad["files"]["model/vision.pte"]["sha256"] = "abc";
  CHECK(contains(refusal(bad), "no sha256"));
  bad = sound();
  bad["files"]["model/vision.pte"]["size"] = -1;
  CHECK(contains(refusal(bad), "a whole number from 0"));
  bad = sound();
  bad["files"].erase("model/vision.pte");
  CHECK(contains(refusal(bad), "model/vision.pte is used but has no sha256"));
}

void a_path_that_leaves_the_folder_is_refused() {
  for (const std::string path : {"../x", "/etc/passwd", "a/../../b", "", ".", "a\\b", "c:x", "a/.."}) {
    Json bad = sound();
    bad["parts"]["model"]["files"]["recipe"] = path;
    CHECK(contains(refusal(bad), "leaves the bundle's folder"));
  }
  Json bad = sound();
  bad["parts"]["model"]["files"]["recipe"] = std::string("a\0b", 3);
  CHECK(contains(refusal(bad), "leaves the bundle's folder"));
}

}  // namespace

int main() {
  a_sound_one_is_read();
  what_is_told_of_its_target_is_read();
  what_is_wrong_is_named();
  a_path_that_leaves_the_folder_is_refused();
}
