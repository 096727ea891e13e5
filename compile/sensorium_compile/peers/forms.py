"""Every form that is compared: ours, as the compiler lowers them, and what peers wrote."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from sensorium.backends import open_graph
from sensorium.bundle import GraphEntry
from sensorium.errors import SensoriumError
from sensorium_compile.lower.candidates import FLOAT, Candidate
from sensorium_compile.pack import entry_of
from sensorium_compile.verify.opened import OpenedModel

TOLD = "told.json"
OURS, SHARED = "sensorium", "float32"


class Outcome(BaseModel):
    """Of one graph at one setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float
    error: str | None


class SettingTold(BaseModel):
    """One call of a quantizer and what came of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    call: str
    backends: tuple[str, ...]
    suffix: str
    graphs: dict[str, Outcome]


class PeerTold(BaseModel):
    """What a peer's script wrote beside its graphs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tools: dict[str, str]
    settings: dict[str, SettingTold]


@dataclass(frozen=True, slots=True)
class Offer:
    """One form: whose it is, how it was made, its graphs, or why there are none."""

    name: str
    owner: str  # OURS, SHARED, or a peer
    backend: str
    call: str
    graphs: Mapping[str, tuple[GraphEntry, Path | bytes]]
    note: str = ""  # graphs that stayed in float, since they could not be quantized
    error: str = ""

    def open(self) -> OpenedModel:
        """Ready to run, one thread; raises SensoriumError where a backend refuses a graph."""
        return OpenedModel.open(self.graphs)

    @property
    def size_bytes(self) -> int:
        """Of all graphs, an OpenVINO graph's weights beside it included."""
        return sum(map(_size, (model for _, model in self.graphs.values())))


def offer_of(candidate: Candidate) -> Offer:
    """A form of ours. ONNX Runtime's float32 is everyone's: whoever quantizes may leave it at that."""
    shared = candidate.name == f"onnxruntime {FLOAT}"
    kept = "; ".join(f"{graph}: {', '.join(own)} in float" for graph, own in candidate.kept.items())
    mixed = ", ".join(f"{name} {g.precision}" for name, g in candidate.graphs.items())
    return Offer(
        name=candidate.name if shared else f"{OURS} {candidate.name}",
        owner=SHARED if shared else OURS,
        backend=candidate.backend,
        call=kept or (mixed if "mixed" in candidate.precision.split() else ""),
        graphs={name: (entry_of(name, graph), graph.model) for name, graph in candidate.graphs.items()},
    )


def peer_offers(folder: Path, plain: Candidate) -> tuple[list[Offer], dict[str, str]]:
    """A peer's forms, one for each setting and backend, and its versions.

    ``plain`` is the float form: its graph stands where the peer could not quantize one, or a backend refuses it.
    """
    peer = folder.name
    if not (folder / TOLD).is_file():
        return [Offer(peer, peer, "", "", {}, error="its script did not finish")], {}
    told = PeerTold.model_validate_json((folder / TOLD).read_bytes())
    offers = [
        _peer_offer(folder, name, backend, setting, plain)
        for name, setting in told.settings.items()
        for backend in setting.backends
    ]
    return offers, told.tools


def _peer_offer(folder: Path, name: str, backend: str, setting: SettingTold, plain: Candidate) -> Offer:
    graphs: dict[str, tuple[GraphEntry, Path | bytes]] = {}
    failed: dict[str, str] = {}
    for graph, draft in plain.graphs.items():
        entry = _placed(entry_of(graph, draft), backend, "int8", graph + setting.suffix)
        path = folder / name / entry.file
        outcome = setting.graphs.get(graph)
        error = "it was not tried" if outcome is None else outcome.error
        error = error or _refused(entry, path)
        if error:
            failed[graph] = error
            float_entry = _placed(entry, backend, FLOAT, f"{graph}.onnx")
            graphs[graph] = (float_entry, draft.model)
        else:
            graphs[graph] = (entry, path)
    told = "; ".join(f"{graph}: {error}" for graph, error in failed.items())
    whole = len(failed) == len(graphs)
    offer = Offer(f"{folder.name} {name} on {backend}", folder.name, backend, setting.call, graphs)
    return replace(offer, graphs={}, error=told) if whole else replace(offer, note=told)


def _placed(entry: GraphEntry, backend: str, precision: str, file: str) -> GraphEntry:
    """The same inputs and outputs, in another file."""
    return entry.model_copy(update={"backend": backend, "precision": precision, "file": file})


def _refused(entry: GraphEntry, path: Path) -> str:
    """Why the backend does not run the graph, empty where it does."""
    try:
        graph = open_graph(entry, path, threads=1)
        graph.run({spec.name: np.zeros(spec.shape, spec.dtype) for spec in entry.inputs})
    except SensoriumError as err:
        return str(err)
    return ""


def _size(model: Path | bytes) -> int:
    if isinstance(model, bytes):
        return len(model)
    weights = model.with_suffix(".bin")
    return model.stat().st_size + (weights.stat().st_size if model.suffix == ".xml" else 0)
