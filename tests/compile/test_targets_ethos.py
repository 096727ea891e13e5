"""An Ethos-U: modules in the NPU's form are equal, the integers are near, and what Vela says is read rightly."""

import itertools

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration, Exportable
from sensorium_compile.lower.litert import float_model
from sensorium_compile.model.fusions import CrossModalFusion
from sensorium_compile.targets import environment, ethos, vela
from sensorium_compile.targets.npu_form import NpuGelu, npu_form
from sensorium_compile.targets.npu_graph import IntegerGraph, npu_graph, operators
from sensorium_compile.targets.source import Source
from sensorium_compile.towers.moonshine import MoonshineOptions, MoonshineTower
from sensorium_devices.targets import Target

REPORT = """
Warning (supported operators) operator: DEPTHWISE_CONV_2D, ofm: 'waves.conv:86'
Reason: Unsupported kernel stride: 64, 1
Kernel stride must be in the range (1,3).

Warning (supported operators) operator: DIV, ofm: 'level:82'
Reason: Unsupported opType

Total SRAM used                                553.50 KiB

CPU operators = 2 (1.9%)
NPU operators = 467 (98.1%)
"""
SUMMARY = {
    "inference_time": "0.0027",
    "cycles_total": "1388593",
    "sram_memory_used": "371.5",
    "dram_memory_used": "0",
    "off_chip_flash_memory_used": "1",
    "total_npu_encoded_weights": "701248",
    "nn_macs": "60834342",
}


class Small(nn.Module):
    """A convolution, a normalisation and a layer, as towers have them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.linear = nn.Conv2d(3, 8, 3, 2), nn.LayerNorm(8), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.linear(self.norm(self.pooled(torch.relu(self.conv(x)))))
        return made

    def pooled(self, x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 5).flatten(1)


class Averaging(Small):
    """Its mean over the first of three axes is none that Vela takes."""

    def pooled(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def source_of(module: nn.Module) -> Source:
    torch.manual_seed(0)
    images = torch.rand(16, 1, 3, 12, 12)
    graph = Exportable("small", module.eval(), {"sample": images[0]}, ("tokens",))
    calibration = Calibration({"small": [{"sample": image.numpy()} for image in images]})
    golden = {"example": graph.example()}
    return Source("small", onnx.ModelProto(), calibration=calibration, exportable=graph, golden=golden)


@pytest.fixture(scope="module")
def source() -> Source:
    torch.manual_seed(0)
    return source_of(Small())


def test_a_speech_tower_gives_what_it_gave() -> None:
    torch.manual_seed(0)
    for samples in (3200, 3263):  # whole hops, and not
        tower = MoonshineTower(samples, MoonshineOptions(layers=2, mlp=0.1, clip=2.0, tokens=2, width=24)).eval()
        form = npu_form(tower)
        assert form.host is not None
        sound = torch.randn(1, samples) * 0.1
        with torch.no_grad():
            given, wanted = form.module(form.host(sound)), tower(sound)
        assert given.shape == wanted.shape
        torch.testing.assert_close(given, wanted, atol=5e-3, rtol=0)  # GELU by tanh is 5e-4 off


def test_nothing_is_transposed_between_the_convolutions_of_a_speech_tower() -> None:
    torch.manual_seed(0)
    tower = MoonshineTower(3200, MoonshineOptions(layers=1, mlp=0.1, tokens=2, width=24)).eval()
    form = npu_form(tower).module
    made = operators(float_model(Exportable("audio", form, {"sample": torch.zeros(1, 3200)}, ("tokens",))).content)
    assert made.count("CONV_2D") == 3
    assert "TRANSPOSE" not in made[: len(made) - made[::-1].index("CONV_2D")]


@pytest.mark.parametrize("depth", [1, 2])
def test_a_fusion_gives_what_it_gave_whatever_is_present(depth: int) -> None:
    torch.manual_seed(0)
    fusion = CrossModalFusion({"a": 2, "b": 3, "c": 1}, 12, depth, heads=2).eval()
    form = npu_form(fusion).module
    tokens = [torch.randn(1, count, 12) for count in (2, 3, 1)]
    for mask in itertools.product((0.0, 1.0), repeat=3):
        presence = torch.tensor([mask])
        with torch.no_grad():
            torch.testing.assert_close(form(tokens, presence), fusion(tokens, presence), atol=1e-5, rtol=1e-5)


def test_gelu_by_tanh_is_near_far_out_too_and_ends_where_it_is_told() -> None:
    x = torch.linspace(-200, 200, 40001)
    assert (NpuGelu()(x) - nn.functional.gelu(x)).abs().max() < 6e-4
    assert float(NpuGelu(16.0)(x).max()) == 16.0


@pytest.mark.parametrize("form", ["int8", "int16"])
def test_integers_alone_give_nearly_what_floats_give(source: Source, form: str) -> None:
    graph = npu_graph(source, form)
    assert not {"DEQUANTIZE", "SQUARED_DIFFERENCE", "MINIMUM"} & set(operators(graph.content))
    assert source.exportable is not None
    simulated = IntegerGraph(graph.content, graph.host, *source.exportable.specs())
    feeds = source.golden["example"]
    wanted = source.exportable.module(torch.from_numpy(feeds["sample"])).detach().numpy()
    given = simulated.run(feeds)["tokens"]
    assert np.abs(given - wanted).max() < {"int8": 0.1, "int16": 0.02}[form] * np.abs(wanted).max()
    assert any(note.startswith(f"sample: {form} = round(value / ") for note in graph.notes)


def test_a_ready_part_has_no_integers() -> None:
    with pytest.raises(CompileError, match="graph part is a ready part"):
        npu_graph(Source("part", onnx.ModelProto()), "int8")


def test_what_vela_left_to_the_processor_is_read_from_its_report() -> None:
    npu, cpu, left = vela.read_placed(REPORT)
    assert (npu, cpu) == (467, 2)
    assert left[0] == vela.Left("DEPTHWISE_CONV_2D", "waves.conv:86", "Unsupported kernel stride: 64, 1")
    assert [one.operator for one in left] == ["DEPTHWISE_CONV_2D", "DIV"]
    with pytest.raises(CompileError, match="another version"):
        vela.read_placed("Vela 9 says it otherwise")


def test_estimates_are_read_with_their_units() -> None:
    told = vela.read_figures(SUMMARY)
    assert told["estimated_ms"] == pytest.approx(2.7)
    assert told["sram_bytes"] == 371.5 * 1024
    with pytest.raises(CompileError, match="cycles_total"):
        vela.read_figures({name: value for name, value in SUMMARY.items() if name != "cycles_total"})


def test_operators_that_would_fall_back_are_told_with_their_layer_before_anything_is_converted() -> None:
    nodes = [
        helper.make_node("Sin", ["x"], ["a"], "first"),
        helper.make_node("Sqrt", ["a"], ["b"], "second"),
        helper.make_node("Reciprocal", ["b"], ["c"], "third"),
        helper.make_node("Div", ["c", "x"], ["d"], "fourth"),
        helper.make_node("Sqrt", ["x"], ["e"], "host"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xd"]
    model = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:]))
    source = Source("g", model, {"first": "waves", "fourth": "norm", "host": "level"})
    placed = ethos.predict(source, Target.parse("ethos-u55"))
    assert [(one.operator, one.layer) for one in placed.fell_back] == [("Sin", "waves"), ("Div", "norm")]
    assert "2 of 4 operators" in placed.cost
    assert [one.operator for one in ethos.predict(source, Target.parse("ethos-u85")).fell_back] == ["Sin"]


needs_vela = pytest.mark.skipif(
    environment.missing("ethos") is not None, reason="scripts/npu-tools ethos makes Vela's environment"
)


@needs_vela
@pytest.mark.parametrize("target", ["ethos-u55", "ethos-u65", "ethos-u85"])
def test_vela_places_all_of_it_on_the_npu_and_its_time_is_an_estimate(source: Source, target: str) -> None:
    made = ethos.lower(source, Target.parse(target), "int16")
    assert made.placed is not None
    assert made.placed.fell_back == ()
    assert made.estimated_ms is not None
    stages = {one.stage: one for one in made.draft.evidence}
    assert set(stages) == {"exported", "linted", "compiled", "emulated"}
    assert stages["compiled"].figures["cpu_operators"] == 0
    assert stages["emulated"].figures["litert_db"] > 20


@needs_vela
def test_what_vela_leaves_to_the_processor_is_refused() -> None:
    with pytest.raises(CompileError, match=r"graph small in int16: 1 operators are left .*MEAN.*Unsupported depth"):
        ethos.lower(source_of(Averaging()), Target.parse("ethos-u55"), "int16")
