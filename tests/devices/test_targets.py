"""Chip profiles: one name everywhere, a source for every figure, and a new chip is one file."""

import re
import shutil
from pathlib import Path

import pytest

from sensorium.errors import TargetError
from sensorium.host import Host
from sensorium_devices.targets import Target, profile, target_names, targets

WANTED = {
    "x86-cpu",
    "arm-cpu",
    "jetson-orin-nano",
    "jetson-orin-nano-jetpack7",
    "jetson-agx-orin",
    "jetson-agx-orin-jetpack7",
    "jetson-thor",
    "hexagon-xr2",
    "hexagon-v79",
    "ethos-u55",
    "ethos-u65",
    "ethos-u85",
    "intel-cpu",
    "intel-npu",
}
FOLDER = Path(profile.__file__).parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the profiles, which a test may add to."""
    made = tmp_path / "targets"
    shutil.copytree(FOLDER, made)
    monkeypatch.setattr(profile, "_folder", lambda: made)
    return made


def test_every_chip_that_was_asked_for_is_there() -> None:
    assert set(target_names()) >= WANTED


@pytest.mark.parametrize("name", target_names())
def test_a_name_gives_the_profile_and_the_profile_the_name(name: str) -> None:
    target = Target.parse(name)
    assert str(target) == name
    assert Target.parse(str(target)) == target


@pytest.mark.parametrize("target", tuple(targets()), ids=str)
def test_its_operators_can_be_read_and_none_is_both_taken_and_refused(target: Target) -> None:
    operators = target.operator_set
    if operators is not None:
        taken = {*operators.supported, *operators.plain}
        assert len(taken) > 20
        assert not taken.intersection(operators.refused)
        assert operators.opset is None or operators.opset[0] <= target.opset <= operators.opset[1]


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.toml")), ids=lambda path: path.stem)
def test_every_table_with_figures_names_its_source(path: Path) -> None:
    tables = re.split(r"^\[+(\w+)\]+$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    based = "based_on" in tables[0]
    for name, body in zip(tables[1::2], tables[2::2], strict=True):
        figures = re.findall(r"= [\[{]? ?\"?\d", re.sub(r"#.*", "", body))
        only_options = based and name == "tool" and set(re.findall(r"^(\w+) =", body, re.MULTILINE)) == {"options"}
        assert not figures or only_options or re.search(r'^source = "(https://|PyPI )', body, re.MULTILINE), (
            name,
            body,
        )


def test_a_figure_without_a_source_is_refused(folder: Path) -> None:
    text = (folder / "x86-cpu.toml").read_text(encoding="utf-8")
    (folder / "made-up.toml").write_text(text + "\n[memory]\nsize_mb = 12\n", encoding="utf-8")
    with pytest.raises(TargetError, match=r"target made-up: memory.source: Field required"):
        Target.parse("made-up")


def test_a_new_chip_is_one_file(folder: Path) -> None:
    (folder / "jetson-next.toml").write_text('based_on = "_jetson"\ntitle = "Next"\n[tool]\nversion = "12"\n' + UNIT)
    made = Target.parse("jetson-next")
    assert (made.family, made.tool.name, made.tool.version) == ("jetson", "TensorRT", "12")
    assert "jetson-next" in target_names()


def test_what_is_wrong_in_a_profile_is_told(folder: Path) -> None:
    (folder / "round.toml").write_text('based_on = "round"\n')
    with pytest.raises(TargetError, match="based on itself: round on round"):
        Target.parse("round")
    (folder / "lost.toml").write_text('based_on = "nothing"\n')
    with pytest.raises(TargetError, match=r"target lost: based_on: no profile 'nothing'; known: _ethos"):
        Target.parse("lost")
    (folder / "broken.toml").write_text("= 3")
    with pytest.raises(TargetError, match=r"broken.toml is no TOML"):
        Target.parse("broken")


@pytest.mark.parametrize("name", ["hedset", "", "_jetson", "../x86-cpu"])
def test_a_target_that_there_is_not_is_told_with_those_that_there_are(name: str) -> None:
    with pytest.raises(TargetError, match=r"no target '.*'; known: arm-cpu, ethos-u55"):
        Target.parse(name)


def test_a_board_is_known_by_what_it_says_of_itself() -> None:
    orin = Host(machine="aarch64", device_tree="NVIDIA Jetson Orin Nano Developer Kit")
    assert Target.parse("jetson-orin-nano").host.fits(orin)
    assert Target.parse("arm-cpu").host.fits(orin)
    assert not Target.parse("jetson-agx-orin").host.fits(orin)
    assert not Target.parse("intel-cpu").host.fits(Host(machine="x86_64", vendor="AuthenticAMD"))
    assert Host.here().machine


UNIT = '[[unit]]\nkind = "gpu"\nname = "a GPU"\nsource = "https://example.org"\n'
