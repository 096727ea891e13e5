"""Teaching and distilling: on many processes, stopped, twice, with numbers that are none; what a fusion promises."""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.compile.tiny_model import write_data
from tests.compile.tiny_recipe import TEXT, distilled, recipe
from torch import Tensor

from sensorium_compile.checkpoint import AUGMENTED, load_weights, save_weights
from sensorium_compile.data.examples import NONE
from sensorium_compile.data.load import Data, load_data
from sensorium_compile.errors import CompileError
from sensorium_compile.model import FUSIONS, MultimodalModel, TextHead, build_fusion
from sensorium_compile.model.build import build_model, example_samples
from sensorium_compile.train.loop import Batch, Progress, Run
from sensorium_compile.train.match import matching
from sensorium_compile.train.parallel import World
from sensorium_compile.train.prune import prune
from sensorium_compile.train.rounded import rounded
from sensorium_compile.train.run import sampler, train_student, train_teacher
from sensorium_compile.train.teach import teach
from sensorium_compile.zoo import Weights

ROOT = Path(__file__).parents[2]
SPREAD = 1e-4  # of weights after six steps: two processes add gradients in another order
# What a softmax does not depend on has a gradient of rounding errors alone, whose size AdamW makes a step.
NOT_LEARNED = "attention.key.bias"
HALF_STEP = 2**-10  # of a weight's size: its neighbour in half precision
TINY = recipe()


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tiny")
    write_data(made)
    return made


@pytest.fixture(scope="module")
def data(folder: Path) -> Data:
    return load_data(TINY, folder)


@pytest.fixture(scope="module")
def trained(data: Data, tmp_path_factory: pytest.TempPathFactory) -> tuple[MultimodalModel, Path]:
    """The teacher on one process, and the folder that it is saved in."""
    out = tmp_path_factory.mktemp("teacher")
    return train_teacher(TINY, data, Weights(), Run("", out)), out


@pytest.fixture
def teacher(trained: tuple[MultimodalModel, Path]) -> MultimodalModel:
    return trained[0]


def _weights(model: MultimodalModel) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _torchrun(*command: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *launcher, *command], env=environment, capture_output=True, text=True, timeout=240, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_learn_what_one_learns(
    folder: Path, data: Data, teacher: MultimodalModel, tmp_path: Path
) -> None:
    alone = _weights(distilled(TINY, data, teacher, Run("student", tmp_path / "alone")))
    start = build_model(TINY, TINY.student, None).state_dict()
    assert max(float((alone[n] - start[n]).abs().max()) for n in alone) > 100 * SPREAD  # there is much to differ in
    _torchrun("-m", "tests.compile.two_processes", str(folder), str(tmp_path))
    for strategy in ("ddp", "fsdp"):
        given = np.load(tmp_path / f"{strategy}.npz")
        assert set(given) == set(alone)
        learned = [name for name in alone if not name.endswith(NOT_LEARNED)]
        apart = {name: float(np.abs(given[name] - alone[name].numpy()).max()) for name in learned}
        assert max(apart.values()) <= SPREAD, (strategy, max(apart, key=lambda n: apart[n]))


def test_training_is_a_command_for_torchrun(
    folder: Path, data: Data, trained: tuple[MultimodalModel, Path], tmp_path: Path
) -> None:
    (tmp_path / "tiny.toml").write_text(TEXT, encoding="utf-8")
    out, alone = tmp_path / "out", tmp_path / "alone"
    command = ("-m", "sensorium_compile.train", str(tmp_path / "tiny.toml"), "--data", str(folder))
    _torchrun(*command, "--out", str(out), "--strategy", "fsdp")
    train_student(TINY, data, Weights(), trained[0], Run("", alone))
    assert sorted(file.name for file in out.iterdir()) == [AUGMENTED, "student.safetensors", "teacher.safetensors"]
    for folder_of, name in ((trained[1], "teacher"), (alone, "student")):
        wanted, made = (load_file(where / f"{name}.safetensors") for where in (folder_of, out))
        for key in (key for key in wanted if not key.endswith(NOT_LEARNED)):
            one, two = wanted[key].float(), made[key].float()
            assert bool(((one - two).abs() <= HALF_STEP * one.abs() + SPREAD).all()), (name, key)


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(CompileError, match="a batch of 9 cannot be shared by 2 processes; give a multiple of 2"):
        World(0, 2).share(9)


@pytest.mark.parametrize("stop", [1, 3])
def test_what_was_stopped_and_goes_on_equals_what_was_not(
    stop: int, data: Data, teacher: MultimodalModel, tmp_path: Path
) -> None:
    tiny = recipe(('kind = "cross", heads = 2 }\n[student', 'kind = "cross", heads = 2, dropout = 0.2 }\n[student'))
    seen: list[int] = []

    def stopping(_what: str, done: int, _total: int) -> None:
        seen.append(done)
        if done == stop:
            raise KeyboardInterrupt

    whole = _weights(distilled(tiny, data, teacher, Run("student", tmp_path / "whole")))
    with pytest.raises(KeyboardInterrupt):
        distilled(tiny, data, teacher, Run("student", tmp_path / "broken", progress=stopping))
    assert [p.name for p in (tmp_path / "broken").iterdir()] == ["student.progress.pt"]
    resumed = Run("student", tmp_path / "broken", progress=lambda _what, done, _total: seen.append(done))
    broken = _weights(distilled(tiny, data, teacher, resumed))
    assert seen == list(range(1, 7))
    assert all(torch.equal(whole[name], broken[name]) for name in whole)
    assert not list((tmp_path / "broken").iterdir())


def test_one_seed_gives_one_model_and_another_seed_another(
    data: Data, teacher: MultimodalModel, tmp_path: Path
) -> None:
    first, again = (_weights(distilled(TINY, data, teacher, Run("student", tmp_path))) for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    other_seed = recipe(("steps = 6\n", "steps = 6\nseed = 1\n"))
    other = _weights(distilled(other_seed, data, teacher, Run("student", tmp_path)))
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_loss_that_is_no_number_stops_the_training_and_says_what_to_do(data: Data, tmp_path: Path) -> None:
    draw = sampler(TINY, data, TINY.teacher.training)

    def spoiled(rng: np.random.Generator, size: int) -> Batch:
        batch = draw(rng, size)
        batch.samples["audio"][0] = torch.nan
        return batch

    model = build_model(TINY, TINY.teacher, None)
    with pytest.raises(CompileError, match="teacher: the loss is nan at step 0; lower the learning_rate"):
        teach(model, "digit", spoiled, TINY.teacher.training, Run("teacher", tmp_path))


def test_freezing_keeps_a_module_and_names_those_that_there_are(data: Data, tmp_path: Path) -> None:
    frozen = recipe(
        ("batch = 8\nlearning_rate = 5e-3\n\n[student]", 'batch = 8\nfreeze = ["encoders.audio"]\n[student]')
    )
    before = _weights(build_model(frozen, frozen.teacher, None))
    model = build_model(frozen, frozen.teacher, None)
    draw = sampler(frozen, data, frozen.teacher.training)
    teach(model, "digit", draw, frozen.teacher.training, Run("teacher", tmp_path))
    same = {name for name, value in model.state_dict().items() if torch.equal(value, before[name])}
    assert {name for name in before if name.startswith("encoders.audio")} <= same
    assert "encoders.vision.project.linear.weight" not in same
    wrong = frozen.teacher.training.model_copy(update={"freeze": ("encoders.nose",)})
    with pytest.raises(CompileError, match=r"no module 'encoders.nose'; known: .*encoders\.audio\.wave"):
        teach(build_model(frozen, frozen.teacher, None), "digit", draw, wrong, Run("teacher", tmp_path))


def test_a_student_can_be_distilled_without_labels(data: Data, teacher: MultimodalModel, tmp_path: Path) -> None:
    without = recipe(("[student]", "[distil]\nlabels = 0.0\n[student]"))
    draw = sampler(without, data, without.student.training)
    batch = draw(np.random.default_rng(0), 24)
    longer = without.student.training.model_copy(update={"steps": 40})
    plan = without.student.model_copy(update={"training": longer})
    student = distilled(without.model_copy(update={"student": plan}), data, teacher, Run("student", tmp_path))
    start = build_model(without, without.student, None)
    with torch.no_grad():
        wanted, first, last = (
            model(batch.samples, batch.presence)["digit"].softmax(-1) for model in (teacher, start, student)
        )
    assert (last - wanted).abs().mean() < 0.7 * (first - wanted).abs().mean()


def test_samples_that_are_unlike_their_label_do_not_teach_the_student(
    data: Data, teacher: MultimodalModel, tmp_path: Path
) -> None:
    cleaned = recipe(("[student]", "[distil]\nkeep = 0.8\n[student]"), ("steps = 8", "steps = 60"))
    counts: Counter[str] = Counter()
    able = train_teacher(cleaned, data, Weights(), Run("", tmp_path / "teacher"))
    kept = matching(able, cleaned, data, counts)
    gone = set(data.train.index["vision"]) - set(kept.train.index["vision"])
    lying = [int(Path(data.train.pools["vision"].names[row]).stem) % 4 == 0 for row in gone]  # see write_data
    assert np.mean(lying) > 0.4  # a quarter of all do
    for name in ("vision", "audio"):
        before, after = (int((d.train.index[name] != NONE).sum()) for d in (data, kept))
        assert after == pytest.approx(0.8 * before, abs=1)
        assert counts[f"{name}.left out, unlike its label"] == before - after
    assert kept.test is data.test
    train_student(cleaned, data, Weights(), teacher, Run("", tmp_path))
    told = json.loads((tmp_path / AUGMENTED).read_text())
    assert told["vision.left out, unlike its label"] == counts["vision.left out, unlike its label"]


def test_a_head_among_texts_learns_to_be_nearest_to_the_right_one(data: Data, weights: Weights, tmp_path: Path) -> None:
    texts = recipe(
        ('name = "digit"', 'name = "colour"\nkind = "text"'),
        ("steps = 8", "steps = 60"),
    )
    made = train_teacher(texts, data, weights, Run("", tmp_path))
    head = made.heads["colour"]
    assert isinstance(head, TextHead)
    batch = sampler(texts, data, texts.teacher.training)(np.random.default_rng(1), 48)
    with torch.no_grad():
        places = made(batch.samples, batch.presence)["colour"]
    assert torch.allclose(places.norm(dim=-1), torch.ones(48), atol=1e-5)
    right = (places @ head.space.T).argmax(1) == batch.labels
    assert right.float().mean() > 0.6  # a third by chance; a quarter and a third of the samples show another class
    again = build_model(texts, texts.teacher, None)
    load_weights(again, tmp_path / "teacher.safetensors")
    with torch.no_grad():
        assert torch.equal(again(batch.samples, batch.presence)["colour"], places)


def test_pruning_keeps_the_shape_of_tokens_and_survives_being_saved(tmp_path: Path) -> None:
    tiny = recipe(
        ("channels = [8, 8] }", "channels = [16, 32] }"),
        ("[student.training]", "[prune]\nratio = 0.5\nsteps = 2\n[student.training]"),
    )
    student, samples = build_model(tiny, tiny.student, None), example_samples(tiny)
    before = {name: tuple(own.shape) for name, own in student.tokens(samples).items()}
    told = prune(student, tiny)
    assert told["vision after"] < told["vision before"] / 2
    assert {name: tuple(own.shape) for name, own in student.tokens(samples).items()} == before
    save_weights(student, tmp_path / "student.safetensors")
    loaded = build_model(tiny, tiny.student, None)
    load_weights(loaded, tmp_path / "student.safetensors")
    presence = torch.ones(1, 2)
    assert torch.equal(loaded(samples, presence)["digit"], student.eval()(samples, presence)["digit"])


def test_a_pruned_student_is_distilled_again(data: Data, teacher: MultimodalModel, tmp_path: Path) -> None:
    tiny = recipe(
        ("channels = [8, 8] }", "channels = [16, 32] }"),
        ("[student.training]", "[prune]\nratio = 0.5\nsteps = 2\n[student.training]"),
    )
    told: list[str] = []
    run = Run("", tmp_path, progress=lambda what, _done, _total: told.append(what.split(" (")[0]))
    student = train_student(tiny, data, Weights(), teacher, run)
    assert told == ["student"] * 6 + ["pruned student"] * 2
    assert student.encoders["vision"].blocks[1].conv.out_channels == 16  # type: ignore[union-attr,index]
    assert np.isfinite(load_file(tmp_path / "student.safetensors")["heads.digit.linear.weight"].numpy()).all()


def test_practice_changes_the_encoder_of_its_own_sense_and_nothing_else(
    data: Data, teacher: MultimodalModel, tmp_path: Path
) -> None:
    practising = recipe(("[student.training]", "[practice.vision]\nsteps = 4\n[student.training]"))
    before, after = (
        _weights(train_student(own, data, Weights(), teacher, Run("", tmp_path / name)))
        for name, own in (("without", TINY), ("with", practising))
    )
    changed = {name.split(".")[1] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"vision"}


LATER = {
    "pruned student": "[prune]\nratio = 0.5\nsteps = 4\n",
    "finished student": "[finish]\nsteps = 4\n",
    "student, vision alone": "[practice.vision]\nsteps = 4\n",
    "student in 8 bits": '[qat]\nwhen = "always"\nsteps = 4\n',
}


@pytest.mark.parametrize("later", list(LATER))
def test_a_stop_in_a_later_distillation_changes_neither_weights_nor_counts(
    later: str, data: Data, teacher: MultimodalModel, tmp_path: Path
) -> None:
    tiny = recipe(
        ("channels = [8, 8] }", "channels = [16, 32] }"),
        ("[student.training]", f"[augment.vision]\n{LATER[later]}[student.training]"),
    )
    told: list[str] = []

    def stopping(what: str, done: int, _total: int) -> None:
        told.append(what)
        if what.startswith(later) and done == 2:
            raise KeyboardInterrupt

    whole = train_student(tiny, data, Weights(), teacher, Run("", tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        train_student(tiny, data, Weights(), teacher, Run("", tmp_path / "broken", progress=stopping))
    told.clear()
    again = train_student(tiny, data, Weights(), teacher, Run("", tmp_path / "broken", progress=_telling(told)))
    assert [what.split(" (")[0] for what in told] == [later] * 2
    assert all(torch.equal(value, _weights(again)[name]) for name, value in _weights(whole).items())
    counts = [json.loads((tmp_path / run / AUGMENTED).read_text()) for run in ("whole", "broken")]
    assert counts[0] == counts[1]
    assert counts[0]["vision.geometry"] > 0
    assert {path.name for path in (tmp_path / "broken").iterdir()} == {"student.safetensors", AUGMENTED}


def test_a_model_that_learned_in_8_bits_has_the_same_layers_with_weights_on_a_grid() -> None:
    torch.manual_seed(0)
    front = torch.nn.Linear(4, 4)
    front.float_only = True  # type: ignore[assignment]
    model = torch.nn.Sequential(front, torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
    with torch.no_grad():
        model[1].weight[:, 0] *= 40  # what rounding hurts
    names, kept = list(model.state_dict()), front.weight.clone()
    x = torch.randn(256, 4)
    wanted = x[:, 1:2] * x[:, 2:3]
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    with rounded(model):
        for _ in range(120):
            loss = (model(x) - wanted).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        last = model(x)
    assert losses[-1] < 0.7 * losses[0]
    assert set(model.state_dict()) == set(names)
    weight = model[1].weight.detach()
    steps = weight / (weight.abs().amax(1, keepdim=True) / 127)
    assert torch.allclose(steps, steps.round(), atol=1e-3)
    assert not torch.equal(front.weight, kept)  # it learned
    assert front.weight.unique().numel() == front.weight.numel()
    assert (model(x) - last).abs().max() > 0  # activations are whole again
    assert (model(x) - last).square().mean() < 0.1 * wanted.square().mean()


def _telling(told: list[str]) -> Progress:
    return lambda what, _done, _total: told.append(what)


def test_recorded_noises_are_mixed_into_what_is_trained_on_and_counted(folder: Path, tmp_path: Path) -> None:
    noisy = recipe(
        (
            'path = "sounds"\n',
            'path = "sounds"\nnoises = { reader = "audio_folders", path = "sounds" }\n'
            "[augment.audio.noise]\nprobability = 1.0\nbabble = 0.0\npool = 1.0\n",
        )
    )
    read = load_data(noisy, folder)
    assert read.noises["audio"].shape == (36, 48_000)
    counts: Counter[str] = Counter()
    sampler(noisy, read, noisy.student.training, counts)(np.random.default_rng(0), 32)
    assert counts["audio.noise.pool"] == counts["audio.noise"] > 0
    assert not load_data(noisy, folder, extra=False).noises
    write_data(tmp_path)
    (tmp_path / "esc10" / "rain").mkdir(parents=True)
    shutil.copy(tmp_path / "sounds" / "red" / "0.wav", tmp_path / "esc10" / "rain" / "1-0.wav")
    usual = recipe(('path = "sounds"\n', 'path = "sounds"\nnoises = { reader = "esc10" }\n'))
    assert len(load_data(usual, tmp_path).noises["audio"]) == 1  # where it looks by itself
    wrong = recipe(('path = "pictures"\n', 'path = "pictures"\nnoises = { reader = "audio_folders" }\n'))
    with pytest.raises(CompileError, match=r"modalities\.vision\.noises: only sound has noises"):
        load_data(wrong, folder)


modalities = st.integers(1, 4)
tokens_of = st.lists(st.integers(1, 3), min_size=4, max_size=4)


@given(st.sampled_from(sorted(FUSIONS)), modalities, tokens_of, st.integers(0, 10**6), st.sampled_from([1.0, 1e3]))
@settings(max_examples=60)
def test_what_is_absent_does_not_matter(kind: str, senses: int, counts: list[int], seed: int, size: float) -> None:
    torch.manual_seed(seed)
    own = {f"sense{i}": counts[i] for i in range(senses)}
    fusion = build_fusion(kind, own, 8, {"depth": 1, "heads": 2}).eval()
    presence = (torch.rand(5, senses) < 0.5).float()
    presence[0] = 0  # nothing at all
    tokens = [torch.randn(5, count, 8) for count in own.values()]
    changed = [
        torch.where(presence[:, i, None, None] > 0, made, size * torch.randn_like(made))
        for i, made in enumerate(tokens)
    ]
    with torch.no_grad():
        state, other = fusion(tokens, presence), fusion(changed, presence)
        alike = fusion(tokens, torch.zeros(5, senses))
    assert state.shape == (5, 8)
    assert bool(torch.isfinite(state).all())
    assert torch.allclose(state, other, atol=1e-6)
    assert torch.allclose(alike, alike[:1].expand(5, -1), atol=1e-6)  # with nothing there is one answer: the prior
    assert torch.allclose(alike[0], state[0], atol=1e-6)


def test_a_fusion_that_does_not_exist_is_named_beside_those_that_do() -> None:
    with pytest.raises(CompileError, match=r"fusion 'early'.*cross.*late.*unified"):
        build_fusion("early", {"vision": 1}, 8, {})
