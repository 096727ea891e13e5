import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.compile.tiny import tiny_part

from sensorium.bundle import Bundle, TensorSpec
from sensorium.bundle.loaded import host_target
from sensorium.errors import BackendError, BundleError
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import pack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pack("tiny", host_target(), {"adder": tiny_part()}, tmp_path / "tiny")
    return tmp_path / "tiny"


def _edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", ["tiny", "tiny.zip"])
def test_what_was_packed_runs_and_gives_its_golden_outputs(tmp_path: Path, name: str) -> None:
    pack("tiny", host_target(), {"adder": tiny_part()}, tmp_path / name)
    with Bundle(tmp_path / name) as bundle:
        part = bundle.find("adder")
        assert part is not None
        assert part.read("labels") == b"one\ntwo\n"
        golden = bundle.golden()
        out = part.graph().run({"x": golden["adder/model/ramp/in/x"]})
    np.testing.assert_array_equal(out["y"], golden["adder/model/ramp/out/y"])
    np.testing.assert_array_equal(out["y"], [[1, 2, 3, 4]])


def test_a_fallback_is_packed_beside_its_graph_and_none_leaves_the_manifest_as_it_was(tmp_path: Path) -> None:
    plain = tiny_part()
    assert "fallback" not in pack("plain", host_target(), {"adder": plain}, tmp_path / "plain").model_dump_json()
    spare = replace(plain.graphs["model"], precision="int8-dynamic")
    part = replace(plain, graphs={"model": replace(plain.graphs["model"], fallback=spare)})
    pack("tiny", host_target(), {"adder": part}, tmp_path / "tiny")
    with Bundle(tmp_path / "tiny") as bundle:
        fallback = bundle.part("adder").entry.graphs["model"].fallback
        assert fallback is not None
        assert (fallback.file, fallback.precision) == ("adder/model-fallback.onnx", "int8-dynamic")
    (tmp_path / "tiny/adder/model-fallback.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"adder/model-fallback\.onnx is damaged"):
        Bundle(tmp_path / "tiny")
    other = replace(spare, inputs=(TensorSpec(name="z", dtype="float32", shape=(1, 4)),), outputs=())
    part = replace(plain, graphs={"model": replace(plain.graphs["model"], fallback=other)})
    with pytest.raises(CompileError, match=r"does not take and give what adder/model\.onnx does"):
        pack("tiny", host_target(), {"adder": part}, tmp_path / "other")


def test_the_same_parts_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        pack("tiny", host_target(), {"adder": tiny_part()}, tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_one_changed_byte_is_refused(folder: Path) -> None:
    path = folder / "adder" / "model.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"adder/model\.onnx is damaged"):
        Bundle(folder)


def test_one_changed_byte_in_a_zip_is_refused(tmp_path: Path) -> None:
    pack("tiny", host_target(), {"adder": tiny_part()}, tmp_path / "tiny.zip")
    content = bytearray((tmp_path / "tiny.zip").read_bytes())
    content[content.index(b"one\ntwo\n")] ^= 1
    (tmp_path / "tiny.zip").write_bytes(content)
    with pytest.raises(BundleError, match=r"cannot be read|damaged"):
        Bundle(tmp_path / "tiny.zip")


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "a/../../b", "C:\\x", "a\\..\\b"])
def test_a_path_that_leaves_the_folder_is_refused(folder: Path, path: str) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    _edit(folder, files=manifest["files"] | {path: {"sha256": "0" * 64, "size": 1}})
    with pytest.raises(BundleError, match="leaves the bundle's folder"):
        Bundle(folder)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    path = folder / "adder" / "labels.txt"
    shutil.move(path, tmp_path / "elsewhere.txt")
    path.symlink_to(tmp_path / "elsewhere.txt")
    with pytest.raises(BundleError, match="a link that leaves"):
        Bundle(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 99}, "schema 99, this Sensorium reads up to 1; upgrade"),
        ({"schema_version": "1"}, "schema 1"),
        ({"target": "hexagon-v79"}, "compiled for hexagon-v79, this is"),
        ({"surprise": 1}, "surprise"),
        ({"files": {}}, "has no sha256"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(folder: Path, changes: dict[str, object], message: str) -> None:
    _edit(folder, **changes)
    with pytest.raises(BundleError, match=message):
        Bundle(folder)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe"])
def test_a_manifest_that_is_no_json_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"manifest\.json is no JSON object"):
        Bundle(folder)


def test_what_is_no_bundle_is_told(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle at"):
        Bundle(tmp_path / "nothing")
    with pytest.raises(BundleError, match=r"manifest\.json is missing"):
        Bundle(tmp_path)
    (tmp_path / "text").write_text("hello")
    with pytest.raises(BundleError, match="neither a folder nor a zip"):
        Bundle(tmp_path / "text")


def test_an_unknown_part_names_the_known_ones(folder: Path) -> None:
    with pytest.raises(BundleError, match="no part 'detector'; known: adder"):
        Bundle(folder).part("detector")


def test_a_wrong_input_is_the_backends_error_in_ours(folder: Path) -> None:
    graph = Bundle(folder).part("adder").graph()
    with pytest.raises(BackendError, match="onnxruntime failed"):
        graph.run({"x": np.zeros((2, 3), np.float32)})


def test_packing_over_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    with pytest.raises(CompileError, match="exists and is no bundle"):
        pack("tiny", host_target(), {"adder": tiny_part()}, tmp_path / "mine")
    assert [p.name for p in tmp_path.iterdir()] == ["mine"], "no scratch folder is left"


def test_a_graph_that_does_not_open_is_not_packed(tmp_path: Path) -> None:
    broken = PartDraft(role="adder", graphs={"model": GraphDraft(b"no onnx")})
    with pytest.raises(CompileError, match="onnxruntime refuses it"):
        pack("tiny", host_target(), {"adder": broken}, tmp_path / "tiny")
    assert not list(tmp_path.iterdir())
