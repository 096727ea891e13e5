import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from tests.compile.small_models import SUBSETS, Small, Words, eager
from tests.compile.tiny_recipe import recipe
from torch import Tensor, nn

from sensorium.backends import Graph, open_graph
from sensorium.bundle import GraphEntry
from sensorium.samples import Array
from sensorium.shared import takes_batches
from sensorium_compile.draft import GraphDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Exportable, backends, blocks, lower, missing, precisions
from sensorium_compile.material import exportables
from sensorium_compile.model.build import build_model

SEEN, UNSEEN = 1, 2  # seeds
LEAST_COSINE, LEAST_AGREEMENT = 0.99, 0.99
Drafts = Callable[[str, str, str], GraphDraft]  # of backend, graph and precision
EVERY = [(backend, precision) for backend in backends() for precision in precisions(backend)]


@pytest.fixture(scope="module")
def small() -> Small:
    torch.set_num_threads(1)
    return Small()


@pytest.fixture(scope="module")
def drafts(small: Small, calibration: Calibration) -> Drafts:
    """Each graph lowered once: ExecuTorch takes seconds."""
    return cache(lambda backend, name, precision: lower(backend, small.exportables[name], precision, calibration))


@pytest.fixture(scope="module")
def calibration(small: Small) -> Calibration:
    return Calibration(small.feeds(SEEN, 24))


def opened(draft: GraphDraft) -> Graph:
    entry = GraphEntry(
        file=f"graph{draft.suffix}",
        backend=draft.backend,
        inputs=draft.inputs,
        outputs=draft.outputs,
        precision=draft.precision,
    )
    return open_graph(entry, draft.model, threads=1)


def need(backend: str) -> None:
    if (reason := missing(backend)) is not None:
        pytest.skip(f"{backend}: {reason}")


def cosine(a: Array, b: Array) -> float:
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def test_every_backend_is_found_by_its_file() -> None:
    assert backends() == ("executorch", "litert", "onnxruntime", "openvino")
    assert all("float32" in precisions(backend) for backend in backends())


@pytest.mark.parametrize(("backend", "precision"), EVERY)
def test_lowered_agrees_with_eager_for_every_subset(small: Small, drafts: Drafts, backend: str, precision: str) -> None:
    need(backend)
    graphs = {name: opened(drafts(backend, name, precision)) for name in small.exportables}
    samples = small.feeds(UNSEEN, 40)
    for name, there in SUBSETS.items():
        presence = np.array([there], np.float32)
        same, cosines = [], []
        for vision, audio in zip(samples["vision"], samples["audio"], strict=True):
            tokens = {
                "vision": graphs["vision"].run(vision)["tokens"],
                "audio": graphs["audio"].run(audio)["tokens"],
            }
            got = graphs["fusion"].run({**tokens, "presence": presence})
            expected = small.eager(vision["sample"], audio["sample"], presence)
            same.append(got["sign"].argmax() == expected["sign"].argmax())
            cosines += [cosine(got[head], expected[head]) for head in expected]
        assert min(cosines) >= LEAST_COSINE, name
        assert np.mean(same) >= LEAST_AGREEMENT, name


@pytest.mark.parametrize("backend", backends())
def test_words_are_looked_up(backend: str) -> None:
    need(backend)
    torch.manual_seed(0)
    words = Words().eval()
    ids = torch.tensor([[3, 17, 63, 1, 0, 0]])
    graph = Exportable("words", words, {"sample": ids}, ("tokens",))
    smaller = "int8-weights" if "int8-weights" in precisions(backend) else "int8-dynamic"
    for precision in ("float32", smaller):
        made = opened(lower(backend, graph, precision, Calibration())).run({"sample": ids.numpy()})
        assert made["tokens"].dtype == np.float32
        assert cosine(made["tokens"], eager(words, ids)) >= LEAST_COSINE


@pytest.mark.parametrize("backend", ["litert", "onnxruntime"])
def test_a_table_of_words_is_stored_in_eight_bits(backend: str) -> None:
    need(backend)
    table = nn.Embedding(4096, 16).eval()
    graph = Exportable("table", table, {"sample": torch.zeros(1, 4, dtype=torch.int64)}, ("tokens",))
    whole, eighth = (len(lower(backend, graph, p, Calibration()).model) for p in ("float32", "int8-dynamic"))
    assert eighth < 0.5 * whole  # a row's scale and zero point are twelve of its bytes


@pytest.mark.parametrize("backend", backends())
def test_recorded_ranges_give_the_same_bytes_as_samples(
    small: Small, calibration: Calibration, drafts: Drafts, backend: str
) -> None:
    need(backend)
    sampled = drafts(backend, "vision", "int8-static").model
    recorded = Calibration.from_json(calibration.to_json())
    assert lower(backend, small.exportables["vision"], "int8-static", recorded).model == sampled


def test_ranges_that_were_not_recorded_are_told(small: Small) -> None:
    graph = small.exportables["vision"]
    with pytest.raises(CompileError, match="no ranges were recorded for graph vision on onnxruntime"):
        lower("onnxruntime", graph, "int8-static", Calibration())
    recorded = Calibration(recorded={"onnxruntime": {"vision": {"other.in": (0.0, 1.0)}}})
    with pytest.raises(CompileError, match=r"no range was recorded for stem\.0\.in; they are of another model"):
        lower("onnxruntime", graph, "int8-static", recorded)


def test_one_sample_is_too_few(small: Small) -> None:
    with pytest.raises(CompileError, match=r"graph vision has 1 sample\(s\); at least 8"):
        lower("onnxruntime", small.exportables["vision"], "int8-static", Calibration(small.feeds(SEEN, 1)))


def test_a_sample_that_is_no_number_is_told(small: Small) -> None:
    feeds = small.feeds(SEEN, 8)
    feeds["vision"][3]["sample"][0, 0, 0, 0] = np.nan
    with pytest.raises(CompileError, match="NaN"):
        lower("onnxruntime", small.exportables["vision"], "int8-static", Calibration(feeds))


def test_json_that_holds_no_ranges_is_refused() -> None:
    with pytest.raises(CompileError, match=r"calibration: onnxruntime\.vision\.stem"):
        Calibration.from_json('{"onnxruntime": {"vision": {"stem": [1]}}}')


def test_a_block_that_is_kept_stays_float(small: Small, calibration: Calibration) -> None:
    graph = small.exportables["fusion"]
    whole = onnx.load_from_string(lower("onnxruntime", graph, "int8-static", calibration).model)
    kept = onnx.load_from_string(
        lower("onnxruntime", graph, "int8-static", calibration, keep=("blocks.0.0.mlp", "heads.sign")).model
    )
    stored = [{c.name for c in m.graph.initializer if c.data_type == onnx.TensorProto.INT8} for m in (whole, kept)]
    assert len(stored[0]) - len(stored[1]) >= 3  # two layers of the mlp and a head
    everything = lower("onnxruntime", graph, "int8-static", calibration, keep=("",)).model
    assert everything == lower("onnxruntime", graph, "float32", calibration).model


def test_a_block_that_is_kept_stays_float_in_litert(small: Small, calibration: Calibration, drafts: Drafts) -> None:
    need("litert")
    whole, none = (len(drafts("litert", "fusion", precision).model) for precision in ("int8-dynamic", "float32"))
    kept = lower("litert", small.exportables["fusion"], "int8-dynamic", calibration, keep=("blocks.0.0",))
    assert whole < len(kept.model) < none


def test_a_block_that_is_kept_stays_float_in_executorch(small: Small, calibration: Calibration, drafts: Drafts) -> None:
    need("executorch")
    whole, none = (len(drafts("executorch", "vision", precision).model) for precision in ("int8-dynamic", "float32"))
    kept = lower("executorch", small.exportables["vision"], "int8-dynamic", calibration, keep=("project",))
    assert whole != len(kept.model) == none  # it was the one layer that int8-dynamic takes


@pytest.mark.parametrize("backend", ["litert", "onnxruntime"])
def test_a_front_end_is_never_quantized(small: Small, calibration: Calibration, drafts: Drafts, backend: str) -> None:
    need(backend)
    keep = ("convolution", "project")  # all but the front end
    draft = lower(backend, small.exportables["audio"], "int8-static", calibration, keep)
    assert draft.model == drafts(backend, "audio", "float32").model


def test_blocks_are_split_while_there_is_room(small: Small) -> None:
    assert blocks(small.vision) == ("stem.0", "deep", "project")
    assert blocks(small.audio) == ("convolution", "project")  # the front end is no choice
    assert blocks(small.fusion, most=3) == ("blocks.0.0", "read", "heads")
    assert blocks(small.fusion, most=4) == ("blocks.0.0", "read", "heads.sign", "heads.place")


def test_a_block_that_does_not_exist_is_told(small: Small) -> None:
    with pytest.raises(CompileError, match=r"graph vision: no block 'stm'; known: deep, project, stem\.0"):
        lower("onnxruntime", small.exportables["vision"], "float32", Calibration(), keep=("stm",))


def test_a_weight_that_is_no_number_is_named() -> None:
    module = nn.Sequential(nn.Linear(4, 4)).eval()
    nn.init.constant_(module[0].bias, float("nan"))
    graph = Exportable("head", module, {"x": torch.zeros(1, 4)}, ("y",))
    with pytest.raises(CompileError, match=r"graph head: tensor 0\.bias holds NaN"):
        lower("onnxruntime", graph, "float32", Calibration())


def test_a_module_in_training_mode_is_refused() -> None:
    graph = Exportable("head", nn.Linear(4, 4).train(), {"x": torch.zeros(1, 4)}, ("y",))
    with pytest.raises(CompileError, match=r"training mode; call \.eval\(\)"):
        lower("onnxruntime", graph, "float32", Calibration())


class Branching(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class Exotic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = Bessel()

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + 1


class Bessel(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)


def test_a_forward_that_branches_on_values_is_told() -> None:
    graph = Exportable("odd", Branching().eval(), {"x": torch.zeros(1, 4)}, ("y",))
    with pytest.raises(CompileError, match=r"graph odd cannot be exported: .*must not branch"):
        lower("onnxruntime", graph, "float32", Calibration())


@pytest.mark.parametrize("backend", backends())
def test_an_operator_that_a_backend_lacks_is_named_with_its_layer(backend: str) -> None:
    need(backend)
    graph = Exportable("odd", Exotic().eval(), {"x": torch.zeros(1, 4)}, ("y",))
    with pytest.raises(
        CompileError, match=rf"graph odd: {backend} has no operator .*bessel_j0.*layer layer uses; write"
    ):
        lower(backend, graph, "float32", Calibration())


def test_what_does_not_exist_is_told(small: Small) -> None:
    graph = small.exportables["vision"]
    with pytest.raises(CompileError, match="no backend 'tensorrt'; known: executorch, litert, onnxruntime, openvino"):
        lower("tensorrt", graph, "float32", Calibration())
    with pytest.raises(CompileError, match="onnxruntime: no precision 'int4'; known: float32, int8-dynamic"):
        lower("onnxruntime", graph, "int4", Calibration())


def test_a_backend_that_is_not_installed_says_what_to_install(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sensorium_compile.lower.openvino.find_spec", lambda _: None)
    with pytest.raises(CompileError, match="openvino cannot be used here: pip install openvino"):
        lower("openvino", small.exportables["vision"], "float32", Calibration())


@pytest.mark.skipif(importlib.util.find_spec("executorch") is None, reason="executorch is not installed")
def test_executorch_tells_what_runs_outside_of_the_delegate(drafts: Drafts) -> None:
    (note,) = drafts("executorch", "fusion", "float32").notes
    assert "aten.native_layer_norm x3" in note  # the fourth is of a constant


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("precision", ["float32", "int8-static"])
def test_a_graph_for_any_batch_gives_each_sample_what_it_gives_it_alone(
    backend: str, precision: str, small: Small
) -> None:
    need(backend)
    calibration = Calibration(
        small.feeds(SEEN, 24)
    )  # its own: a layer that is constant for one sample has a range here
    for name, exportable in small.exportables.items():
        graph = opened(lower(backend, replace(exportable, batch="any"), precision, calibration))
        assert takes_batches(graph)
        feeds = small.feeds(UNSEEN, 3)[name]
        together = graph.run({key: np.concatenate([feed[key] for feed in feeds]) for key in exportable.inputs})
        for i, feed in enumerate(feeds):
            for output, alone in graph.run(feed).items():
                np.testing.assert_allclose(together[output][i : i + 1], alone, atol=1e-5, err_msg=f"{name} {output}")


def test_a_module_that_counts_on_one_sample_is_refused_for_any_batch() -> None:
    class One(nn.Module):
        def forward(self, sample: Tensor) -> Tensor:
            return sample.reshape(1, 4)

    graph = Exportable("one", One().eval(), {"sample": torch.zeros(1, 4)}, ("tokens",), "any")
    with pytest.raises(CompileError, match='leave batch = "any" out'):
        lower("onnxruntime", graph, "float32", Calibration())


def test_a_recipe_lets_every_graph_take_any_batch() -> None:
    tiny = recipe(("[head]", 'batch = "any"\n[head]'))
    graphs = exportables(build_model(tiny, tiny.student, None).eval(), tiny)
    assert {name: graph.batch for name, graph in graphs.items()} == dict.fromkeys(("vision", "audio", "fusion"), "any")
