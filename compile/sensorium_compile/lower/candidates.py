"""Candidates: the student lowered to every backend that is installed, at every precision, and the best mix of each.

A precision is chosen for each graph by itself: what is slower quantized than in float, or costs more than the gate
allows, stays in float. Where even that is not enough, the blocks of a graph that cost the worst subset most are kept in
float one after the other.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import JsonValue

from sensorium.backends import open_graph
from sensorium.bundle import GraphEntry
from sensorium.errors import SensoriumError
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Exportable, backends, blocks, lower, missing, precisions
from sensorium_compile.pack import entry_of
from sensorium_compile.recipe import Progress
from sensorium_compile.stages import Stages, replace_file
from sensorium_compile.verify.opened import OpenedModel

FLOAT = "float32"
DRAFT = "draft.json"


@dataclass(frozen=True, slots=True)
class Candidate:
    """Every graph of the student on one backend; the precision is ``mixed`` where the graphs differ."""

    backend: str
    precision: str
    graphs: Mapping[str, GraphDraft]
    kept: Mapping[str, tuple[str, ...]]  # graph -> blocks that the search left in float

    @property
    def name(self) -> str:
        """``litert int8-dynamic``."""
        return f"{self.backend} {self.precision}"

    @property
    def size_bytes(self) -> int:
        """Of all graphs."""
        return sum(len(graph.model) for graph in self.graphs.values())

    @property
    def key(self) -> str:
        """A name for a folder: the same graphs have the same."""
        total = hashlib.sha256(self.name.encode())
        for name, graph in sorted(self.graphs.items()):
            total.update(name.encode() + hashlib.sha256(graph.model).digest())
        return f"{self.name.replace(' ', '-')}-{total.hexdigest()[:12]}"

    def try_out(self) -> None:
        """Run every graph once: a backend may refuse what its own tools made. Raises BackendError."""
        for name, graph in self.graphs.items():
            open_graph(entry_of(name, graph), graph.model, threads=1).run(graph.golden["example"])

    def open(self, threads: int = 1) -> OpenedModel:
        """Ready to run."""
        return OpenedModel.open(
            {name: (entry_of(name, g), g.model) for name, g in self.graphs.items()}, threads=threads
        )


@dataclass(frozen=True, slots=True)
class Lowered:
    """What could be lowered, and why the rest could not."""

    candidates: tuple[Candidate, ...]
    refused: Mapping[str, str]  # "openvino bfloat16" -> why


class Lowering:
    """Lowers graphs of one student, each kept as a stage."""

    def __init__(self, graphs: Mapping[str, Exportable], digest: str, calibration: Calibration, stages: Stages) -> None:
        self.graphs, self.digest, self.calibration, self._stages = graphs, digest, calibration, stages

    def all(self, only: tuple[str, ...], progress: Progress) -> Lowered:
        """Every backend (or ``only`` those) at every precision; raises CompileError where none can be used."""
        wanted = [(b, p) for b in (only or backends()) if missing(b) is None for p in precisions(b)]
        refused = {b: str(missing(b)) for b in (only or backends()) if missing(b) is not None}
        made: list[Candidate] = []
        for done, (backend, precision) in enumerate(wanted):
            progress(f"lowering to {backend} {precision}", done, len(wanted))
            try:
                candidate = self.whole(backend, precision)
                candidate.try_out()
                made.append(candidate)
            except SensoriumError as err:
                refused[f"{backend} {precision}"] = str(err)
        if not made:
            raise CompileError("nothing could be lowered: " + "; ".join(f"{n}: {why}" for n, why in refused.items()))
        return Lowered(tuple(made), refused)

    def whole(self, backend: str, precision: str) -> Candidate:
        """Every graph at that precision."""
        return Candidate(backend, precision, {name: self.graph(backend, name, precision) for name in self.graphs}, {})

    def graph(self, backend: str, name: str, precision: str, keep: tuple[str, ...] = ()) -> GraphDraft:
        """One graph, from the cache where it was lowered before."""
        given: dict[str, JsonValue] = {"student": self.digest, "backend": backend, "graph": name}
        given |= {"precision": precision, "keep": list(keep)}
        given |= {"batch": batch} if (batch := self.graphs[name].batch) != "one" else {}

        def make(folder: Path) -> None:
            draft = lower(backend, self.graphs[name], precision, self.calibration, keep)
            write_draft(draft, name, folder)

        folder = self._stages.run("lower", given, make)
        return read_draft(folder, self.graphs[name])


def write_draft(draft: GraphDraft, name: str, folder: Path) -> None:
    """Keep a lowered graph in a folder."""
    entry = entry_of(name, draft)
    told = {"entry": entry.model_dump(mode="json"), "notes": draft.notes, "tools": draft.tools}
    replace_file(folder / f"model{draft.suffix}", draft.model)
    replace_file(folder / DRAFT, (json.dumps(told, indent=1) + "\n").encode())


def read_draft(folder: Path, graph: Exportable) -> GraphDraft:
    """A lowered graph out of its folder; its golden inputs are the graph's examples."""
    told = json.loads((folder / DRAFT).read_text(encoding="utf-8"))
    entry = GraphEntry.model_validate(told["entry"])
    suffix = Path(entry.file).suffix
    return GraphDraft(
        model=(folder / f"model{suffix}").read_bytes(),
        suffix=suffix,
        backend=entry.backend,
        precision=entry.precision,
        golden={"example": graph.example()},
        inputs=entry.inputs,
        outputs=entry.outputs,
        notes=tuple(told["notes"]),
        tools=tuple(told["tools"]),
    )


def mixed(backend: str, chosen: Mapping[str, Candidate]) -> Candidate:
    """A candidate whose graphs come from others: graph name -> which."""
    names = {candidate.precision for candidate in chosen.values()}
    graphs = {name: candidate.graphs[name] for name, candidate in chosen.items()}
    kept = {name: candidate.kept[name] for name, candidate in chosen.items() if name in candidate.kept}
    return Candidate(backend, names.pop() if len(names) == 1 else "mixed", graphs, kept)


def fastest_mix(backend: str, given: Mapping[str, Candidate], ms: Mapping[str, Mapping[str, float]]) -> Candidate:
    """For each graph the candidate that runs it fastest; ``ms`` is candidate -> graph -> median."""
    graphs = next(iter(given.values())).graphs
    chosen = {graph: given[min(given, key=lambda name: ms[name][graph])] for graph in graphs}
    return mixed(backend, chosen)


def repaired(
    lowering: Lowering, candidate: Candidate, loss: Callable[[Candidate], float], allowed: float, tries: int
) -> Candidate:
    """The candidate with as few blocks kept in float as it takes to lose no more than ``allowed``.

    First the graph is found that costs the worst subset most, then its blocks are ranked by how much of the loss goes
    when one alone is kept; they are kept one after the other. Raises CompileError when ``tries`` are not enough.
    """
    whole = {name: _keeping(lowering, candidate, {name: ("",)}) for name in candidate.graphs}
    costly = min(whole, key=lambda name: loss(whole[name]))
    names = blocks(lowering.graphs[costly].module)
    ranked = sorted((loss(_keeping(lowering, candidate, {costly: (name,)})), name) for name in names)
    kept: tuple[str, ...] = ()
    for _, name in ranked[:tries]:
        kept = (*kept, name)
        trial = _keeping(lowering, candidate, {costly: kept})
        if loss(trial) <= allowed:
            return trial
    raise CompileError(f"{candidate.name}: too much is lost in {costly} with {len(kept)} blocks in float")


def _keeping(lowering: Lowering, candidate: Candidate, kept: Mapping[str, tuple[str, ...]]) -> Candidate:
    graphs = dict(candidate.graphs)
    for name, own in kept.items():
        graphs[name] = lowering.graph(candidate.backend, name, graphs[name].precision, tuple(sorted(own)))
    return replace(candidate, graphs=graphs, kept={n: tuple(sorted(b)) for n, b in kept.items()})
