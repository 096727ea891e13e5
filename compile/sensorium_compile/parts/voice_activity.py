"""Voice activity: Silero VAD v6 as its makers ship it, or lowered to the one backend that a bundle is for."""

from dataclasses import replace

import numpy as np
import onnx

from sensorium.backends import open_graph
from sensorium.components.voice_activity import CHUNK, RATE_HZ
from sensorium.samples import Array
from sensorium_compile.convert import parity
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.pack import entry_of
from sensorium_compile.zoo import Weights

MODEL = "silero-vad"
_CONTEXT = 64  # samples of the chunk before, that each chunk is given with
_STATE = (2, 1, 128)
_ERROR = 1e-4  # allowed for a probability, lowered against the original; seen 1e-6


def build(weights: Weights) -> PartDraft:
    """The graph as it is."""
    golden = {**_hum(), "sr": np.array(RATE_HZ, np.int64)}
    return PartDraft(
        role="voice_activity",
        graphs={"model": GraphDraft(weights.path(MODEL).read_bytes(), golden={"hum": golden})},
        origins=(weights.origin(MODEL),),
    )


def build_for(weights: Weights, backend: str) -> PartDraft:
    """The same for that backend, compared with the original; it takes no rate."""
    from sensorium_compile.lower import Calibration, Exportable, lower  # PyTorch, which ready parts do without
    from sensorium_compile.towers.silero import example, read_silero

    original = build(weights)
    (exact,) = original.graphs.values()
    graph = Exportable("voice_activity", read_silero(exact.model), example(), ("output", "stateN"))
    draft = replace(lower(backend, graph, "float32", Calibration()), golden={"hum": _hum()})
    said = open_graph(entry_of("voice_activity", draft), draft.model, threads=1).run(_hum())["output"]
    expected = parity.run(onnx.load_from_string(exact.model), exact.golden["hum"])["output"]
    error = parity.check_error(f"voice activity for {backend}", said, expected, _ERROR)
    return replace(original, graphs={"model": draft}, figures={"error_to_original": error})


def _hum() -> dict[str, Array]:
    hum = 0.3 * np.sin(2 * np.pi * 150 * np.arange(_CONTEXT + CHUNK) / RATE_HZ)
    return {"input": hum.astype(np.float32)[None], "state": np.zeros(_STATE, np.float32)}
