"""OpenVINO's IR: measured where this machine is an Intel processor, linted for the NPU, refused before the work."""

import pytest
from onnx import TensorProto, helper
from tests.compile.residual import residual

from sensorium.backends import open_graph
from sensorium.bundle import status_of
from sensorium.errors import BackendError
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import entry_of
from sensorium_compile.targets import Family, find_family
from sensorium_compile.targets.graphs import cosine
from sensorium_compile.targets.placing import check_worth
from sensorium_devices.targets import Target

CPU, NPU = Target.parse("intel-cpu"), Target.parse("intel-npu")


@pytest.fixture
def family() -> Family:
    pytest.importorskip("openvino")
    found = find_family("intel")
    assert found is not None
    return found


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_a_processor_gets_as_far_as_this_machine_allows(family: Family, form: str) -> None:
    source = residual()
    made = family.lower(source, CPU, form)
    assert status_of(made.draft.evidence) == family.reaches(CPU)
    assert family.reaches(CPU) == ("measured" if CPU.is_here else "compiled")
    assert made.placed is not None
    assert made.placed.fell_back == ()
    wanted = family.lower(source, CPU, "float32").open().run(source.golden["example"])["tokens"]
    assert cosine(wanted, made.open().run(source.golden["example"])["tokens"]) > 0.99


def test_the_npu_is_linted_and_no_more(family: Family) -> None:
    made = family.lower(residual(), NPU, "float16")
    assert status_of(made.draft.evidence) == family.reaches(NPU) == "linted"
    assert made.placed is None
    assert "driver" in str(family.missing(NPU))


def test_the_same_graph_gives_the_same_bytes(family: Family) -> None:
    first, second = (family.lower(residual(), NPU, "float16").draft.model for _ in range(2))
    assert first == second


def test_an_operator_that_the_npu_lacks_refuses_the_model_before_the_work(family: Family) -> None:
    extra = [
        helper.make_node("Det", ["square"], ["det"], name="node_det"),
        helper.make_node("Add", ["mean", "det"], ["more"], name="node_more"),
        helper.make_node("Cast", ["mean"], ["square"], name="node_cast", to=TensorProto.FLOAT),
    ]
    source = residual([helper.make_node("Unique", ["mean"], ["more"], name="node_unique")])
    with pytest.raises(
        CompileError,
        match=r"graph vision cannot go to intel-npu, which runs all of it or nothing: Unique in unique: OpenVINO does",
    ):
        check_worth(source, family.predict(source, NPU), NPU)
    with pytest.raises(CompileError, match=r"graph vision cannot go to OpenVINO, which has no operator Det in det"):
        family.predict(residual([extra[2], extra[0], extra[1]]), NPU)


def test_a_shape_that_is_not_fixed_is_told(family: Family) -> None:
    with pytest.raises(CompileError, match="not fixed"):
        family.lower(residual(shape=("batch", 3, 8, 8)), CPU, "float32")


def test_a_float16_form_answers_the_same_the_second_time(family: Family) -> None:
    source = residual()
    made, feeds = family.lower(source, NPU, "float16"), source.golden["example"]
    graph = made.open()
    first = graph.run(feeds)["tokens"]
    assert graph.run(feeds)["tokens"].tolist() == first.tolist()
    assert made.draft.answers is not None
    assert made.draft.answers["example"]["tokens"].tolist() == first.tolist()


def test_where_there_is_no_npu_it_is_said_what_to_do(family: Family) -> None:
    draft = family.lower(residual(), NPU, "float16").draft
    if not NPU.is_here:
        with pytest.raises(BackendError, match=r"OpenVINO finds no NPU here, only .*--target intel-cpu"):
            open_graph(entry_of("vision", draft), draft.model)
