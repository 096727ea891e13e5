"""Whether a bundle's graphs give on this machine what they gave where they were packed."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from sensorium.bundle import Bundle
from sensorium.errors import SensoriumError
from sensorium.samples import Array
from sensorium_apps.doctor.finding import Finding, fail, ok, warn

# Of the golden output's norm. Float kernels differ by 1e-6 between processors, int8 ones by up to 0.01;
# the wrong int8 kernels of an emulated processor were 0.9 off.
CLOSE, FAR = 0.02, 0.2


def golden_findings(bundle: Bundle) -> Iterator[Finding]:
    """One finding for every graph that has golden inputs."""
    for (part, graph), cases in by_graph(bundle.golden()).items():
        what = f"graph {part}/{graph}"
        try:
            worst = _worst(bundle, part, graph, cases)
        except SensoriumError as err:
            yield fail(what, str(err), "compile the bundle again on this machine")
            continue
        told = f"{len(cases)} golden inputs, outputs differ by at most {worst:.2g} of their size"
        if worst <= CLOSE:
            yield ok(what, told)
        elif worst <= FAR:
            yield warn(what, told, "this processor computes it less exactly; compile the bundle for it")
        else:
            yield fail(what, told, "this processor computes it wrongly; compile the bundle for it")


Case = dict[str, dict[str, Array]]  # in | out -> tensor name -> tensor


def by_graph(golden: Mapping[str, Array]) -> dict[tuple[str, str], dict[str, Case]]:
    """Golden tensors by (part, graph) and case, from keys like ``part/graph/case/in|out/tensor``."""
    graphs: dict[tuple[str, str], dict[str, Case]] = defaultdict(dict)
    for key, tensor in golden.items():
        part, graph, case, direction, name = key.split("/", 4)
        graphs[part, graph].setdefault(case, {"in": {}, "out": {}})[direction][name] = tensor
    return dict(graphs)


def difference(given: Array, expected: Array) -> float:
    """How far apart they are, as a share of the expected one's norm; infinite for other shapes and NaN."""
    if given.shape != expected.shape:
        return float("inf")
    if not np.issubdtype(expected.dtype, np.number):
        return 0.0 if np.array_equal(given, expected) else float("inf")
    apart = np.linalg.norm(given.astype(np.float64).ravel() - expected.astype(np.float64).ravel())
    size = np.linalg.norm(expected.astype(np.float64).ravel())
    share = float(apart / size) if size else float(apart)
    return share if np.isfinite(share) else float("inf")


def _worst(bundle: Bundle, part: str, graph: str, cases: Mapping[str, Case]) -> float:
    opened = bundle.part(part).graph(graph, threads=1)
    worst = 0.0
    for case in cases.values():
        outputs = opened.run(case["in"])
        worst = max([worst, *(difference(outputs[name], tensor) for name, tensor in case["out"].items())])
    return worst
