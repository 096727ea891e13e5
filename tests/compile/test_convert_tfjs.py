import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sensorium.samples import Array
from sensorium_compile.convert import parity, tfjs
from sensorium_compile.errors import CompileError

SHAPE = (1, 5, 5, 3)


def _text(value: str) -> dict[str, str]:
    return {"s": base64.b64encode(value.encode()).decode()}


def _node(name: str, op: str, *inputs: str, **attr: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attr}


def _conv(name: str, op: str, *inputs: str, stride: int = 1, fused: Sequence[str] = ()) -> dict[str, Any]:
    strides = {"list": {"i": ["1", str(stride), str(stride), "1"]}}
    return _node(
        name,
        op,
        *inputs,
        strides=strides,
        padding=_text("SAME"),
        fused_ops={"list": {"s": [_text(f)["s"] for f in fused]}},
    )


def _write(
    folder: Path,
    nodes: Sequence[dict[str, Any]],
    constants: Mapping[str, Array],
    quantization: Mapping[str, dict[str, Any]] | None = None,
) -> tuple[Path, Path]:
    quantization = quantization or {}
    dims = {"dim": [{"size": str(n)} for n in SHAPE]}
    image = _node("image", "Placeholder", dtype={"type": "DT_FLOAT"}, shape={"shape": dims})
    weights = []
    for name, value in constants.items():
        entry = {
            "name": name,
            "shape": list(value.shape),
            "dtype": "int32" if value.dtype == np.int32 else "float32",
        }
        weights.append(entry | ({"quantization": quantization[name]} if name in quantization else {}))
    listed = [_node(name, "Const") for name in constants]
    model = {
        "modelTopology": {"node": [*nodes, image, *listed]},
        "weightsManifest": [{"paths": ["m.bin"], "weights": weights}],
    }
    (folder / "m.json").write_text(json.dumps(model))
    (folder / "m.bin").write_bytes(b"".join(value.tobytes() for value in constants.values()))
    return folder / "m.json", folder / "m.bin"


def _run(files: tuple[Path, Path], output: str, image: Array) -> Array:
    return parity.run(tfjs.convert(*files, {"out": output}, "image"), {"pixels": image})["out"]


@pytest.fixture
def image() -> Array:
    return np.random.default_rng(3).integers(0, 256, SHAPE).astype(np.uint8)


def _same_conv(x: Array, kernel: Array, stride: int) -> Array:
    """TensorFlow's SAME convolution of (1, h, w, c) with (k, k, c, o), spelt out."""
    k, size = kernel.shape[0], x.shape[1]
    out = -(-size // stride)
    total = max((out - 1) * stride + k - size, 0)
    padded = np.pad(x, ((0, 0), (total // 2, total - total // 2), (total // 2, total - total // 2), (0, 0)))
    y = np.zeros((1, out, out, kernel.shape[3]))
    for i in range(out):
        for j in range(out):
            patch = padded[0, i * stride : i * stride + k, j * stride : j * stride + k]
            y[0, i, j] = np.einsum("abc,abco->o", patch, kernel)
    return y


@pytest.mark.parametrize("stride", [1, 2])
def test_a_fused_convolution_pads_and_strides_as_tensorflow(tmp_path: Path, image: Array, stride: int) -> None:
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 0.01, (3, 3, 3, 4)).astype(np.float32)
    bias = rng.normal(0, 1, 4).astype(np.float32)
    nodes = [_conv("c", "_FusedConv2D", "image", "k", "b", stride=stride, fused=["BiasAdd", "Relu6"])]
    got = _run(_write(tmp_path, nodes, {"k": kernel, "b": bias}), "c", image)
    expected = np.clip(_same_conv(image.astype(float), kernel, stride) + bias, 0, 6)
    np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_depthwise_convolution_keeps_its_channels_apart(tmp_path: Path, image: Array) -> None:
    kernel = np.random.default_rng(0).normal(0, 1, (3, 3, 3, 1)).astype(np.float32)
    got = _run(_write(tmp_path, [_conv("c", "DepthwiseConv2dNative", "image", "k")], {"k": kernel}), "c", image)
    for channel in range(3):
        one = _same_conv(image[..., channel : channel + 1].astype(float), kernel[:, :, channel : channel + 1], 1)
        np.testing.assert_allclose(got[..., channel : channel + 1], one, rtol=1e-4, atol=1e-2)


def test_constants_broadcast_over_channels_whatever_the_layout(tmp_path: Path, image: Array) -> None:
    kernel = np.eye(3, dtype=np.float32)[None, None]
    nodes = [
        _conv("c", "Conv2D", "image", "k"),
        _node("m", "Mul", "per_channel", "c"),
        _node("a", "AddV2", "m", "image"),
        _node("j", "ConcatV2", "a", "c", "axis"),
        _node("r", "Reshape", "j", "flat"),
    ]
    constants = {
        "k": kernel,
        "per_channel": np.array([1, 2, 3], np.float32),
        "axis": np.array(3, np.int32),
        "flat": np.array([-1], np.int32),
    }
    got = _run(_write(tmp_path, nodes, constants), "r", image)
    x = image.astype(np.float32)
    expected = np.concatenate([x * np.array([1, 2, 3], np.float32) + x, x], axis=3).reshape(-1)
    np.testing.assert_allclose(got, expected)


def test_the_best_places_decode_as_in_tensorflow(tmp_path: Path, image: Array) -> None:
    nodes = [
        _node("flat", "Reshape", "image", "shape"),
        _node("t", "TopKV2", "flat", "k", sorted={"b": True}),
        _node("row", "FloorDiv", "t:1", "width", T={"type": "DT_INT32"}),
        _node("column", "FloorMod", "t:1", "width"),
        _node("row_f", "Cast", "row", DstT={"type": "DT_FLOAT"}),
        _node("column_f", "Cast", "column", DstT={"type": "DT_FLOAT"}),
        _node("j", "ConcatV2", "row_f", "column_f", "t", "axis"),
    ]
    constants = {
        "shape": np.array([75], np.int32),
        "k": np.array(4, np.int32),
        "width": np.array(15, np.int32),
        "axis": np.array(0, np.int32),
    }
    got = _run(_write(tmp_path, nodes, constants), "j", image)
    best = np.argsort(-image.reshape(-1).astype(int), kind="stable")[:4]
    np.testing.assert_array_equal(got, np.concatenate([best // 15, best % 15, image.reshape(-1)[best]]))


def test_upsampling_starts_at_the_corner_as_old_tensorflow_did(tmp_path: Path, image: Array) -> None:
    nodes = [_node("u", "ResizeBilinear", "image", "size", align_corners={"b": False})]
    got = _run(_write(tmp_path, nodes, {"size": np.array([10, 10], np.int32)}), "u", image)
    x = image.astype(np.float32)
    np.testing.assert_allclose(got[:, ::2, ::2], x, atol=1e-4)
    np.testing.assert_allclose(got[:, 0, 1], (x[:, 0, 0] + x[:, 0, 1]) / 2, atol=1e-4)


def test_weights_stored_as_bytes_or_halves_are_restored(tmp_path: Path, image: Array) -> None:
    constants: dict[str, Array] = {
        "half": np.array([0.5, 1.5, -2], np.float16),
        "byte": np.array([0, 10, 255], np.uint8),
    }
    quantization: dict[str, dict[str, Any]] = {
        "half": {"dtype": "float16"},
        "byte": {"dtype": "uint8", "scale": 0.1, "min": -1.0},
    }
    nodes = [_node("a", "Add", "image", "half"), _node("b", "Add", "a", "byte")]
    got = _run(_write(tmp_path, nodes, constants, quantization), "b", image)
    np.testing.assert_allclose(got, image + np.array([0.5 - 1, 1.5 + 0, -2 + 24.5]), atol=1e-3)


def test_an_op_without_a_counterpart_is_named_with_its_node(tmp_path: Path) -> None:
    files = _write(tmp_path, [_node("odd/one", "Fancy", "image")], {})
    with pytest.raises(CompileError, match=r"op 'Fancy' of node 'odd/one'; known: .*Conv2D"):
        tfjs.convert(*files, {"out": "odd/one"}, "image")


def test_an_output_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="no node 'nowhere'"):
        tfjs.convert(*_write(tmp_path, [], {}), {"out": "nowhere"}, "image")


@pytest.mark.parametrize(("change", "words"), [(-1, "ends inside"), (4, "describes")])
def test_a_weight_file_of_another_length_is_refused(tmp_path: Path, change: int, words: str) -> None:
    model, weights = _write(tmp_path, [_node("a", "Add", "image", "b")], {"b": np.ones(3, np.float32)})
    data = weights.read_bytes()
    weights.write_bytes(data[:change] if change < 0 else data + bytes(change))
    with pytest.raises(CompileError, match=words):
        tfjs.convert(model, weights, {"out": "a"}, "image")


def test_a_file_that_is_no_graph_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("{}")
    with pytest.raises(CompileError, match=r"m\.json is no TensorFlow\.js graph model"):
        tfjs.convert(tmp_path / "m.json", tmp_path / "m.bin", {"out": "a"}, "image")
