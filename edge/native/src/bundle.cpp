#include "bundle.h"

#include <sha2.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>

namespace sensorium {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kBlock = 64 * 1024;

// Hands the file's bytes over block by block; raises Error where it is missing, no file, or longer than `most`.
template <typename Take>
std::int64_t read_blocks(const fs::path& path, std::int64_t most, Take take) {
  const std::string name = path.filename().string();
  std::error_code failed;
  if (!fs::is_regular_file(path, failed)) throw Error(name + " is missing; pack or copy the bundle again");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(name + " cannot be read");
  std::vector<char> block(kBlock);
  std::int64_t read = 0;
  while (read <= most && (stream.read(block.data(), kBlock), stream.gcount() > 0)) {
    take(block.data(), static_cast<std::size_t>(stream.gcount()));
    read += stream.gcount();
  }
  return read;
}

std::string sha256_of(const fs::path& path, std::int64_t size) {
  SHA2_CTX context;
  SHA256Init(&context);
  const std::int64_t read = read_blocks(path, size, [&](const char* bytes, std::size_t count) {
    SHA256Update(&context, reinterpret_cast<const std::uint8_t*>(bytes), count);
  });
  std::string digest(SHA256_DIGEST_STRING_LENGTH, '\0');
  SHA256End(&context, digest.data());
  digest.pop_back();
  return read == size ? digest : "";
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  std::error_code failed;
  const fs::path real = fs::weakly_canonical(path, failed);
  return !failed && std::mismatch(folder.begin(), folder.end(), real.begin(), real.end()).first == folder.end();
}

}  // namespace

std::string host_target() {
#if defined(__aarch64__)
  return "arm-cpu";
#elif defined(__x86_64__)
  return "x86-cpu";
#else
#error "no target of Sensorium is this processor; known: x86_64, aarch64"
#endif
}

Bundle::Bundle(const fs::path& folder) : folder_(folder) {
  const std::string where = folder.string();
  std::error_code failed;
  if (!fs::exists(folder, failed)) throw Error("no bundle at " + where);
  if (!fs::is_directory(folder, failed))
    throw Error(where + " is no folder; the native runner opens bundles that are folders, so unpack it");
  try {
    std::string raw;
    read_blocks(folder / "manifest.json", static_cast<std::int64_t>(kMaxManifestBytes),
                [&](const char* bytes, std::size_t count) { raw.append(bytes, count); });
    manifest_ = parse_manifest(raw);
    if (manifest_.target != "any" && manifest_.target != host_target())
      throw Error("it was compiled for " + manifest_.target + ", this is " + host_target() +
                  "; compile it again with --target " + host_target());
    check_files();
  } catch (const Error& err) {
    throw Error(where + ": " + err.what());
  }
}

void Bundle::check_files() const {
  const fs::path real = fs::canonical(folder_);
  for (const auto& [name, entry] : manifest_.files) {
    if (!is_inside(folder_ / name, real)) throw Error(name + " is a link that leaves the bundle's folder");
    if (sha256_of(folder_ / name, entry.size) != entry.sha256)
      throw Error(name + " is damaged (its sha256 differs); pack or copy the bundle again");
  }
}

Named<const PartEntry*> Bundle::parts(const std::string& role) const {
  Named<const PartEntry*> found;
  for (const auto& [name, part] : manifest_.parts)
    if (part.role == role) found.emplace_back(name, &part);
  return found;
}

}  // namespace sensorium
