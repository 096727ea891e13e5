"""A trained model in a session: any sense may be missing, fail, or give rubbish, and the others still answer."""

import subprocess
import sys
from collections.abc import Sequence
from math import log
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.edge.tiny_model import GAIN, LABELS, PRIOR, write_bundle

from sensorium import fallback
from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium.capture import SourceChanged
from sensorium.clock import NS_PER_MS, NS_PER_S
from sensorium.core import Core, CoreSettings, events, jobs
from sensorium.encoders import FAILING, attempt
from sensorium.errors import BundleError
from sensorium.events import Candidate, Event, Fault, HealthChanged, Percept, Reply, to_json
from sensorium.evidence import Evidence, Phrase
from sensorium.health import State
from sensorium.ladder import Rung
from sensorium.learned.fusion import TextScorer
from sensorium.replay import Taken, describe, replay
from sensorium.samples import AudioChunk, Frame, Line, Reading, Sample
from sensorium.session import Parts
from sensorium.source import SourceInfo
from sensorium.steps import Check, Done, Responded, Step, Tick

CHUNK, RATE_HZ = 512, 16_000
CHUNK_NS = CHUNK * NS_PER_S // RATE_HZ
FRAME_NS = 40 * NS_PER_MS


def opened(folder: Path, *, look_for: Sequence[str] = (), **options: object) -> Parts:
    write_bundle(folder, **options)  # type: ignore[arg-type]
    with Bundle(folder) as bundle:
        return assemble(bundle, look_for=look_for, threads=1)


def picture(colour: tuple[int, int, int] = (250, 0, 0), noise: int = 0) -> NDArray[np.uint8]:
    """Striped, so that it is not covered."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, ::2] = image[:, 1::2] = colour
    image[:24] //= 2
    return image + np.random.default_rng(noise).integers(0, 2, image.shape, np.uint8)


def sound(*levels: tuple[float, float], seed: int = 0) -> NDArray[np.float32]:
    """Noise of these lengths [s] and levels."""
    made = [np.random.default_rng(seed).normal(0, level, round(s * RATE_HZ)) for s, level in levels]
    return np.concatenate(made).astype(np.float32)


def chunks(heard: NDArray[np.float32], start_ns: int = 0) -> list[Sample]:
    whole = heard[: len(heard) // CHUNK * CHUNK].reshape(-1, CHUNK)
    return [AudioChunk(start_ns + n * CHUNK_NS, n, piece, RATE_HZ) for n, piece in enumerate(whole)]


SPOKEN = sound((0.5, 1e-3), (0.4, 0.2), (0.5, 1e-3))


class Run:
    """A core with its encoders, driven by hand, that keeps what it took."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.settings = CoreSettings(modalities=("vision", "audio", "text", "touch"), look_for=parts.look_for)
        self._core = Core(self.settings, parts.fusion)
        self.taken: list[Taken] = []
        self.told: list[Event] = []
        self.now_ns = 0
        self.variant = ""  # that looks and listens
        for modality, period_ns in (("vision", FRAME_NS), ("audio", CHUNK_NS), ("text", 0), ("touch", 0)):
            self.step(SourceChanged(modality, "open", info=SourceInfo(modality, period_ns)))

    def step(self, step: Step) -> None:
        self.taken.append(Taken(self.now_ns, message=describe(step)))
        self._handle(step)

    def feed(self, modality: str, samples: Sequence[Sample]) -> None:
        for sample in samples:
            self.now_ns = max(self.now_ns, sample.captured_ns)
            self.taken.append(Taken(self.now_ns, modality, sample, self.variant))
            self._handle(attempt(self.parts.encoders[modality], sample, self.variant))

    def see(self, image: NDArray[np.uint8], count: int = 1) -> None:
        self.feed("vision", [Frame(self.now_ns + n * FRAME_NS, n, image, still=True) for n in range(count)])

    def hear(self, heard: NDArray[np.float32]) -> None:
        self.feed("audio", chunks(heard, self.now_ns))

    def percept(self, after_ns: int = NS_PER_MS) -> Percept:
        self.now_ns += after_ns
        self.step(Tick(self.now_ns))
        (found,) = [e for e in self.told if isinstance(e, Percept)][-1:]
        return found

    def _handle(self, step: Step) -> None:
        effects = self._core.handle(step, self.now_ns)
        self.told += events(effects)
        for job in jobs(effects):
            self.step(Done(job.id, self.parts.workshop.run(job)))


def best(candidates: Sequence[Candidate]) -> Candidate:
    return candidates[0]


def faults(run: Run) -> list[Fault]:
    return [e for e in run.told if isinstance(e, Fault)]


def test_with_nothing_sensed_the_answer_is_the_prior(tmp_path: Path) -> None:
    candidates = Run(opened(tmp_path)).percept().candidates
    odds = np.exp(PRIOR) / np.exp(PRIOR).sum()
    assert [c.text for c in candidates] == list(LABELS)
    np.testing.assert_allclose([c.probability for c in candidates], odds, rtol=1e-5)
    assert all(c.contributions == {} for c in candidates)


def test_either_sense_alone_answers_and_both_together_say_what_each_added(tmp_path: Path) -> None:
    parts = opened(tmp_path)
    seen = Run(parts)
    seen.see(picture())
    told = best(seen.percept().candidates)
    assert told.text == "red"
    assert set(told.contributions) == {"vision"}
    assert told.contributions["vision"] > 1

    heard = Run(opened(tmp_path))
    heard.hear(SPOKEN)
    told = best(heard.percept().candidates)
    assert told.text == "blue"
    assert set(told.contributions) == {"audio"}

    both = Run(opened(tmp_path))
    both.hear(SPOKEN)
    both.see(picture((0, 0, 250)))
    by_text = {c.text: c for c in both.percept().candidates}
    assert by_text["blue"].probability > heard.percept().candidates[0].probability
    assert by_text["blue"].contributions["vision"] > 0 < by_text["blue"].contributions["audio"]
    assert by_text["red"].contributions["vision"] < 0 > by_text["red"].contributions["audio"]


def test_a_contribution_is_the_change_of_log_odds_when_the_sense_is_left_out(tmp_path: Path) -> None:
    run = Run(opened(tmp_path, modalities=("touch", "text")))
    run.feed("touch", [Reading(n * 50 * NS_PER_MS, n, np.array([0.5, 0, 0], np.float32)) for n in range(2)])
    run.feed("text", [Line(run.now_ns, 0, "what colour is blue")])
    told = {c.text: c for c in run.percept().candidates}
    all_there = np.array(PRIOR) + GAIN * np.array([0.5, 0, 1])
    no_touch = np.array(PRIOR) + GAIN * np.array([0, 0, 1])
    change = _log_odds(all_there)[0] - _log_odds(no_touch)[0]
    assert told["red"].contributions["touch"] == pytest.approx(change, rel=1e-4)


def test_the_temperature_of_a_subset_makes_its_probabilities_softer(tmp_path: Path) -> None:
    sharp = Run(opened(tmp_path / "a"))
    soft = Run(opened(tmp_path / "b", config={"temperature": {"vision": 4.0}}))
    for run in (sharp, soft):
        run.see(picture())
    assert best(soft.percept().candidates).probability < best(sharp.percept().candidates).probability
    for run in (sharp, soft):
        run.hear(SPOKEN)
        run.see(picture())
    assert best(soft.percept().candidates).probability == best(sharp.percept().candidates).probability


@pytest.mark.parametrize("how", ["raises", "nan"])
def test_a_sense_whose_graph_fails_is_degraded_and_told_and_the_other_answers(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fallback, "_installed", lambda name: name == "onnxruntime")  # nothing else executes it
    run = Run(opened(tmp_path, broken={"vision": how}))
    run.hear(SPOKEN)
    run.see(picture(), 3)
    percept = run.percept()
    assert (percept.senses["vision"].state, percept.senses["vision"].reason) == (State.DEGRADED, FAILING)
    assert not percept.senses["vision"].evidence
    assert set(best(percept.candidates).contributions) == {"audio"}
    (fault,) = faults(run)
    assert fault.where == "vision"
    assert fault.reason.startswith("model: BackendError:")


def test_a_fusion_that_fails_is_told_once_and_the_session_goes_on(tmp_path: Path) -> None:
    run = Run(opened(tmp_path, broken={"fusion": "nan"}))
    run.see(picture())
    assert [run.percept().candidates for _ in range(5)] == [()] * 5
    (fault,) = faults(run)
    assert fault.where == "fusion"
    assert "vision present" in fault.reason


def test_evidence_that_is_too_old_counts_no_more(tmp_path: Path) -> None:
    run = Run(opened(tmp_path, config={"lasts_s": {"audio": 1.0}}))
    run.hear(SPOKEN)
    assert best(run.percept().candidates).contributions
    run.hear(sound((1.2, 1e-3)))
    percept = run.percept()
    assert best(percept.candidates).contributions == {}
    assert not percept.senses["audio"].evidence


def test_a_dark_picture_and_a_lost_camera_are_missing_and_come_back(tmp_path: Path) -> None:
    run = Run(opened(tmp_path))
    run.see(picture(), 3)
    assert best(run.percept().candidates).contributions
    run.see(np.zeros((48, 64, 3), np.uint8), 10)
    percept = run.percept()
    assert (percept.senses["vision"].reason, best(percept.candidates).contributions) == ("dark", {})
    run.see(picture(), 10)
    assert best(run.percept().candidates).contributions
    run.step(SourceChanged("vision", "lost", "unplugged"))
    assert best(run.percept().candidates).contributions == {}


def test_a_tick_without_new_evidence_runs_no_graph(tmp_path: Path) -> None:
    parts = opened(tmp_path)
    run = Run(parts)
    run.see(picture(), 2)
    first = run.percept().candidates
    fusion = parts.fusion
    fusion._graph.run = None  # type: ignore[union-attr]
    run.see(picture(noise=1))
    assert run.percept().candidates == first


def test_the_same_samples_replayed_give_the_same_events_to_the_byte(tmp_path: Path) -> None:
    run = Run(opened(tmp_path / "a", modalities=("vision", "audio", "text"), broken={"text": "raises"}))
    for n in range(4):
        run.see(picture((250, 0, 0) if n % 2 else (0, 250, 0), n))
        run.hear(sound((0.3, 1e-3), (0.3, 0.1 * n), (0.4, 1e-3), seed=n))
        run.feed("text", [Line(run.now_ns, n, "red or blue?")])
        run.percept()
        run.step(Check())
    again = replay(
        run.settings,
        run.taken,
        opened(tmp_path / "b", modalities=("vision", "audio", "text"), broken={"text": "raises"}),
    )
    assert [to_json(e) for e in again] == [to_json(e) for e in run.told]
    assert any(e.candidates and e.candidates[0].contributions for e in run.told if isinstance(e, Percept))


def test_a_question_is_answered_by_the_model_that_was_made_for_it(tmp_path: Path) -> None:
    run = Run(opened(tmp_path, modalities=("vision", "text"), config={"answers": True}))
    run.see(picture())
    run.feed("text", [Line(run.now_ns, 0, "what colour?")])
    (reply,) = [e for e in run.told if isinstance(e, Reply)]
    assert (reply.text, reply.because) == ("Red.", ("vision", "text"))
    blind = Run(opened(tmp_path, modalities=("vision", "text"), config={"answers": True}))
    blind.feed("text", [Line(0, 0, "what do you see?")])
    (reply,) = [e for e in blind.told if isinstance(e, Reply)]
    assert reply.text.startswith("I have no camera")


def test_a_model_whose_answer_fails_leaves_the_question_to_the_rules(tmp_path: Path) -> None:
    parts = opened(tmp_path, modalities=("vision", "text"), broken={"fusion": "nan"}, config={"answers": True})
    run = Run(parts)
    run.feed("text", [Line(0, 0, "hello")])
    (reply,) = [e for e in run.told if isinstance(e, Reply)]
    assert reply.text.startswith("Hello")
    assert isinstance(parts.workshop.run(_asked(run)), Responded)


def test_only_what_is_looked_for_is_told_where_the_model_knows_it(tmp_path: Path) -> None:
    run = Run(opened(tmp_path / "a", look_for=("blue", "red")))
    assert sorted(c.text for c in run.percept().candidates) == ["blue", "red"]
    run = Run(opened(tmp_path / "b", look_for=("a cat", "a dog", "a cow")))
    assert sorted(c.text for c in run.percept().candidates) == sorted(LABELS)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"temperature": {"smell": 1.0}}, "no subset 'smell'; known: audio, none, vision, vision\\+audio"),
        ({"lasts_s": {"smell": 1.0}}, "no modality 'smell'"),
        ({"answers": True}, "needs a modality of kind text"),
        ({"heads": {"colour": {"kind": "boxes"}}}, "heads.colour"),
        ({"heads": {"shape": {"kind": "classes", "labels": ["a", "b"]}}}, "the model has heads \\['shape'\\]"),
        ({"modalities": {"vision": {"kind": "image", "height": 9, "width": 8}}}, "vision graph takes float32"),
        (
            {"modalities": {"vision": {"kind": "image", "height": 8, "width": 8}}},
            "the fusion graph takes \\['audio', 'presence', 'vision'\\]",
        ),
    ],
)
def test_settings_that_do_not_fit_the_graphs_are_refused_with_what_is_wrong(
    tmp_path: Path, config: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        opened(tmp_path, config=config)


def test_running_a_learned_model_never_imports_torch(tmp_path: Path) -> None:
    write_bundle(tmp_path, ("vision", "audio", "text", "touch"))
    code = f"""
import sys
from sensorium import Bundle, assemble
with Bundle({str(tmp_path)!r}) as bundle:
    parts = assemble(bundle)
parts.fusion.fuse((), 0, 3)
assert not {{"torch", "sensorium_compile", "sensorium_devices"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def _asked(run: Run):  # type: ignore[no-untyped-def]
    from sensorium.scene import Scene
    from sensorium.steps import Respond

    return Respond(-1, "hello", Scene(0, {}), 0)


def _log_odds(logits: NDArray[np.float64]) -> list[float]:
    p = np.exp(logits) / np.exp(logits).sum()
    return [log(x / (1 - x)) for x in p]


def test_texts_are_scored_by_cosine_against_each_other_or_each_by_itself() -> None:
    vectors = np.eye(3, dtype=np.float32)[:2]
    output = np.array([0.8, 0.6, 0], np.float32)
    among = TextScorer(("a cat", "a dog"), vectors, 10.0, None).probabilities(output, 1.0)
    assert among.sum() == pytest.approx(1)
    assert among[0] == pytest.approx(1 / (1 + np.exp(-2)))
    alone = TextScorer(("a cat", "a dog"), vectors, 10.0, -7.0).probabilities(output, 1.0)
    np.testing.assert_allclose(alone, [1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))], rtol=1e-5)


def test_a_question_said_aloud_is_the_models_text_where_it_is_newer_than_what_was_typed(tmp_path: Path) -> None:
    fusion = opened(tmp_path, modalities=("vision", "text")).fusion
    assert fusion is not None
    said = Evidence("audio", (Phrase("is it blue", kind="share"),), 2 * NS_PER_S, sense="speech")
    told = best(fusion.fuse((said,), 2 * NS_PER_S, 3))
    assert (told.text, set(told.contributions)) == ("blue", {"text"})
    run = Run(opened(tmp_path, modalities=("vision", "text")))
    encoder = run.parts.encoders["text"]
    (typed,) = attempt(encoder, Line(3 * NS_PER_S, 0, "is it green")).evidence
    assert best(fusion.fuse((said, typed), 3 * NS_PER_S, 3)).text == "green"


def test_a_variant_looks_where_the_rung_says_so_and_is_replayed_to_the_byte(tmp_path: Path) -> None:
    parts = opened(tmp_path, small=True)
    assert parts.variants == ("small",)
    run, sure = Run(parts), []
    for n, variant in enumerate(("", "small", "no such variant", "")):
        run.variant = variant
        run.see(picture(noise=n), 3)
        sure.append(best(run.percept().candidates))
    changes = [told.contributions["vision"] for told in sure]
    assert 0 < changes[1] < 0.6 * changes[0]
    assert changes[2:] == pytest.approx([changes[0]] * 2, rel=0.01)
    again = replay(run.settings, run.taken, opened(tmp_path, small=True))
    assert [to_json(event) for event in again] == [to_json(event) for event in run.told]


def test_a_dark_picture_stays_dark_when_the_variant_changes(tmp_path: Path) -> None:
    run = Run(opened(tmp_path, small=True))
    run.see(np.zeros((48, 64, 3), np.uint8), 10)
    run.variant = "small"
    run.see(np.zeros((48, 64, 3), np.uint8), 10)
    states = [event.state for event in run.told if isinstance(event, HealthChanged) and event.modality == "vision"]
    assert states == [State.LIVE, State.DEGRADED]


def test_only_the_graphs_that_differ_are_opened_for_a_variant(tmp_path: Path) -> None:
    parts = opened(tmp_path, small=True)
    assert [name for name in parts.backends if name.startswith("model-small/")] == ["model-small/vision"]


def test_a_bundle_may_have_its_own_ladder(tmp_path: Path) -> None:
    rungs = [{"name": "all"}, {"name": "less", "enter": {"failures": 1}, "leave": {"failures": 1}}]
    with pytest.raises(BundleError, match=r"part ladder: 'less': leave\.failures must be below enter\.failures 1"):
        opened(tmp_path / "bad", ladder={"rung": rungs})
    ladder = opened(tmp_path / "good", ladder={"rung": rungs[:1]}).ladder
    assert ladder == (Rung("all"),)
