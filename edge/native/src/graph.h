// One graph that ExecuTorch executes (XNNPACK delegate):
// https://docs.pytorch.org/executorch/stable/extension-module.html
#pragma once

#include <memory>

#include "bundle.h"

namespace sensorium {

constexpr const char* kBackend = "executorch";

using Floats = std::vector<float>;

// One thread at a time runs it.
class Graph {
 public:
  // Raises BackendError: no form for executorch, or one that it refuses, or that takes and gives something else than
  // the manifest says. `name` is part/graph. All inputs and outputs are float32 of fixed shapes.
  Graph(const Bundle& bundle, const std::string& name, const GraphEntry& entry, int threads);
  ~Graph();
  Graph(Graph&&) noexcept;

  const std::vector<TensorSpec>& inputs() const { return inputs_; }
  const std::vector<TensorSpec>& outputs() const { return outputs_; }

  // Outputs by place, from inputs by place; raises BackendError.
  std::vector<Floats> run(const std::vector<const Floats*>& feeds) const;

 private:
  struct Program;
  std::string name_;
  std::vector<TensorSpec> inputs_;
  std::vector<TensorSpec> outputs_;
  int threads_;
  std::unique_ptr<Program> program_;
};

// The graph of that name of a part; raises Error where it has none.
Graph open_graph(const Bundle& bundle, const std::string& part, const PartEntry& entry, const std::string& graph,
                 int threads);

std::size_t elements(const TensorSpec& spec);

}  // namespace sensorium
