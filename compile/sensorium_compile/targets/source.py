"""A graph before it is lowered for a chip: the float ONNX, which layer each node is of, the ranges that int8 needs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from sensorium.samples import Array
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.stages import Stages, replace_file

if TYPE_CHECKING:
    from sensorium_compile.lower.calibration import Calibration, Ranges
    from sensorium_compile.lower.candidates import Lowering
    from sensorium_compile.lower.exportable import Exportable

MODEL, PATHS = "model.onnx", "paths.json"


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A graph before it is lowered for a chip."""

    name: str
    model: onnx.ModelProto  # float32 of a learned model; of a ready part whatever ships
    paths: Mapping[str, str] = field(default_factory=dict)  # node -> the layer of the model that it comes from
    calibration: "Calibration | None" = None  # for a family that needs ranges of more than layers; None: no int8
    ranges: "Ranges | None" = None  # of what goes in and out of layers, recorded for ONNX Runtime; None: no int8
    exportable: "Exportable | None" = None  # the PyTorch module, where there is one
    float_paths: tuple[str, ...] = ()  # layers that stay in float
    golden: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)  # case -> input -> tensor

    def layer(self, node: onnx.NodeProto) -> str:
        """What a user calls the place of a node: its layer, else its own name."""
        return self.paths.get(node.name) or node.name or node.output[0]


def sources_of(lowering: "Lowering", stages: Stages) -> dict[str, Source]:
    """A learned model's graphs, from the cache where they were exported before. Raises CompileError."""
    from sensorium_compile.lower.exportable import Exportable
    from sensorium_compile.lower.onnx_export import OnnxExport, export_onnx
    from sensorium_compile.lower.onnx_static import ranges_of

    made = {}
    for name, graph in lowering.graphs.items():

        def make(folder: Path, graph: Exportable = graph) -> None:
            export = export_onnx(graph, "ONNX")
            _write(export.model, export.paths, folder)

        folder = stages.run("export", {"student": lowering.digest, "graph": name}, make)
        model = onnx.load(folder / MODEL)
        paths = json.loads((folder / PATHS).read_text(encoding="utf-8"))
        ranges = partial(ranges_of, OnnxExport(model, paths))
        made[name] = Source(
            name,
            model,
            paths,
            calibration=lowering.calibration,
            ranges=lowering.calibration.ranges("onnxruntime", name, ranges),
            exportable=graph,
            float_paths=graph.float_paths(()),
            golden={"example": graph.example()},
        )
    return made


def source_of(name: str, draft: GraphDraft) -> Source:
    """A ready part's graph; raises CompileError where it is no ONNX."""
    if draft.suffix != ".onnx":
        raise CompileError(f"graph {name} is a {draft.suffix} file, and targets are lowered from ONNX")
    return Source(name, onnx.ModelProto.FromString(draft.model), golden=draft.golden)


def _write(model: onnx.ModelProto, paths: Mapping[str, str], folder: Path) -> None:
    replace_file(folder / MODEL, model.SerializeToString(deterministic=True))
    replace_file(folder / PATHS, json.dumps(dict(paths), sort_keys=True).encode())
