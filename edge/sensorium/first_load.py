"""What a bundle for an NVIDIA GPU does where it is first opened: build, check, time, and keep the faster form.

Every graph for TensorRT comes twice, in int8 and in float16. Both are built; each must give the golden outputs, for
every subset of senses that the bundle has a case of; the faster of those that do is kept, and that it was measured on
this chip is written beside its engine, so that the next start asks nobody.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import numpy as np
import onnxruntime as ort
from pydantic import TypeAdapter, ValidationError

from sensorium.backends import Graph, tensorrt
from sensorium.backends.onnxruntime import OrtGraph
from sensorium.bundle import Bundle, Evidence, GraphEntry, prove
from sensorium.engines import cache_folder
from sensorium.errors import BackendError
from sensorium.nvidia import chip
from sensorium.samples import Array

log = logging.getLogger(__name__)

LEAST_COSINE = 0.99  # to the golden outputs, which the float16 or int8 graph gave on a processor
RUNS, WARM_UP = 20, 3
NS_PER_MS = 1e6
TENSORRT = "Tensorrt"  # the provider, as OrtGraph tells it


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was found for one graph."""

    precision: str  # of the form that is kept: int8 or float16
    file: str  # which
    provider: str  # what executed it: Tensorrt, CUDA or CPU
    ms: dict[str, float]  # precision -> median of a run; of those that gave the golden outputs
    cosine: dict[str, float]  # precision -> the least over cases and outputs
    refused: dict[str, str]  # precision -> why
    evidence: tuple[Evidence, ...]  # measured on this chip; empty where no GPU executed it


_TABLE = TypeAdapter(dict[str, Loaded])


def first_load(bundle: Bundle) -> dict[str, Loaded]:
    """For each TensorRT graph, by ``part/graph``, what to run here; from the cache where it was found before.

    Raises BackendError where no form of a graph gives its golden outputs.
    """
    names = {
        f"{part}/{name}": graph
        for part, entry in bundle.manifest.parts.items()
        for name, graph in entry.graphs.items()
        if graph.backend == tensorrt.NAME
    }
    if not names:
        return {}
    kept = cache_folder() / f"{bundle.digest[:16]}-{chip().key}.json"
    if (known := _read(kept)) is not None and known.keys() == names.keys():
        return known
    log.info("first load of %s on %s", bundle.path, chip())
    golden = bundle.golden()
    found = {name: _chosen(name, graph, bundle, _cases(name, golden)) for name, graph in names.items()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(_TABLE.dump_json(found, indent=1))
    return found


def entries(bundle: Bundle, found: Mapping[str, Loaded]) -> dict[str, GraphEntry]:
    """The entry to open for each graph, by ``part/graph``."""
    made = {}
    for name, loaded in found.items():
        part, _, graph = name.partition("/")
        made[name] = next(f for f in forms(bundle.manifest.parts[part].graphs[graph]) if f.file == loaded.file)
    return made


def forms(entry: GraphEntry) -> tuple[GraphEntry, ...]:
    """The int8 and the float16 form of a graph, or the one that there is."""
    bare = entry.model_copy(update={"fallback": None})
    if entry.fallback is None or entry.fallback.backend != tensorrt.NAME:
        return (bare,)
    return (bare, bare.model_copy(update=entry.fallback.model_dump()))


def _chosen(name: str, entry: GraphEntry, bundle: Bundle, cases: Mapping[str, "_Case"]) -> Loaded:
    opened: dict[str, tuple[GraphEntry, OrtGraph]] = {}
    cosine: dict[str, float] = {}
    refused: dict[str, str] = {}
    for form in forms(entry):
        try:
            graph = tensorrt.open_graph(form, bundle.locate(form.file), threads=0)
            cosine[form.precision] = least = min((case.cosine(graph) for case in cases.values()), default=1.0)
        except BackendError as err:
            refused[form.precision] = str(err)
            continue
        if least < LEAST_COSINE:
            refused[form.precision] = f"cosine {least:.3f} to the golden outputs; at least {LEAST_COSINE}"
        else:
            opened[form.precision] = form, graph
    if not opened:
        told = "; ".join(f"{precision}: {why}" for precision, why in refused.items())
        raise BackendError(f"{name}: no form of it can be trusted here: {told}; compile the bundle again")
    feeds = next(iter(cases.values())).feeds if cases else None
    ms = _timed({precision: graph for precision, (_, graph) in opened.items()}, feeds)
    fastest = min(ms, key=lambda precision: ms[precision]) if ms else next(iter(opened))
    form, graph = opened[fastest]
    told = ", ".join(f"{precision} {took:.3f} ms" for precision, took in ms.items())
    log.info("%s: %s is kept, on %s: %s", name, fastest, graph.provider, told)
    return Loaded(
        precision=fastest,
        file=form.file,
        provider=graph.provider,
        ms=ms,
        cosine=cosine,
        refused=refused,
        evidence=_measured(form, graph, cases, ms),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """Golden inputs and outputs."""

    feeds: dict[str, Array]
    wanted: dict[str, Array]

    def cosine(self, graph: Graph) -> float:
        """The least cosine of any output; 0 where one is no number."""
        made = graph.run(self.feeds)
        return min(_cosine(made[name], value) for name, value in self.wanted.items())


def _cases(name: str, golden: Mapping[str, Array]) -> dict[str, _Case]:
    found: dict[str, _Case] = {}
    for key, value in golden.items():
        if key.startswith(f"{name}/"):
            case, way, tensor = key.removeprefix(f"{name}/").split("/", 2)
            own = found.setdefault(case, _Case({}, {}))
            (own.feeds if way == "in" else own.wanted)[tensor] = value
    return found


def _cosine(made: Array, wanted: Array) -> float:
    a, b = made.astype(np.float64).ravel(), wanted.astype(np.float64).ravel()
    if not np.isfinite(a).all():
        return 0.0
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else float(np.allclose(a, b))


def _timed(graphs: Mapping[str, Graph], feeds: Mapping[str, Array] | None) -> dict[str, float]:
    """Median of a run [ms], in turn, so that a busy moment hits all."""
    if feeds is None:
        return {}
    times: dict[str, list[int]] = {name: [] for name in graphs}
    for done in range(WARM_UP + RUNS):
        for name, graph in graphs.items():
            begun = perf_counter_ns()
            graph.run(feeds)
            if done >= WARM_UP:
                times[name].append(perf_counter_ns() - begun)
    return {name: median(own) / NS_PER_MS for name, own in times.items()}


def _measured(
    form: GraphEntry, graph: OrtGraph, cases: Mapping[str, _Case], ms: Mapping[str, float]
) -> tuple[Evidence, ...]:
    """That TensorRT compiled it and that it was measured on this chip; nothing where anything else executes it."""
    if graph.provider != TENSORRT or form.precision not in ms:
        return ()
    outputs = b"".join(value.tobytes() for case in cases.values() for value in graph.run(case.feeds).values())
    here, command = chip(), f"sensorium.first_load of {form.file}"
    return (
        prove("compiled", "TensorRT", here.tensorrt, command, outputs),
        prove(
            "measured",
            "ONNX Runtime",
            ort.__version__,
            command,
            outputs,
            machine=str(here),
            figures={"ms": ms[form.precision]},
        ),
    )


def _read(path: Path) -> dict[str, Loaded] | None:
    try:
        return _TABLE.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError) as err:
        log.warning("%s cannot be read (%s); graphs are checked and timed again", path, err)
        return None
