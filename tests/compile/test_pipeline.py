"""A compile run from data to a bundle: kept, stopped, repeated, without data; what is said where it cannot be."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.compile.tiny_model import write_data
from tests.compile.tiny_recipe import TEXT, changed

from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium.errors import TargetError
from sensorium.learned.config import parse_config
from sensorium.samples import Frame
from sensorium_compile import bench, compiler, variants
from sensorium_compile.checkpoint import CALIBRATION, RECORD, WEIGHTS, read_record
from sensorium_compile.data.examples import subsets
from sensorium_compile.errors import CompileError
from sensorium_compile.lower import onnxruntime as lower_onnxruntime
from sensorium_compile.pipeline import BUNDLES, CHECKPOINT, CHOICES, Budget, Compiled, Job, compile_model, pick
from sensorium_compile.recipe import parse_recipe
from sensorium_compile.report import JSON_NAME, Report, parse_report
from sensorium_compile.stages import Stages, source_digest
from sensorium_compile.verify import pareto
from sensorium_compile.verify.bundles import evaluate_bundle
from sensorium_compile.verify.gate import Form, Rules, Verdict
from sensorium_compile.verify.measure import FormLatency, Latency
from sensorium_compile.verify.opened import OpenedModel
from sensorium_compile.zoo import Weights

MS_PER_BYTE = 1e-5
ANY = Budget()
GRAPHS = {"vision", "audio", "fusion"}
Progress = Callable[[str, int, int], None]


def _silent(_what: str, _done: int, _total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Done:
    """A whole run and where it was kept."""

    job: Job
    stages: Stages
    out: Path
    compiled: Compiled

    @property
    def folder(self) -> Path:
        """Of the run's result in the cache."""
        return Path((self.stages.root / "last").read_text())


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """One thread, two precisions, and times that are the forms' sizes: what is fastest is no accident."""
    torch.set_num_threads(1)
    patch = pytest.MonkeyPatch()
    patch.setattr(lower_onnxruntime, "PRECISIONS", ("float32", "int8-static"))
    patch.setattr(compiler, "measure", _measure)
    yield
    patch.undo()


def _measure(forms: dict[str, OpenedModel], _samples: object, **_: object) -> dict[str, FormLatency]:
    def told(size: int) -> Latency:
        return Latency(size * MS_PER_BYTE, size * MS_PER_BYTE, 0.0, 0.0, 1)

    return {
        name: FormLatency(
            {subset: told(form.size_bytes) for subset in subsets(form.modalities)},
            {graph: told(form.size_bytes) for graph in (*form.modalities, "fusion")},
            form.size_bytes,
        )
        for name, form in forms.items()
    }


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    write_data(folder)
    return folder


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Compiled once with data; what the tests below repeat."""
    folder = tmp_path_factory.mktemp("run")
    job = _job(data)
    stages = Stages(folder / "cache")
    return Done(job, stages, folder / "bundle", _compile(job, folder / "bundle", stages))


def _job(data: Path | None, text: str = TEXT, **more: object) -> Job:
    return replace(Job(text, "tiny.toml", "x86-cpu", data, retrain=True, backends=("onnxruntime",)), **more)


def _compile(job: Job, out: Path, stages: Stages, progress: Progress = _silent, budget: Budget = ANY) -> Compiled:
    return compile_model(job, out, budget, Weights(), stages, progress)


def test_data_become_a_bundle_that_answers(done: Done) -> None:
    assert not done.compiled.cached
    assert done.stages.ran == ["teach", "distil", *["lower"] * (len(done.stages.ran) - 3), "compile"]
    with Bundle(done.out, target="x86-cpu") as bundle:
        part = bundle.find("model")
        assert part is not None
        assert set(part.entry.graphs) == GRAPHS
        assert parse_config(part).first_head.labels == ("red", "green", "blue")
        model = OpenedModel.of_part(part)
        tokens = {"vision": model.encode("vision", np.full((1, 3, 16, 16), 99, np.float32))}
        assert model.fuse(tokens, (True, False))["digit"].shape == (1, 3)
    report = read_report(done.out)
    assert set(report.shipped.subsets) == {"vision", "audio", "vision+audio"}
    stages = {stage.name for stage in report.stages}
    assert stages >= {"teach and distil", "lower", "measure", "gate"}
    assert "variants" not in stages  # the recipe has none


def test_a_second_run_does_nothing_again(done: Done, tmp_path: Path) -> None:
    again = Stages(done.stages.root)
    compiled = _compile(done.job, tmp_path / "again", again)
    assert compiled.cached
    assert again.ran == []
    assert _digest(tmp_path / "again") == _digest(done.out)


def test_what_was_stopped_goes_on_and_gives_the_same_bundle(done: Done, data: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    job = _job(data)
    stops: list[tuple[Callable[[str, int], bool], list[str]]] = [
        (lambda what, number: what.startswith("teacher") and number == 3, []),
        (lambda what, number: what.startswith("student") and number == 2, ["teach"]),
        (lambda what, _: what.endswith("int8-static"), ["distil", "lower", "lower", "lower"]),
        (lambda what, _: what == "gate", ["lower"] * 6),  # three of the student, three of the teacher
    ]
    for stop, ran in stops:

        def stopping(what: str, number: int, _total: int, stop: Callable[[str, int], bool] = stop) -> None:
            if stop(what, number):
                raise KeyboardInterrupt

        stages = Stages(cache)
        with pytest.raises(KeyboardInterrupt):
            _compile(job, tmp_path / "out", stages, stopping)
        assert stages.ran == ran
        assert not (tmp_path / "out").exists()
    told: list[str] = []
    stages = Stages(cache)
    _compile(job, tmp_path / "out", stages, lambda what, _done, _total: told.append(what.split(" ")[0]))
    assert set(stages.ran) <= {"lower", "compile"}
    assert not {"teacher", "student"} & set(told)
    assert not list(cache.glob("*.unfinished"))
    assert _digest(tmp_path / "out") == _digest(done.out)  # in another cache, from the same inputs
    assert _keys(Path((cache / "last").read_text())) == _keys(done.folder)


def test_another_budget_is_answered_without_compiling(done: Done, tmp_path: Path) -> None:
    choices = pareto.load(done.folder / CHOICES)
    front = pareto.front(choices)
    for choice in front:
        budget = Budget(max_ms=choice.ms, max_mb=choice.size_bytes / 1e6)
        made = pick(tmp_path / "picked", budget, Stages(done.stages.root))
        assert made.cached
        assert made.choice == choice
        assert _digest(tmp_path / "picked") == _digest(done.folder / BUNDLES / choice.key)
    assert pick(None, Budget(), Stages(done.stages.root)).choice == front[0]
    with pytest.raises(CompileError, match=r"no candidate takes at most 1e-06 ms; possible: onnxruntime .* ms, .* MB"):
        pick(None, Budget(max_ms=1e-6), Stages(done.stages.root))
    with pytest.raises(CompileError, match=r"has at most 0.0001 MB; possible: onnxruntime"):
        _compile(done.job, tmp_path / "small", Stages(done.stages.root), budget=Budget(max_mb=1e-4))
    with pytest.raises(CompileError, match="nothing was compiled here yet; run: sensorium compile NAME"):
        pick(None, Budget(), Stages(tmp_path / "empty"))


def test_a_checkpoint_gives_the_same_graphs_without_the_data(done: Done, tmp_path: Path) -> None:
    checkpoint = done.folder / CHECKPOINT
    assert {file.name for file in checkpoint.iterdir()} == {WEIGHTS, RECORD, CALIBRATION}
    job = _job(None, checkpoint=checkpoint, retrain=False)
    stages = Stages(tmp_path / "cache")
    compiled = _compile(job, tmp_path / "out", stages)
    assert "teach" not in stages.ran
    there = {c.key: c for c in pareto.load(done.folder / CHOICES)}
    here = {c.key: c for c in pareto.load(Path((stages.root / "last").read_text()) / CHOICES)}
    whole = {key for key, choice in there.items() if "searched" not in choice.name}
    assert whole <= set(here)
    assert {key: here[key].accuracy for key in whole} == {key: there[key].accuracy for key in whole}
    assert compiled.choice.accuracy == there[compiled.choice.key].accuracy > 0
    assert compiled.choice.subset == there[compiled.choice.key].subset
    report = read_report(tmp_path / "out")
    assert any("not measured here: no data" in note for note in report.notes)
    assert not {"variants", "search"} & {stage.name for stage in report.stages}  # nothing was done there
    assert set(read_record(checkpoint).subsets) == {"teacher", "student"}


def _digest(folder: Path) -> str:
    with Bundle(folder, target="x86-cpu") as bundle:
        return bundle.digest


def read_report(folder: Path) -> Report:
    return parse_report((folder / JSON_NAME).read_bytes(), JSON_NAME)


def _keys(folder: Path) -> set[str]:
    return {choice.key for choice in pareto.load(folder / CHOICES)}


# What is wrong, and what is said of it

WRONG = {
    "a key that does not exist": (
        ("width = 16\nfusion", "widht = 16\nwidth = 16\nfusion"),
        r"no key 'teacher.widht'; known there: width, towers, fusion, training",
    ),
    "a fusion that does not exist": (
        ('width = 8\nfusion = { kind = "cross"', 'width = 8\nfusion = { kind = "early"'),
        r"student.fusion.kind: .*'late', 'cross'.* or 'unified'; given 'early'",
    ),
    "a width below what is allowed": (
        ("width = 8\n", "width = 4\n"),
        r"student.width: .*greater than or equal to 8; given 4",
    ),
    "a width that the heads do not divide": (
        ('width = 16\nfusion = { kind = "cross", heads = 2', 'width = 16\nfusion = { kind = "cross", heads = 3'),
        r"teacher.width 16 is no multiple of fusion.heads 3",
    ),
    "a modality without a tower": (
        ('audio = { name = "tiny_sound" }\n[student.training]', "[student.training]"),
        r"student.towers are \['vision'\], the modalities \['audio', 'vision'\]; one tower for each",
    ),
    "one label": (('labels = ["red", "green", "blue"]', 'labels = ["red"]'), r"head.labels: .*at least 2 items"),
    "a plugin that is not installed": (
        ("tests.compile.tiny_tower", "no_such_package"),
        r"plugin no_such_package cannot be imported: .*; pip install it here first",
    ),
    "an input of another kind": (
        ('kind = "image", height', 'kind = "smell", height'),
        r"modalities.vision.input: .*'image', 'sound', 'text', 'readings'",
    ),
    "a share that is none": (("share = 0.3", "share = 3"), r"split.share: .*less than 1; given 3"),
    "an augmentation of no modality": (("[split]", "[augment.nose]\n[split]"), r"modality 'nose'.*audio.*vision"),
    "practice for no modality": (("[split]", "[practice.nose]\nsteps = 4\n[split]"), r"modality 'nose'.*audio.*vision"),
    "a variant with an input that cannot be": (
        ("[split]", "[variants.small]\ninputs = { vision = { height = 4 } }\n[split]"),
        r"variants.small.inputs.vision: height: .*greater than or equal to 8; given 4",
    ),
    "a variant that is not smaller": (
        ("[split]", "[variants.small]\nmax_drop = 3\n[split]"),
        "give inputs, towers or both",
    ),
    "a variant whose towers nobody teaches": (
        ("[split]", "[variants.small]\ntowers = { vision = { channels = [4] } }\n[split]"),
        r"variants.small: .*give towers and steps; steps is 0",
    ),
    "a ladder that would swing": (
        (
            "[split]",
            '[[rung]]\nname = "all"\n[[rung]]\nname = "low"\nenter.late_ms = 50\nleave.late_ms = 60\n[split]',
        ),
        r"the ladder: 'low': leave.late_ms must be below enter.late_ms 50; given 60",
    ),
    "a variant of no modality": (
        ("[split]", "[variants.small]\ninputs = { nose = { window = 4 } }\n[split]"),
        r"modality 'nose'.*audio.*vision",
    ),
    "a part that does not exist": (
        ('name = "tiny"', 'name = "tiny"\nparts = ["nose"]'),
        r"no part 'nose'.*voice_activity",
    ),
    "no TOML": (("[split]", "[split"), r"recipe tiny.toml is no TOML"),
}


def test_where_no_form_in_8_bits_passes_the_student_learns_in_8_bits(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = bench.judge
    stages = Stages(tmp_path / "cache")

    def judge(form: Form, reference: Form, rules: Rules) -> Verdict:
        told = strict(form, reference, rules)
        if ("int8" in form.name or "mixed" in form.name) and "distil-int8" not in stages.ran:
            return Verdict(False, ("too strict a gate",), told.notes)
        return told

    monkeypatch.setattr(bench, "judge", judge)
    text = changed(("[student]", "[qat]\nsteps = 4\n[student]"))
    made = _compile(_job(data, text), tmp_path / "bundle", stages)
    assert "distil-int8" in stages.ran
    report = read_report(made.out)
    assert [stage.name for stage in report.stages].count("lower") == 2
    told = next(stage for stage in report.stages if stage.name == "distil in 8 bits")
    assert told.detail == "no quantized form passed the gate"
    again = _compile(_job(data, text), tmp_path / "again", stages)
    assert again.cached


SMALL = "[variants.small]\ninputs = { vision = { height = 12, width = 12 } }\nmax_drop = 100\n"


@pytest.mark.parametrize(("faster", "role"), [(0.5, "variant"), (1.0, None)])
def test_a_variant_on_smaller_inputs_ships_beside_the_model_where_it_is_faster(
    faster: float, role: str | None, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measured(forms: dict[str, OpenedModel], samples: object) -> dict[str, FormLatency]:
        return {name: _scaled(one, faster) for name, one in _measure(forms, samples).items()}

    monkeypatch.setattr(variants, "measure", measured)
    job = _job(data, changed(("[student]", SMALL + "[student]")))
    stages = Stages(tmp_path / "cache")
    made = _compile(job, tmp_path / "bundle", stages)
    with Bundle(made.out, target="x86-cpu") as bundle:
        part = bundle.find("variant")
        assert (part.entry.role if part else None) == role
        if part is not None:
            assert parse_config(part).modalities["vision"].shape == (1, 3, 12, 12)
            assert parse_config(part).modalities["audio"].shape == (1, 1800)
            image = np.zeros((1, 3, 12, 12), np.float32)
            assert np.isfinite(part.graph("vision", threads=1).run({"sample": image})["tokens"]).all()
    row = next(row for row in read_report(made.out).candidates if row.variant == "small")
    assert set(row.subsets) == {"vision", "audio", "vision+audio"}
    assert row.passed == (role is not None)
    assert row.passed or row.reasons[-1].startswith("no faster (")
    found = stages.find("compile", job.given())
    assert found is not None
    without = replace(job, data=None, retrain=False, checkpoint=found / CHECKPOINT)
    again = _compile(without, tmp_path / "again", Stages(tmp_path / "other"))
    told = next(row for row in read_report(again.out).candidates if row.variant == "small")
    assert told.subsets["vision"].accuracy == row.subsets["vision"].accuracy


NARROW = """
[variants.narrow]
inputs = { vision = { height = 12, width = 12 } }
towers = { vision = { channels = [4] } }
steps = 4
max_drop = 100
"""


def test_a_variant_with_a_narrower_tower_is_distilled_with_the_student_and_travels_with_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        variants,
        "measure",
        lambda forms, samples: {n: _scaled(one, 0.1) for n, one in _measure(forms, samples).items()},
    )
    job = _job(data, changed(("[student]", NARROW + "[student]")))
    stages = Stages(tmp_path / "cache")
    made = _compile(job, tmp_path / "bundle", stages)
    with Bundle(made.out, target="x86-cpu") as bundle:
        model, part = bundle.find("model"), bundle.find("variant")
        assert model is not None and part is not None  # noqa: PT018
        assert part.entry.graphs["vision"].outputs[0].shape[1:] == model.entry.graphs["vision"].outputs[0].shape[1:]
        sizes = [len(bundle.read(one.entry.graphs["vision"].file)) for one in (part, model)]
        assert sizes[0] < sizes[1]
        image = np.zeros((1, 3, 12, 12), np.float32)
        assert np.isfinite(part.graph("vision", threads=1).run({"sample": image})["tokens"]).all()
    row = next(row for row in read_report(made.out).candidates if row.variant == "narrow")
    found = stages.find("compile", job.given())
    assert found is not None
    names = {file.name for file in (found / CHECKPOINT).iterdir()}
    assert {"variant-narrow.safetensors", "variant-narrow.calibration.json"} < names
    without = replace(job, data=None, retrain=False, checkpoint=found / CHECKPOINT)
    other = Stages(tmp_path / "other")
    again = _compile(without, tmp_path / "again", other)
    assert "distil" not in other.ran
    told = next(row for row in read_report(again.out).candidates if row.variant == "narrow")
    assert told.subsets["vision"].accuracy == row.subsets["vision"].accuracy


RUNGS = """
[[rung]]
name = "all"
[[rung]]
name = "low"
variant = "small"
enter = { late_ms = 50 }
leave = { late_ms = 20 }
"""


def test_a_recipe_may_have_a_ladder_and_a_form_of_another_backend_packed(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    text = 'fallback = "smallest"\n' + changed(("[split]", RUNGS + "[split]"))
    job = _job(data, text, backends=("onnxruntime", "openvino"))
    made = _compile(job, tmp_path / "bundle", Stages(tmp_path / "cache"))
    with Bundle(made.out, target="x86-cpu") as bundle:
        part = bundle.find("model")
        assert part is not None
        for name, entry in part.entry.graphs.items():
            assert entry.fallback is not None
            assert entry.fallback.backend != entry.backend
            assert bundle.manifest.files[entry.fallback.file].size > 0
            assert any(note.startswith(f"model/{name}: falls back to ") for note in bundle.manifest.notes)
        parts = assemble(bundle, threads=1)
    assert parts.ladder is not None
    assert [rung.name for rung in parts.ladder] == ["all", "low"]
    assert set(parts.replaceable) == {f"model/{name}" for name in GRAPHS}


def test_ready_parts_are_packed_beside_the_model_where_they_are_pulled(
    data: Path, tmp_path: Path, weights: Weights
) -> None:
    job = _job(data, 'parts = ["voice_activity"]\n' + TEXT)
    stages = Stages(tmp_path / "cache")
    nothing = Weights(tmp_path / "empty")
    without = compile_model(job, tmp_path / "without", ANY, nothing, stages)
    with Bundle(without.out, target="x86-cpu") as bundle:
        assert bundle.find("voice_activity") is None
    told = read_report(without.out).notes[0]
    assert told.startswith("part voice_activity is left out: silero-vad is not here yet")
    assert told.endswith("run: sensorium pull silero-vad, and compile again")
    made = compile_model(job, tmp_path / "with", ANY, weights, stages)
    assert not made.cached
    with Bundle(made.out, target="x86-cpu") as bundle:
        assert bundle.find("voice_activity") is not None
        assert bundle.find("model") is not None
    assert compile_model(job, tmp_path / "again", ANY, weights, stages).cached


def test_a_model_among_texts_is_asked_for_words_that_are_no_labels(
    data: Path, tmp_path: Path, weights: Weights
) -> None:
    text = changed(('name = "digit"', 'name = "colour"\nkind = "text"'), ("steps = 8", "steps = 40"))
    job = _job(data, 'parts = ["embedder"]\n' + text.replace("steps = 6", "steps = 40"))
    made = compile_model(job, tmp_path / "bundle", ANY, weights, Stages(tmp_path / "cache"))
    with Bundle(made.out, target="x86-cpu") as bundle:
        measured = evaluate_bundle(bundle, data, held_out=True)
        assert set(measured.subsets) == {"vision", "audio", "vision+audio"}
        shipped = read_report(made.out).shipped
        assert shipped is not None
        told = {subset: row.accuracy for subset, row in shipped.subsets.items()}
        # The bundle's embedder is in 8 bits as the one that taught.
        assert {s: one.accuracy for s, one in measured.subsets.items()} == pytest.approx(told, abs=0.1)
        parts = assemble(bundle, look_for=("crimson", "navy"))
        assert parts.fusion is not None
        frame = Frame(0, 0, np.full((32, 32, 3), (230, 20, 20), np.uint8))
        evidence = parts.encoders["vision"].encode(frame).evidence
        assert {candidate.text for candidate in parts.fusion.fuse(evidence, 0, 5)} == {"crimson", "navy"}


def _scaled(one: FormLatency, by: float) -> FormLatency:
    def scaled(told: Latency) -> Latency:
        return Latency(told.median_ms * by, told.p95_ms * by, told.low_ms * by, told.high_ms * by, told.runs)

    return replace(one, subsets={subset: scaled(told) for subset, told in one.subsets.items()})


def test_a_plugin_whose_source_has_changed_is_not_answered_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_plugin").mkdir()
    source = tmp_path / "a_plugin" / "__init__.py"
    source.write_text("WIDTH = 8\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    stages = Stages(tmp_path / "cache")
    without = stages.key("teach", {})
    stages.plugins = ("a_plugin",)
    before = stages.key("teach", {})
    source_digest.cache_clear()
    assert stages.key("teach", {}) == before != without
    source.write_text("WIDTH = 16\n")
    source_digest.cache_clear()
    assert stages.key("teach", {}) != before


@pytest.mark.parametrize("what", list(WRONG))
def test_a_recipe_that_is_wrong_is_refused_at_the_door(what: str) -> None:
    change, said = WRONG[what]
    with pytest.raises(CompileError, match=said):
        parse_recipe(changed(change), "tiny.toml")


WRONG_LATER = {
    "a tower that does not exist": (
        ('towers]\nvision = { name = "convnet", channels = [8, 16]', 'towers]\nvision = { name = "convmet"'),
        r"tower 'convmet'.*convnet",
    ),
    "an option that its tower lacks": (
        ("channels = [8, 16] }", "chanels = [8, 16] }"),
        r"tower 'convnet': .*'chanels'.*channels",
    ),
    "a reader that does not exist": (
        ('reader = "audio_folders"', 'reader = "audio_folder"'),
        r"reader 'audio_folder'.*audio_folders",
    ),
    "labels that the data do not have": (
        ('["red", "green", "blue"]', '["red", "green", "pink"]'),
        r"has no folder for pink; each label has one",
    ),
    "a folder that is not there": (
        ('path = "sounds"', 'path = "noises"'),
        r"noises is not there: a folder laid out as red/\*.*was looked for; put it there or correct --data",
    ),
    "a module to freeze that does not exist": (
        ("steps = 8\n", 'steps = 8\nfreeze = ["encoders.nose"]\n'),
        r"training.freeze: no module 'encoders.nose'; known: ",
    ),
    "an augmentation step that does not exist": (
        ("[split]", "[augment.vision]\nwobble = 1\n[split]"),
        r"augment: no key 'wobble'; known there: geometry, ",
    ),
    "an augmentation step in practice that does not exist": (
        ("[split]", "[practice.vision]\nsteps = 1\naugment = { wobble = 1 }\n[split]"),
        r"augment: no key 'wobble'; known there: geometry, ",
    ),
}


@pytest.mark.parametrize("what", list(WRONG_LATER))
def test_what_fits_no_data_or_no_model_is_told(what: str, data: Path, tmp_path: Path) -> None:
    change, said = WRONG_LATER[what]
    with pytest.raises(CompileError, match=said):
        _compile(_job(data, changed(change)), tmp_path / "out", Stages(tmp_path / "cache"))
    assert not (tmp_path / "out").exists()


def test_without_data_or_checkpoint_it_is_said_which_data_are_needed(data: Path, tmp_path: Path) -> None:
    stages = Stages(tmp_path / "cache")
    with pytest.raises(CompileError, match=r"tiny has no checkpoint.*give --data DIR \(pictures, sounds in it\)"):
        _compile(_job(None, retrain=False), tmp_path / "out", stages)
    with pytest.raises(CompileError, match=r"no data folder .*nowhere; give the folder that holds pictures"):
        _compile(_job(tmp_path / "nowhere"), tmp_path / "out", stages)
    with pytest.raises(TargetError, match=r"target 'arm'.*arm-cpu.*x86-cpu"):
        _compile(_job(data, target="arm"), tmp_path / "out", stages)
    with pytest.raises(CompileError, match=r"jetson-thor has a lowering of its own"):
        _compile(_job(data, target="jetson-thor"), tmp_path / "out", stages)


@pytest.fixture
def checkpoint(done: Done, tmp_path: Path) -> Path:
    """A copy to be spoiled."""
    return Path(shutil.copytree(done.folder / CHECKPOINT, tmp_path / "checkpoint"))


def _from(checkpoint: Path, tmp_path: Path, text: str = TEXT, data: Path | None = None) -> Compiled:
    job = _job(data, text, checkpoint=checkpoint, retrain=False)
    return _compile(job, tmp_path / "out", Stages(tmp_path / "cache"))


def test_a_checkpoint_with_nan_is_refused_by_the_weight_s_name(checkpoint: Path, tmp_path: Path) -> None:
    weights = load_file(checkpoint / WEIGHTS)
    weights["heads.digit.linear.weight"][1, 2] = torch.nan
    save_file(weights, checkpoint / WEIGHTS)
    with pytest.raises(CompileError, match=r"1 of 24 values of heads.digit.linear.weight are NaN.*lower learning rate"):
        _from(checkpoint, tmp_path)


def test_a_checkpoint_of_another_model_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    more_labels = changed(('["red", "green", "blue"]', '["red", "green", "blue", "black"]'))
    with pytest.raises(CompileError, match=r"head digit gives \(1, 3\), the recipe has 4 labels"):
        _from(checkpoint, tmp_path, more_labels)
    other = changed(('kind = "cross", heads = 2 }\n[student.towers]', 'kind = "late" }\n[student.towers]'))
    with pytest.raises(CompileError, match="this checkpoint is not of this recipe's model"):
        _from(checkpoint, tmp_path, other)


def test_a_checkpoint_that_is_damaged_or_missing_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    whole = (checkpoint / WEIGHTS).read_bytes()
    (checkpoint / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CompileError, match=r"is damaged: .*; copy it again"):
        _from(checkpoint, tmp_path)
    (checkpoint / WEIGHTS).unlink()
    with pytest.raises(CompileError, match=f"no checkpoint .*{WEIGHTS}"):
        _from(checkpoint, tmp_path)


def test_a_record_or_ranges_that_are_damaged_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    record = (checkpoint / RECORD).read_text(encoding="utf-8")
    (checkpoint / RECORD).write_text(record.replace('"tools"', '"tolos"'), encoding="utf-8")
    with pytest.raises(CompileError, match=r"record.json: (tools|tolos): "):
        _from(checkpoint, tmp_path)
    (checkpoint / RECORD).write_text(record, encoding="utf-8")
    (checkpoint / CALIBRATION).write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(CompileError, match=r"calibration: .*; record it again from samples"):
        _from(checkpoint, tmp_path)


def test_too_few_samples_to_calibrate_with_cost_static_int8_only(checkpoint: Path, tmp_path: Path) -> None:
    few = tmp_path / "few"
    write_data(few, per_class=3)
    (checkpoint / CALIBRATION).unlink()
    _from(checkpoint, tmp_path, data=few)
    notes = " ".join(read_report(tmp_path / "out").notes)
    assert "not tried: onnxruntime int8-static: calibration of graph" in notes
    assert "at least 8 are needed: give more data, or choose a precision without static int8" in notes


def test_ranges_that_were_not_recorded_cost_static_int8_only(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / CALIBRATION).write_text("{}", encoding="utf-8")
    compiled = _from(checkpoint, tmp_path)
    assert compiled.choice.precision == "float32"
    assert "no ranges were recorded for graph" in " ".join(read_report(tmp_path / "out").notes)


def test_a_backend_that_does_not_exist_is_named_beside_those_that_do(data: Path, tmp_path: Path, done: Done) -> None:
    job = replace(done.job, backends=("onnxrt",))
    with pytest.raises(CompileError, match=r"backend 'onnxrt'.*onnxruntime"):
        _compile(job, tmp_path / "out", Stages(tmp_path / "cache"))
