"""What a part of a bundle is before it is packed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from sensorium.bundle import Evidence, Origin, TensorSpec
from sensorium.samples import Array


@dataclass(frozen=True, slots=True)
class GraphDraft:
    """A graph as bytes, with the inputs that its golden outputs are made from."""

    model: bytes
    suffix: str = ".onnx"
    backend: str = "onnxruntime"
    precision: str = "float32"
    golden: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)  # case -> input name -> tensor
    inputs: tuple[TensorSpec, ...] = ()  # empty: an .onnx file tells them itself
    outputs: tuple[TensorSpec, ...] = ()
    notes: tuple[str, ...] = ()  # what the user should be told, e.g. operators that fell back
    tools: tuple[str, ...] = ()  # distributions that made it, beyond numpy, onnx and onnxruntime
    fallback: "GraphDraft | None" = None  # the same for another backend
    evidence: tuple[Evidence, ...] = ()  # how far it got on its way to the target
    answers: Mapping[str, Mapping[str, Array]] | None = None  # golden outputs, where what executes it is not here


@dataclass(frozen=True, slots=True)
class PartDraft:
    """One part: what its builder in ``sensorium_compile.parts`` returns."""

    role: str
    graphs: Mapping[str, GraphDraft]
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)  # name -> (file name, content)
    config: Mapping[str, JsonValue] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)  # e.g. parity with the original
