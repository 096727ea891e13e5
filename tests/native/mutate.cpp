// Drives a fuzz target where libFuzzer is not at hand: every file of the corpus, cut, spliced and with bytes changed.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t count);

namespace {

constexpr int kRounds = 5'000;

// What JSON is made of, and what a reader may stumble over.
const std::vector<std::string> kTokens = {"{",
                                          "}",
                                          "[",
                                          "]",
                                          "\"",
                                          ":",
                                          ",",
                                          "null",
                                          "true",
                                          "-1",
                                          "1e999",
                                          "0.5",
                                          "\\u0000",
                                          "\\ud800",
                                          "\xff",
                                          "9223372036854775808",
                                          "-9223372036854775809",
                                          "../",
                                          "\"\""};

std::string mutated(std::string text, const std::string& other, std::mt19937& random) {
  const auto below = [&](std::size_t count) { return random() % std::max<std::size_t>(count, 1); };
  for (std::size_t change = 0, count = 1 + below(6); change < count; ++change) {
    const std::size_t at = below(text.size() + 1);
    switch (random() % 6) {
      case 0: text.resize(at); break;
      case 1: text.insert(at, kTokens[below(kTokens.size())]); break;
      case 2: text.erase(at, below(40)); break;
      case 3: text.insert(at, other.substr(below(other.size()), below(200))); break;
      case 4: text.insert(at, std::string(below(2000), "{[\" 9"[random() % 5])); break;
      default:
        if (at < text.size()) text[at] = static_cast<char>(random());
    }
  }
  return text;
}

}  // namespace

int main(int count, char** given) {
  std::vector<std::string> corpus;
  for (int i = 1; i < count; ++i)
    for (const auto& entry : std::filesystem::directory_iterator(given[i])) {
      std::ifstream stream(entry.path(), std::ios::binary);
      corpus.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    }
  if (corpus.empty()) return 1;
  std::sort(corpus.begin(), corpus.end());
  std::mt19937 random(0);
  const auto run = [](const std::string& text) {
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  };
  std::for_each(corpus.begin(), corpus.end(), run);
  for (int round = 0; round < kRounds; ++round)
    run(mutated(corpus[random() % corpus.size()], corpus[random() % corpus.size()], random));
}
