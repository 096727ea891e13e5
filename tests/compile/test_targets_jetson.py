"""Graphs for TensorRT: typed, with Q/DQ where its rules put them; and a lint that finds what was planted."""

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.compile.residual import residual

from sensorium.bundle import status_of
from sensorium_compile.errors import CompileError
from sensorium_compile.targets import find_family
from sensorium_compile.targets.graphs import cosine
from sensorium_compile.targets.placing import check_worth
from sensorium_compile.targets.trt_graph import typed
from sensorium_compile.targets.trt_lint import check, lint
from sensorium_devices.targets import Target

ORIN = Target.parse("jetson-orin-nano")
Plant = Callable[[onnx.ModelProto], onnx.ModelProto]


def _constant(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(c for c in model.graph.initializer if c.name == name)


def _set(model: onnx.ModelProto, name: str, value: np.ndarray) -> None:  # type: ignore[type-arg]
    _constant(model, name).CopyFrom(numpy_helper.from_array(value, name))


def _zero_point(model: onnx.ModelProto) -> onnx.ModelProto:
    _set(model, "sample_zero_point", np.array(3, np.int8))
    return model


def _uint8(model: onnx.ModelProto) -> onnx.ModelProto:
    _set(model, "sample_zero_point", np.array(0, np.uint8))
    return _fresh(model)


def _per_tensor_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    _set(model, "block.weight_scale", np.array(0.01, np.float16))
    _set(model, "block.weight_zero_point", np.array(0, np.int8))
    return model


def _weights_on_the_wrong_axis(model: onnx.ModelProto) -> onnx.ModelProto:
    node = next(n for n in model.graph.node if n.input[0] == "block.weight_quantized")
    next(a for a in node.attribute if a.name == "axis").i = 1
    return model


def _float_residual(model: onnx.ModelProto) -> onnx.ModelProto:
    add = next(n for n in model.graph.node if n.op_type == "Add")
    add.input[1] = "stemmed"
    return model


def _dynamic(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return _fresh(model)


def _unsupported(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.node.append(helper.make_node("Det", ["det_in"], ["det"], name="node_det"))
    model.graph.initializer.append(numpy_helper.from_array(np.eye(2, dtype=np.float32), "det_in"))
    return model


def _new_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    model.opset_import[0].version = 21
    return _fresh(model)


def _mixed_types(model: onnx.ModelProto) -> onnx.ModelProto:
    _set(model, "stem.bias", numpy_helper.to_array(_constant(model, "stem.bias")).astype(np.float32))
    return _fresh(model)


def _fresh(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without the types and shapes that were inferred before the plant."""
    del model.graph.value_info[:]
    return model


@pytest.mark.parametrize("form", ["int8", "float16"])
def test_what_we_write_is_clean_and_gives_what_the_float_graph_gives(form: str) -> None:
    source, family = residual(), find_family("jetson")
    assert family is not None
    made = family.lower(source, ORIN, form)
    assert status_of(made.draft.evidence) == family.reaches(ORIN) == "linted"
    assert lint(onnx.ModelProto.FromString(made.draft.model), ORIN) == ()
    feeds = source.golden["example"]
    wanted = onnx.reference.ReferenceEvaluator(source.model).run(None, feeds)[0]
    assert cosine(np.asarray(wanted), made.open().run(feeds)["tokens"]) > 0.99
    assert "trtexec --onnx=vision.onnx --stronglyTyped" in made.draft.notes[0]


def test_the_skip_input_is_quantized_and_the_sum_is_not() -> None:
    model = typed(residual(), "int8")
    add = next(node for node in model.graph.node if node.op_type == "Add")
    made_by = {out: node.op_type for node in model.graph.node for out in node.output}
    assert [made_by[name] for name in add.input] == ["Conv", "DequantizeLinear"]


@pytest.mark.parametrize(
    ("plant", "rule"),
    [
        (_zero_point, "zero-point"),
        (_uint8, "uint8"),
        (_per_tensor_weights, "weight-axis"),
        (_weights_on_the_wrong_axis, "weight-axis"),
        (_float_residual, "residual"),
        (_dynamic, "shape"),
        (_unsupported, "operator"),
        (_new_opset, "opset"),
    ],
)
def test_a_planted_fault_is_found(plant: Plant, rule: str) -> None:
    planted = plant(typed(residual(), "int8"))
    assert rule in {fault.rule for fault in lint(planted, ORIN)}
    with pytest.raises(CompileError, match=f"graph vision is not fit for jetson-orin-nano: .*{rule}"):
        check(planted, ORIN)


def test_inputs_of_two_types_are_found() -> None:
    assert lint(_mixed_types(typed(residual(), "int8")), ORIN)[0].rule in ("types", "checker")


def test_without_ranges_there_is_no_int8_form() -> None:
    source = residual()
    with pytest.raises(CompileError, match="no ranges were recorded, so it has no int8 form; give the data folder"):
        typed(type(source)(source.name, source.model, source.paths), "int8")


def test_what_would_fall_back_is_told_with_its_layer_and_its_cost_before_anything_is_compiled() -> None:
    family = find_family("jetson")
    assert family is not None
    placed = family.predict(residual([helper.make_node("Hardmax", ["mean"], ["more"], name="node_hard")]), ORIN)
    assert placed.fell_back == ()
    unique = [
        helper.make_node("BitwiseNot", ["bits"], ["flipped"], name="node_flip"),
        helper.make_node("Cast", ["flipped"], ["fl"], name="node_cast", to=TensorProto.FLOAT),
        helper.make_node("Add", ["mean", "fl"], ["more"], name="node_more"),
    ]
    source = residual(unique)
    source.model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 4), np.int32), "bits"))
    placed = family.predict(source, ORIN)
    assert [(one.operator, one.layer) for one in placed.fell_back] == [("BitwiseNot", "flip")]
    assert "1 of 9 operators and 0.0% of the multiply-adds on the processor; 1 tensors" in placed.cost
    check_worth(source, placed, ORIN)


def test_a_model_that_would_gain_nothing_is_refused_with_the_operator_and_what_to_change() -> None:
    family = find_family("jetson")
    assert family is not None
    source = residual(shape=("batch", 3, 8, 8))
    with pytest.raises(
        CompileError,
        match=r"graph vision would gain nothing on jetson-orin-nano: .*Conv in stem: its shape is not known .*fixed",
    ):
        check_worth(source, family.predict(source, ORIN), ORIN)
