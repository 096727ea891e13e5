"""A 64-bit Arm processor, emulated: what its Python gives is the evidence, and what comes out wrong is refused."""

import stat
import sys
from pathlib import Path

import pytest
from tests.compile.tiny import tiny_part
from tests.compile.tiny_model import write_data
from tests.compile.tiny_recipe import TEXT

from sensorium.bundle import Bundle
from sensorium.bundle.loaded import host_target
from sensorium.host import Host
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.pack import pack
from sensorium_compile.pipeline import Budget, Job, compile_model
from sensorium_compile.report import JSON_NAME, parse_report
from sensorium_compile.stages import CACHE_VARIABLE, Stages
from sensorium_compile.targets import qemu, reached
from sensorium_compile.targets.processor import proved
from sensorium_compile.zoo import Weights
from sensorium_devices.targets import Target

ARM = Target.parse("arm-cpu")
WRONG = """
import numpy
from sensorium_compile.targets.programs.program import serve
serve(lambda: lambda feeds: {"y": numpy.float32([[1, -1, 1, -1]])})
"""
pytestmark = pytest.mark.skipif(ARM.is_here, reason="this is an Arm processor: graphs are measured, not emulated")


def executable(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without anything that emulates."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


@pytest.fixture
def emulating(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose emulated Python is this very Python; its name is all that tells them apart."""
    qemu.version.cache_clear()
    executable(bare / "bin" / qemu.PROGRAM, "#!/bin/sh\necho 'qemu-aarch64 version 7.2.22 (Debian)'\n")
    root = qemu.folder() / "root"
    executable(root / "usr/bin/python", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    package = root / "usr/lib/python3/dist-packages/onnxruntime-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.0\n", encoding="utf-8")
    (qemu.folder() / qemu.READY).touch()
    return root


def graph(parts: dict[str, PartDraft]) -> GraphDraft:
    return parts["adder"].graphs["model"]


def test_without_an_emulator_a_graph_is_linted_and_what_is_missing_is_told(bare: Path) -> None:
    pack("tiny", "arm-cpu", proved({"adder": tiny_part()}, ARM), bare / "bundle")
    with Bundle(bare / "bundle", target="arm-cpu") as bundle:
        assert bundle.manifest.parts["adder"].graphs["model"].status == "linted"
    assert reached(ARM) == ("linted", "scripts/aarch64/install")


def test_a_ready_part_is_measured_where_this_machine_is_the_target() -> None:
    told = graph(proved({"adder": tiny_part()}, Target.parse(host_target()))).evidence[-1]
    assert (told.stage, told.machine) == ("measured", Host.here().machine)


def test_what_the_emulated_processor_gives_is_in_the_bundle(emulating: Path, tmp_path: Path) -> None:
    pack("tiny", "arm-cpu", proved({"adder": tiny_part()}, ARM), tmp_path / "bundle")
    with Bundle(tmp_path / "bundle", target="arm-cpu") as bundle:
        entry = bundle.manifest.parts["adder"].graphs["model"]
    assert entry.status == "emulated"
    told = entry.evidence[-1]
    assert (told.tool, told.version, told.machine) == ("onnxruntime", "1.0", "")
    assert told.command.startswith("qemu-aarch64 7.2.22 -cpu cortex-a76: ")
    assert told.figures["cosine"] == 1
    assert reached(ARM) == ("emulated", f"measured on aarch64 alone; this is {Host.here()}")


def test_with_data_the_emulated_processor_decides_on_held_out_examples(emulating: Path, tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    text = TEXT + "\n[gate]\nmax_drop = 100\nmin_agreement = 0\nmin_cosine = 0\n"
    job = Job(text, "tiny.toml", "arm-cpu", tmp_path / "data", retrain=True, backends=("onnxruntime",))
    compile_model(job, tmp_path / "bundle", Budget(), Weights(), Stages(tmp_path / "stages"))
    report = parse_report((tmp_path / "bundle" / JSON_NAME).read_bytes(), "report")
    notes = [note for note in report.notes if "as aarch64, emulated: worst subset" in note]
    assert notes  # one for each form on the front
    assert all("100% of decisions as on this processor" in note for note in notes)
    assert {row.status for row in report.graphs} == {"emulated"}


def test_a_graph_that_comes_out_wrong_there_is_refused(emulating: Path) -> None:
    executable(emulating / "usr/bin/python", f"#!/bin/sh\nshift\nexec \"{sys.executable}\" -c '{WRONG}'\n")
    with pytest.raises(CompileError, match=r"graph model .* comes out wrong on aarch64, emulated: cosine .* for y on"):
        proved({"adder": tiny_part()}, ARM)


def test_what_is_not_emulated_gets_no_further_than_linted(emulating: Path) -> None:
    of_native = PartDraft("adder", {"model": GraphDraft(b"program", ".pte", "executorch", golden={"ramp": {}})})
    assert [one.stage for one in graph(proved({"adder": of_native}, ARM)).evidence] == ["exported", "linted"]
    assert qemu.missing("executorch") == "executorch is not emulated as aarch64; litert, onnxruntime, openvino are"


@pytest.mark.skipif(qemu.missing() is not None, reason="scripts/aarch64/install makes what is emulated")
def test_an_aarch64_python_runs_a_graph_under_qemu() -> None:
    told = graph(proved({"adder": tiny_part()}, ARM)).evidence[-1]
    assert (told.stage, told.figures["cosine"]) == ("emulated", 1)
