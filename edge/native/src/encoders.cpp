#include "encoders.h"

#include <algorithm>

#include "numeric.h"

namespace sensorium {

Tower::Tower(std::string modality, InputSpec spec, Graph graph, Ns lasts_ns)
    : modality_(std::move(modality)), spec_(std::move(spec)), graph_(std::move(graph)), lasts_ns_(lasts_ns) {
  if (graph_.inputs().size() != 1 || graph_.outputs().size() != 1 || graph_.inputs()[0].shape != shape_of(spec_))
    throw Error("the " + modality_ + " graph does not take what its spec says; compile the bundle again");
}

Tokens Tower::attempt(const Floats& tensor, std::vector<std::string>& failures) const {
  try {
    auto tokens = std::make_shared<const Floats>(graph_.run({&tensor})[0]);
    if (!all_finite(*tokens))
      throw BackendError("the " + modality_ + " graph gave NaN or infinite tokens; compile the bundle again");
    return tokens;
  } catch (const BackendError& err) {
    failures.push_back(std::string("model: BackendError: ") + err.what());
    return nullptr;
  }
}

Evidence Tower::evidence(Tokens tokens, Ns at_ns) const { return {"learned", at_ns, std::move(tokens), lasts_ns_}; }

Finding Encoder::attempt(const Sample& sample, const std::string& variant) {
  try {
    if (!towers_.empty()) use(towers_.at(towers_.count(variant) != 0 ? variant : ""));
    return encode(sample);
  } catch (const Error& err) {
    const char* kind = dynamic_cast<const SampleError*>(&err) != nullptr ? "SampleError: " : "BackendError: ";
    Finding found;
    found.modality = modality_;
    found.captured_ns = std::visit([](const auto& own) { return own.captured_ns; }, sample);
    found.fault = kFailing;
    found.failures = {std::string("encoder: ") + kind + err.what()};
    return found;
  }
}

Finding Lines::encode(const Sample& sample) {
  const auto* line = std::get_if<Line>(&sample);
  if (line == nullptr) throw SampleError("the text encoder takes lines");
  const char* blank = " \t\n\r\v\f";
  const std::size_t start = line->text.find_first_not_of(blank);
  Finding found;
  found.modality = modality_;
  found.captured_ns = line->captured_ns;
  if (start != std::string::npos) found.text = line->text.substr(start, line->text.find_last_not_of(blank) + 1 - start);
  return found;
}

}  // namespace sensorium
