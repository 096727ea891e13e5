// A bundle's folder, whose every file was checked against the manifest's sha256.
#pragma once

#include <filesystem>

#include "manifest.h"

namespace sensorium {

// The target that this build is for: x86-cpu, arm-cpu.
std::string host_target();

class Bundle {
 public:
  // Raises Error: no such folder, no manifest, a wrong or missing file, a link that leaves the folder, another target
  // than this build's.
  explicit Bundle(const std::filesystem::path& folder);

  const Manifest& manifest() const { return manifest_; }
  // Parts of that role by name, in the manifest's order.
  Named<const PartEntry*> parts(const std::string& role) const;
  // The place of a file that the manifest names.
  std::string locate(const std::string& file) const { return (folder_ / file).string(); }

 private:
  void check_files() const;

  std::filesystem::path folder_;
  Manifest manifest_;
};

}  // namespace sensorium
