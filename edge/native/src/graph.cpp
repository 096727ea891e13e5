#include "graph.h"

#include <executorch/extension/module/module.h>
#include <executorch/extension/tensor/tensor.h>
#include <executorch/extension/threadpool/threadpool_guard.h>
#include <executorch/runtime/platform/platform.h>

#include <mutex>
#include <optional>

namespace sensorium {
namespace et = executorch;
namespace {

constexpr std::int64_t kMaxElements = std::int64_t{1} << 28;  // a gigabyte of float32

thread_local std::string last_complaint;  // of ExecuTorch, which says more than its error's code

// ExecuTorch logs to the standard error output; here it tells who asked, and only what went wrong.
void keep_complaint(et_timestamp_t, et_pal_log_level_t level, const char*, const char*, std::size_t,
                    const char* message, std::size_t length) {
  if (level == et_pal_log_level_t::kError || level == et_pal_log_level_t::kFatal)
    last_complaint.assign(message, length);
}

std::string why(et::runtime::Error error) {
  const std::string complaint = std::exchange(last_complaint, "");
  return et::runtime::to_string(error) + (complaint.empty() ? "" : " (" + complaint + ")");
}

const Form& form_of(const std::string& name, const GraphEntry& entry) {
  if (entry.form.backend == kBackend) return entry.form;
  if (entry.fallback && entry.fallback->backend == kBackend) return *entry.fallback;
  throw BackendError(name + " is for " + entry.form.backend +
                     "; the native runner has executorch, so compile the bundle with --backend executorch");
}

void check_specs(const std::string& name, const std::vector<TensorSpec>& specs) {
  for (const TensorSpec& spec : specs) {
    std::int64_t count = 1;
    for (const std::int64_t size : spec.shape) {
      if (size < 1 || size > kMaxElements / count)
        throw BackendError(name + ": " + spec.name + " has no fixed shape that fits into memory");
      count *= size;
    }
    if (spec.dtype != "float32")
      throw BackendError(name + ": " + spec.name + " is " + spec.dtype + "; the native runner takes float32");
  }
}

// Raises where the program's tensors are not those of the manifest.
template <typename Meta>
void check_tensor(const std::string& name, const TensorSpec& spec, const Meta& meta) {
  bool same =
      meta.ok() && meta->scalar_type() == et::aten::ScalarType::Float && meta->sizes().size() == spec.shape.size();
  for (std::size_t i = 0; same && i < spec.shape.size(); ++i) same = meta->sizes()[i] == spec.shape[i];
  if (!same) throw BackendError(name + ": " + spec.name + " is not what the manifest says; compile the bundle again");
}

}  // namespace

struct Graph::Program {
  explicit Program(const std::string& file) : module(file, et::extension::Module::LoadMode::Mmap) {}
  et::extension::Module module;
};

Graph::Graph(const Bundle& bundle, const std::string& name, const GraphEntry& entry, int threads)
    : name_(name), inputs_(entry.inputs), outputs_(entry.outputs), threads_(threads) {
  static std::once_flag quiet;
  std::call_once(quiet, [] { et::runtime::register_pal(et::runtime::PalImpl::create(keep_complaint, __FILE__)); });
  const Form& form = form_of(name, entry);
  check_specs(name, inputs_);
  check_specs(name, outputs_);
  program_ = std::make_unique<Program>(bundle.locate(form.file));
  const et::runtime::Error loaded = program_->module.load_forward();
  if (loaded != et::runtime::Error::Ok) throw BackendError(form.file + ": executorch refuses it: " + why(loaded));
  const auto meta = program_->module.method_meta("forward");
  if (!meta.ok() || meta->num_inputs() != inputs_.size() || meta->num_outputs() != outputs_.size())
    throw BackendError(form.file + " does not take and give what the manifest says; compile the bundle again");
  for (std::size_t i = 0; i < inputs_.size(); ++i) check_tensor(form.file, inputs_[i], meta->input_tensor_meta(i));
  for (std::size_t i = 0; i < outputs_.size(); ++i) check_tensor(form.file, outputs_[i], meta->output_tensor_meta(i));
}

Graph::~Graph() = default;
Graph::Graph(Graph&&) noexcept = default;

std::vector<Floats> Graph::run(const std::vector<const Floats*>& feeds) const {
  std::optional<et::extension::threadpool::NoThreadPoolGuard> alone;  // no thread but the caller's
  if (threads_ == 1) alone.emplace();
  std::vector<et::extension::TensorPtr> kept;
  std::vector<et::runtime::EValue> given;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (feeds[i]->size() != elements(inputs_[i]))
      throw BackendError(name_ + ": " + inputs_[i].name + " has " + std::to_string(elements(inputs_[i])) +
                         " values; given " + std::to_string(feeds[i]->size()));
    std::vector<et::aten::SizesType> sizes(inputs_[i].shape.begin(), inputs_[i].shape.end());
    kept.push_back(et::extension::from_blob(const_cast<float*>(feeds[i]->data()), std::move(sizes)));
    given.emplace_back(kept.back());
  }
  const auto made = program_->module.execute("forward", given);
  if (!made.ok()) throw BackendError(name_ + ": executorch failed: " + why(made.error()));
  std::vector<Floats> told;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const auto tensor = made->at(i).toTensor();
    const float* values = tensor.template const_data_ptr<float>();
    told.emplace_back(values, values + tensor.numel());
  }
  return told;
}

Graph open_graph(const Bundle& bundle, const std::string& part, const PartEntry& entry, const std::string& graph,
                 int threads) {
  const GraphEntry* found = find(entry.graphs, graph);
  if (found == nullptr) throw Error("part " + part + " has no graph '" + graph + "'; compile the bundle again");
  return Graph(bundle, part + "/" + graph, *found, threads);
}

std::size_t elements(const TensorSpec& spec) {
  std::size_t count = 1;
  for (const std::int64_t size : spec.shape) count *= static_cast<std::size_t>(size);
  return count;
}

}  // namespace sensorium
