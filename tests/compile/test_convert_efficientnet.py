from collections.abc import Iterator

import numpy as np
import onnx
import pytest

from sensorium.samples import Array
from sensorium_compile.convert import parity
from sensorium_compile.convert.efficientnet import VARIANTS, Variant, convert
from sensorium_compile.convert.quantize import quantize
from sensorium_compile.errors import CompileError

SMALL = Variant(1.0, 32)
WIDTHS = (8, 8, 12, 12, 16, 16, 16, 20, 20, 20, 24, 24, 24, 24, 28, 32)  # out of each block of lite0's depth


def _layer(
    rng: np.random.Generator, conv: str, norm: str, out: int, into: int, side: int
) -> Iterator[tuple[str, Array]]:
    yield (
        f"{conv}.weight",
        rng.normal(0, (2 / (into * side * side)) ** 0.5, (out, into, side, side)).astype(np.float32),
    )
    yield f"{norm}.weight", rng.uniform(0.5, 1.5, out).astype(np.float32)
    yield f"{norm}.bias", rng.normal(0.2, 0.2, out).astype(np.float32)
    yield f"{norm}.running_mean", rng.normal(0, 0.1, out).astype(np.float32)
    yield f"{norm}.running_var", rng.uniform(0.5, 1.5, out).astype(np.float32)


@pytest.fixture(scope="module")
def state() -> dict[str, Array]:
    """Random weights with lite0's layers, a few channels each."""
    rng = np.random.default_rng(0)
    made = dict(_layer(rng, "_conv_stem", "_bn0", 8, 3, 3))
    width = 8
    for index, out in enumerate(WIDTHS):
        name, inner = f"_blocks.{index}", width * (1 if index == 0 else 2)
        if index:
            made |= _layer(rng, f"{name}._expand_conv", f"{name}._bn0", inner, width, 1)
        made |= _layer(rng, f"{name}._depthwise_conv", f"{name}._bn1", inner, 1, 3)
        made |= _layer(rng, f"{name}._project_conv", f"{name}._bn2", out, inner, 1)
        width = out
    made |= _layer(rng, "_conv_head", "_bn1", 40, width, 1)
    made["_fc.weight"] = rng.normal(0, 0.1, (10, 40)).astype(np.float32)
    made["_fc.bias"] = np.zeros(10, np.float32)
    return made


def test_the_graph_takes_pixels_and_gives_probabilities(state: dict[str, Array]) -> None:
    out = parity.run(convert(state, SMALL), {"pixels": parity.pattern(32)[None]})["probabilities"]
    assert out.shape == (1, 10)
    assert out.sum() == pytest.approx(1)


def test_the_stem_normalises_as_the_original_up_to_its_edges(state: dict[str, Array]) -> None:
    model = convert(state, SMALL)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info("_conv_stem"))
    got = parity.run(model, {"pixels": parity.pattern(32)[None]})["_conv_stem"]
    x = np.pad((parity.pattern(32) - 127.0) / 128, ((0, 1), (0, 1), (0, 0)))  # SAME, stride 2, kernel 3, even size
    patches = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (0, 1))[::2, ::2]  # (16, 16, 3, 3, 3)
    y = np.einsum("ijcab,ocab->oij", patches, state["_conv_stem.weight"])
    norm = {k: state[f"_bn0.{k}"][:, None, None] for k in ("weight", "bias", "running_mean", "running_var")}
    expected = (y - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-3) * norm["weight"] + norm["bias"]
    np.testing.assert_allclose(got[0], expected, atol=1e-4)


def test_converting_twice_gives_the_same_bytes(state: dict[str, Array]) -> None:
    first, second = (convert(state, SMALL).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_missing_layers_are_named(state: dict[str, Array]) -> None:
    with pytest.raises(CompileError, match=r"no tensor '_blocks\.16"):
        convert(state, Variant(VARIANTS["lite2"].depth, 32))


def _everything(model: onnx.ModelProto, feeds: dict[str, Array]) -> dict[str, Array]:
    """Every value that the model computes."""
    open_model = onnx.ModelProto.FromString(model.SerializeToString())
    names = [value.name for value in open_model.graph.value_info]
    open_model.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    return parity.run(open_model, feeds)


def test_quantizing_is_near_the_float_graph_and_always_the_same(state: dict[str, Array]) -> None:
    exact = convert(state, SMALL)
    ops = ("Add", "Clip", "Conv", "Gemm", "GlobalAveragePool")
    picture = {"pixels": parity.pattern(32)[None]}
    ranges = {name: (value.min(), value.max()) for name, value in _everything(exact, picture).items()}
    first, second = (quantize(exact, ranges, ops) for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in first.graph.node}
    said, expected = (parity.run(m, picture)["probabilities"] for m in (first, exact))
    assert parity.check_cosine("it", said, expected, 0.9) > 0.9


def test_ranges_of_another_graph_are_refused(state: dict[str, Array]) -> None:
    with pytest.raises(CompileError, match="record them again"):
        quantize(convert(state, SMALL), {"elsewhere": (0.0, 1.0)}, ("Conv",))


def test_a_graph_that_strays_from_its_original_is_refused() -> None:
    here, there = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    with pytest.raises(CompileError, match=r"differs from its original by 1; allowed: 0\.1"):
        parity.check_error("it", here, there, 0.1)
    with pytest.raises(CompileError, match="differs from its original by nan"):
        parity.check_error("it", np.array([np.nan]), np.array([0.0]), 0.1)
    with pytest.raises(CompileError, match=r"cosine of 0\.0000"):
        parity.check_cosine("it", here, there, 0.9)
