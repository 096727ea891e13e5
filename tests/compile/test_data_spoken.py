"""Words spoken by synthetic voices: what is said, by whom, where it is kept; by a tiny model and by the real one."""

import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import onnx.parser
import pytest

from sensorium.inputs import ImageInput, SoundInput
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers import Options, find_reader
from sensorium_compile.data.readers.spoken import speak
from sensorium_compile.data.speakers import kokoro
from sensorium_compile.data.speakers.clips import Clip, choose, trimmed
from sensorium_compile.data.speakers.pronunciation import AMERICAN, BRITISH, Pronunciation
from sensorium_compile.data.told import Told
from sensorium_compile.errors import CompileError
from sensorium_compile.zoo import Entry, Weights

SPEC = SoundInput(samples=8000)
LABELS = ("one", "two")
# 0.1 s of a tone for each number of a phoneme, at the speed; its pitch is the voice's.
MODEL = """
<ir_version: 10, opset_import: ["" : 20]>
voice (int64[1, n] tokens, float[1, 256] style, float[1] speed) => (float[samples] audio)
<float four = {4}, float frame = {600}, int64 zero = {0}, int64 step = {1}>
{
    long = Div(four, speed)
    one = Round(long)
    shape = Shape(tokens)
    durations = Expand(one, shape)
    frames = ReduceSum<keepdims = 0>(durations)
    many = Mul(frames, frame)
    samples = Cast<to = 7>(many)
    t = Range(zero, samples, step)
    t_f = Cast<to = 1>(t)
    pitches = Squeeze(style)
    pitch = ReduceMax<keepdims = 0>(pitches)
    angle = Mul(t_f, pitch)
    audio = Sin(angle)
}
"""
BOOKS = {
    "misaki-us-gold": {
        "one": "wˈʌn",
        "two": "tˈu",
        "four": "fˈɔɹ",
        "the": {"DEFAULT": "ðə", "None": "ði"},
        "TV": "tˌivˈi",
    },
    "misaki-us-silver": {"one": "wrong", "lights": "lˈIts"},
    "misaki-gb-gold": {"one": "wˈʌn", "two": "tˈuː", "four": "fˈɔː"},
    "misaki-gb-silver": {},
}
VOICES = {"af_ann": 0.1, "bm_bob": 0.05, "zf_chen": 0.15}


def letters() -> bytes:
    """A network that guesses that every word is nothing but AH0."""
    shapes = {"fc_w": (74, 256), "fc_b": (74,), "enc_emb": (29, 256), "dec_emb": (74, 256)}
    for side in ("enc", "dec"):
        shapes |= {
            f"{side}_w_ih": (768, 256),
            f"{side}_w_hh": (768, 256),
            f"{side}_b_ih": (768,),
            f"{side}_b_hh": (768,),
        }
    arrays = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    arrays["fc_b"][4 + 6] = 1.0  # after pad, unknown, start and end: AA0 AA1 AA2 AE0 AE1 AE2 AH0
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def tiny_model() -> bytes:
    model = onnx.parser.parse_model(MODEL)
    for node in model.graph.node:  # the parser knows no name with a slash
        for names in (node.input, node.output):
            names[:] = [kokoro.DURATIONS if name == "durations" else name for name in names]
    return bytes(model.SerializeToString())


def contents() -> dict[str, bytes]:
    model = tiny_model()
    cuts = np.linspace(0, len(model), 5).astype(int)
    files = {name: model[cuts[i] : cuts[i + 1]] for i, name in enumerate(kokoro.MODEL)}
    signs = {sign: number for number, sign in enumerate("wˈʌntufɔɹːðəlIsi ˌv.,WAɛkɜd:", start=1)}
    files |= {kokoro.SIGNS: json.dumps({"vocab": signs}).encode(), "g2p-en": letters()}
    files |= {name: json.dumps(book).encode() for name, book in BOOKS.items()}
    return files | {f"kokoro-{name}": np.full((60, 256), pitch, "<f4").tobytes() for name, pitch in VOICES.items()}


def fake(folder: Path, *, without: str = "nothing") -> Weights:
    """Pulled weights of another zoo with the same names, but for those that begin with ``without``."""
    zoo = []
    for name, content in contents().items():
        role = "speaker" if name.removeprefix("kokoro-") in VOICES else "speaker_model"
        facts = {"name": name, "role": role, "group": ("speakers",), "registry": "pypi", "package": "fake==1"}
        facts |= {"path": f"{name}.bin", "size": len(content), "licence": "MIT"}
        zoo.append(Entry.model_validate(facts | {"sha256": hashlib.sha256(content).hexdigest()}))
    weights = Weights(folder, zoo)
    for entry in zoo:
        if not entry.name.startswith(without):
            weights.place(entry).parent.mkdir(parents=True)
            weights.place(entry).write_bytes(contents()[entry.name])
    return weights


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Weights:
    return fake(tmp_path_factory.mktemp("weights"))


def told(**values: object) -> Options:
    return Options(values, Told())


def test_each_voice_says_each_word_at_each_speed_and_is_a_group(pulled: Weights, tmp_path: Path) -> None:
    pool = speak(pulled, tmp_path, SPEC, LABELS, told(speeds=[1.0, 1.3]))
    assert pool.samples.shape == (12, 8000)
    assert pool.samples.dtype == np.float32
    assert list(pool.labels) == [0] * 6 + [1] * 6
    assert pool.groups == ("af_ann", "af_ann", "bm_bob", "bm_bob", "zf_chen", "zf_chen") * 2
    assert pool.names[:2] == ("one_af_ann_1", "one_af_ann_1.3")
    assert np.abs(pool.samples).max(axis=1).min() > 0.5


def test_the_same_clips_come_from_the_cache_without_any_weights(pulled: Weights, tmp_path: Path) -> None:
    first = speak(pulled, tmp_path / "cache", SPEC, LABELS, told())
    gone = fake(tmp_path / "weights", without="kokoro-")
    again = speak(gone, tmp_path / "cache", SPEC, LABELS, told())
    assert again.names == first.names
    assert np.array_equal(again.samples, first.samples)


def test_spoken_anew_the_samples_are_the_same_in_every_bit(pulled: Weights, tmp_path: Path) -> None:
    pools = [speak(pulled, tmp_path / name, SPEC, LABELS, told()) for name in ("one", "other")]
    assert np.array_equal(pools[0].samples, pools[1].samples)


def test_only_what_is_new_is_spoken(pulled: Weights, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    speak(pulled, tmp_path, SPEC, LABELS, told(speeds=[1.0]))
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}
    heard = Told(lambda what, done, total: steps.append((done, total)) if what == "spoken words" else None)
    speak(pulled, tmp_path, SPEC, LABELS, Options({"speeds": [1.0, 0.8], "words": ["one", ["two", "four"]]}, heard))
    assert steps[-1] == (12, 12)  # one and two at 0.8, four at both, by three voices
    assert len(list(tmp_path.rglob("*.flac"))) == 18
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in made.items())


def test_a_run_that_was_stopped_keeps_what_was_spoken_and_goes_on(pulled: Weights, tmp_path: Path) -> None:
    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        speak(pulled, tmp_path, SPEC, LABELS, Options({}, Told(stop)))
    kept = set(tmp_path.rglob("*.flac"))
    assert kept
    pool = speak(pulled, tmp_path, SPEC, LABELS, told())
    assert len(pool) == 18
    assert kept <= set(tmp_path.rglob("*.flac"))
    assert not list(tmp_path.rglob(".*"))


def test_patterns_choose_voices(pulled: Weights, tmp_path: Path) -> None:
    assert set(speak(pulled, tmp_path, SPEC, LABELS, told(voices=["a*", "?m_*"])).groups) == {"af_ann", "bm_bob"}


def test_at_most_so_many_samples_of_each_label_by_the_seed(pulled: Weights, tmp_path: Path) -> None:
    def drawn(seed: int) -> Pool:
        return speak(pulled, tmp_path, SPEC, LABELS, told(samples=4, seed=seed))

    assert list(np.bincount(drawn(0).labels)) == [4, 4]
    assert drawn(0).names == drawn(0).names
    assert drawn(0).names != drawn(1).names
    assert choose([Clip(0, "one", "wˈʌn.", "af_ann", 1.0)], 0, 0)


def test_a_label_may_be_said_in_several_ways_or_in_none(pulled: Weights, tmp_path: Path) -> None:
    chosen = told(words=["", ["two", "the lights"]], voices=["bm_bob"], speeds=[1.0])
    pool = speak(pulled, tmp_path, SPEC, ("noise", "two"), chosen)
    assert pool.names == ("two_bm_bob_1", "the-lights_bm_bob_1")
    assert list(pool.labels) == [1, 1]


@pytest.mark.parametrize(
    ("text", "accent", "phonemes"),
    [
        ("four", AMERICAN, "fˈɔɹ."),
        ("four", BRITISH, "fˈɔː."),
        ("4", AMERICAN, "fˈɔɹ."),
        ("lights", BRITISH, "lˈIts."),
        ("Two lights", AMERICAN, "tˈu lˈIts."),
        ("the TV", AMERICAN, "ðə tˌivˈi."),
        ("one, two!", AMERICAN, "wˈʌn, tˈu!"),
        ("go", AMERICAN, "gˈO."),
    ],
)
def test_words_are_said_as_the_dictionaries_say(pulled: Weights, text: str, accent: str, phonemes: str) -> None:
    assert Pronunciation(pulled, {"go": "gˈO"})(text, accent) == phonemes


def test_a_word_in_no_dictionary_is_guessed_and_told(pulled: Weights, tmp_path: Path) -> None:
    options = told(words=["one", "zorp"], speeds=[1.0])
    speak(pulled, tmp_path, SPEC, LABELS, options)
    assert "1 word in no dictionary, guessed (zorp: əəə" in str(options.told.counts)


def test_pronunciations_of_the_recipe_need_no_dictionary(tmp_path: Path) -> None:
    weights = fake(tmp_path / "weights", without="misaki-")
    own = {"phonemes": {"one": "wˈʌn", "two": "tˈu"}}
    assert len(speak(weights, tmp_path / "cache", SPEC, LABELS, told(**own))) == 18


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"voices": ["xx_*"]}, r"data voices: no voice 'xx_\*'; known: af_ann, bm_bob, zf_chen"),
        ({"words": ["one"]}, "data words: 1 for 2 labels; give one for each label"),
        ({"words": ["", ""]}, "data words: all are empty"),
        ({"words": ["one", "…"]}, "has no word that can be said"),
        ({"speeds": [9.0]}, r"data: speeds\.0: .*less than or equal to 2"),
        ({"loudness": 3}, "no key 'loudness'; known there: words, phonemes, voices, speeds, samples, seed"),
        ({"phonemes": {"one": "wXn"}}, "the voices know no X .*they know: "),
        ({"phonemes": {"one": "u" * 40}}, "41 phonemes are more than the 34 that can be said at once"),
    ],
)
def test_what_cannot_be_said_is_told(pulled: Weights, tmp_path: Path, values: dict[str, object], said: str) -> None:
    with pytest.raises(CompileError, match=said):
        speak(pulled, tmp_path, SPEC, LABELS, told(**values))


def test_a_recipe_without_labels_and_one_of_pictures_are_refused(pulled: Weights, tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="reader spoken: the recipe has no labels"):
        speak(pulled, tmp_path, SPEC, (), told())
    with pytest.raises(CompileError, match="reader spoken reads sound"):
        speak(pulled, tmp_path, ImageInput(height=32, width=32), LABELS, told())


def test_without_weights_the_reader_says_what_to_pull(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SENSORIUM_CACHE", str(tmp_path / "cache"))
    own = told(phonemes={"one": "wˈʌn", "two": "tˈu"}, voices=["af_heart"])
    for options, more in ((told(), 2), (own, 3)):  # four dictionaries and the letters; the model, its signs and a voice
        said = rf"reader spoken: its voices are not pulled \(.* and {more} more: \d+ MB\); run: sensorium pull speakers"
        with pytest.raises(CompileError, match=said):
            find_reader("spoken")(tmp_path, SPEC, LABELS, options)
    assert not (tmp_path / "cache").exists()


def test_a_damaged_model_is_one_error(tmp_path: Path) -> None:
    weights = fake(tmp_path)
    weights.place(weights.entry("kokoro-2")).write_bytes(b"half")
    with pytest.raises(CompileError, match=r"its voices are not pulled \(kokoro-2: 0 MB\)"):
        speak(weights, tmp_path / "cache", SPEC, LABELS, told())


def test_silence_around_a_word_is_cut_and_soft_ends_stay() -> None:
    silence, tone = np.zeros(8000, np.float32), np.sin(np.arange(4800, dtype=np.float32))
    soft = np.float32(0.05) * tone
    cut = trimmed(np.concatenate([silence, tone, soft, silence]))
    assert 9600 <= len(cut) <= 9600 + 2 * 480 + 160
    assert len(trimmed(silence)) == 0


def test_a_word_is_cut_out_where_it_is_softest_before_it() -> None:
    sentence, word = (np.sin(np.arange(n, dtype=np.float32)) for n in (6000, 4800))
    samples = np.concatenate([sentence, np.zeros(600, np.float32), word])
    begins = (6000 + 600) // kokoro.FRAME + 3  # the sound runs three frames ahead
    cut = kokoro.cut_out(samples, begins)
    assert 4800 <= len(cut) <= 4800 + 600
    assert np.abs(cut[: len(cut) - 4800]).max(initial=0.0) < 1e-6
    assert np.allclose(cut[-4800 + 120 :], word[120:])


def test_the_real_voices_say_digits() -> None:
    weights = Weights()
    names = ("af_heart", "bm_george")
    needed = (*kokoro.entries(names), *Pronunciation(weights, {}).entries(["seven"], [AMERICAN, BRITISH]))
    if missing := weights.missing(needed):
        pytest.skip(f"the voices are not pulled ({', '.join(missing[:3])}, …); run: sensorium pull speakers")
    say_as, model = Pronunciation(weights, {}), kokoro.Kokoro(weights, names)
    assert say_as("7", AMERICAN) == "sˈɛvən."
    assert say_as("4", BRITISH) == "fˈɔː."
    for voice in names:
        slow, fast = (model.say("sˈɛvən.", voice, speed) for speed in (1.0, 1.3))
        assert 0.3 < len(fast) / kokoro.RATE_HZ < len(slow) / kokoro.RATE_HZ < 2.0
        assert 0.05 < np.abs(slow).max() < 1.5
        assert np.array_equal(slow, model.say("sˈɛvən.", voice, 1.0))
        hissed = np.abs(np.diff(np.sign(slow[:1800]))).mean() / 2  # zero crossings of its first 75 ms
        assert hissed > 0.2, "an s comes first, no vowel"
    assert re.fullmatch(r"[0-9a-f]{64}", weights.entry("kokoro-bm_george").sha256)
