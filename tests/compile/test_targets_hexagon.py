"""A Hexagon: quantized as its provider wants it, what fell back is told, another environment's answers come back."""

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from sensorium.backends import open_graph
from sensorium.bundle import GraphEntry, TensorSpec, status_of
from sensorium.errors import BackendError
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import Calibration
from sensorium_compile.targets import environment, hexagon
from sensorium_compile.targets.emulated import EmulatedGraph, Emulation
from sensorium_compile.targets.programs import program as protocol
from sensorium_compile.targets.qnn_graph import quantized
from sensorium_compile.targets.source import Source
from sensorium_devices.targets import Target

RNG = np.random.default_rng(0)
ECHO = """
import sys
from program import receive, send
send(sys.stdout.buffer, {})
while (given := receive(sys.stdin.buffer)) is not None:
    if "end" in given:
        sys.exit(3)
    send(sys.stdout.buffer, {"error": "too much"} if "bad" in given else given)
"""


def model(op_set: int = 20) -> onnx.ModelProto:
    """x -> scaled -> linear -> normalised."""
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["squared"], "squaring"),
        helper.make_node("MatMul", ["squared", "w"], ["made"], "linear"),
        helper.make_node("LayerNormalization", ["made", "scale", "bias"], ["y"], "norm", axis=-1),
    ]
    constants = {"w": RNG.normal(size=(8, 8)), "scale": RNG.uniform(0.5, 2, 8), "bias": RNG.normal(size=8)}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4, 8]) for name in "xy"]
    weights = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", op_set)], ir_version=10)


def source(float_paths: tuple[str, ...] = ()) -> Source:
    feeds = [{"x": RNG.normal(size=(1, 4, 8)).astype(np.float32)} for _ in range(16)]
    paths = {"squaring": "level", "linear": "linear", "norm": "norm"}
    golden = {"example": feeds[0]}
    return Source("g", model(), paths, calibration=Calibration({"g": feeds}), float_paths=float_paths, golden=golden)


def test_every_activation_is_quantized_but_those_of_layers_in_float() -> None:
    def given_to(made: onnx.ModelProto, name: str) -> str:
        (node,) = (n for n in made.graph.node if n.name == name)
        return next((n.op_type for n in made.graph.node if node.input[0] in n.output), "the input")

    every = quantized(source(), "int16")
    assert [given_to(every, name) for name in ("squaring", "linear", "norm")] == ["DequantizeLinear"] * 3
    partly = quantized(source(float_paths=("level",)), "int16")
    assert [given_to(partly, name) for name in ("squaring", "linear")] == ["the input", "DequantizeLinear"]
    whole = source()
    assert quantized(whole, "float16") is whole.model


def test_bytes_are_dequantized_and_not_cast() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Neg", ["f"], ["y"]),
    ]
    given = helper.make_tensor_value_info("x", TensorProto.UINT8, [1, 4])
    made = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    imports = [helper.make_opsetid("", 20)]
    graph = helper.make_model(helper.make_graph(nodes, "g", [given], [made]), opset_imports=imports, ir_version=10)
    changed = quantized(Source("g", graph), "float16")
    assert [node.op_type for node in changed.graph.node] == ["DequantizeLinear", "Neg"]
    onnx.checker.check_model(changed)
    x = np.array([[0, 1, 2, 255]], np.uint8)
    (y,) = ort.InferenceSession(changed.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": x})
    np.testing.assert_array_equal(y, -x.astype(np.float32))


def test_the_scale_of_a_normalisation_has_one_unsigned_range() -> None:
    made = quantized(source(), "int8")
    constants = {c.name: c for c in made.graph.initializer}
    assert constants["scale_quantized"].data_type == TensorProto.UINT8
    assert not list(constants["scale_scale"].dims)
    assert constants["w_quantized"].data_type == TensorProto.INT8


def test_without_ranges_there_is_no_integer_form() -> None:
    with pytest.raises(CompileError, match="no ranges of its activations"):
        quantized(Source("g", model()), "int8")
    with pytest.raises(CompileError, match=r"on hexagon; .* give the data folder"):
        quantized(Source("g", model(), calibration=Calibration()), "int8")


def test_what_stands_beside_a_context_fell_back() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("EPContext", ["q"], ["a"], domain="com.microsoft"),
        helper.make_node("LayerNormalization", ["a", "s", "b"], ["c"], "norm"),
        helper.make_node("EPContext", ["c"], ["d"], domain="com.microsoft"),
        helper.make_node("DequantizeLinear", ["d", "s", "z"], ["y"]),
    ]
    placed = hexagon.placement(source(), helper.make_model(helper.make_graph(nodes, "g", [], [])))
    assert placed.operators == 3
    assert [(one.operator, one.layer) for one in placed.fell_back] == [("LayerNormalization", "norm")]
    assert placed.cost.startswith("2 contexts")


def test_messages_come_back_as_they_were_sent_one_after_the_other() -> None:
    pipe = io.BytesIO()
    for tensors in ({}, {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1], np.int64)}):
        protocol.send(pipe, tensors)
    pipe.seek(0)
    assert protocol.receive(pipe) == {}
    back = protocol.receive(pipe)
    assert back is not None
    np.testing.assert_array_equal(back["a"], [[0, 1, 2], [3, 4, 5]])
    assert back["b"].dtype == np.int64
    assert protocol.receive(pipe) is None


def test_another_process_answers_tells_its_errors_and_that_it_ended(tmp_path: Path) -> None:
    program = tmp_path / "echo.py"
    program.write_text(ECHO, encoding="utf-8")
    environ = environment.bare() | {"PYTHONPATH": str(Path(protocol.__file__).parent)}
    spec = TensorSpec(name="x", dtype="float32", shape=(1, 2))
    graph = EmulatedGraph("echo", [sys.executable, program], environ, (spec,), (spec,))
    x = np.ones((1, 2), np.float32)
    np.testing.assert_array_equal(graph.run({"x": x})["x"], x)
    with pytest.raises(BackendError, match="echo: its emulator failed: too much"):
        graph.run({"bad": x})
    with pytest.raises(BackendError, match="echo: its emulator ended with 3"):
        graph.run({"end": x})


def test_an_answer_is_asked_for_once_whoever_asks_and_kept_by_graph_and_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "cache"))
    program, log = tmp_path / "echo.py", tmp_path / "asked"
    program.write_text(ECHO.replace('    if "end"', f'    open({str(log)!r}, "a").write(".")\n    if "end"'))
    environ = environment.bare() | {"PYTHONPATH": str(Path(protocol.__file__).parent)}
    spec = TensorSpec(name="x", dtype="float32", shape=(1, 2))

    def emulation(content: bytes, tool: str) -> Emulation:
        return Emulation("echo", content, [sys.executable, program], [tool], environ, (spec,), (spec,))

    feeds = [{"x": np.full((1, 2), value, np.float32)} for value in range(6)]
    for graph, asked in ((emulation(b"a", "1"), 6), (emulation(b"a", "1"), 6), (emulation(b"a", "2"), 12)):
        with ThreadPoolExecutor(2) as pool:
            for fed, made in zip(feeds, pool.map(graph.run, feeds), strict=True):
                np.testing.assert_array_equal(made["x"], fed["x"])
        assert len(log.read_text()) == asked
    with pytest.raises(BackendError, match="too much"):
        graph.run({"bad": feeds[0]["x"] + 9})
    np.testing.assert_array_equal(graph.run({"x": feeds[0]["x"] + 9})["x"], feeds[0]["x"] + 9)


def test_the_runtime_says_what_is_missing_for_a_context_binary() -> None:
    spec = TensorSpec(name="x", dtype="float32", shape=(1, 2))
    entry = GraphEntry(file="g.onnx", backend="qnn", inputs=(spec,), outputs=(spec,))
    with pytest.raises(BackendError, match=r"qnn is not installed|refuses"):
        open_graph(entry, b"nothing")


def test_an_environment_that_is_not_there_says_how_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path))
    assert hexagon.missing(Target.parse("hexagon-v79")) == "scripts/npu-tools hexagon"
    with pytest.raises(CompileError, match=r"scripts/npu-tools ethos installs ethos-u-vela==5"):
        environment.program("ethos", "vela")
    with pytest.raises(CompileError, match="known: ethos, hexagon"):
        environment.folder("snapdragon")


def test_environments_hold_the_versions_that_profiles_name() -> None:
    for name in ("hexagon-v79", "hexagon-xr2", "ethos-u55", "ethos-u65", "ethos-u85"):
        target = Target.parse(name)
        assert environment.REQUIREMENTS[target.family][0] == f"{target.tool.package}=={target.tool.version}"


@pytest.mark.skipif(environment.missing("hexagon") is not None, reason="scripts/npu-tools hexagon makes it")
@pytest.mark.parametrize("form", hexagon.FORMS)
def test_one_context_answers_on_the_emulated_htp(form: str) -> None:
    made = hexagon.lower(source(), Target.parse("hexagon-v79"), form)
    assert status_of(made.draft.evidence) == "emulated"
    assert made.placed is not None
    assert made.placed.fell_back == ()
    assert made.draft.evidence[-1].figures["emulated_db"] > 25
