"""Readers, on folders that the tests write; and on the real sets where SENSORIUM_DATA names their folder."""

import json
import os
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from sensorium.inputs import ImageInput, InputSpec, ReadingsInput, SoundInput, TextInput
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.readers import Options, find_reader, reader_names, register_reader
from sensorium_compile.data.readers.coco import photos
from sensorium_compile.data.readers.easy_vqa import load_answers
from sensorium_compile.data.readers.sequence import sequence_groups
from sensorium_compile.data.told import Told
from sensorium_compile.data.vocabulary import load_tokenizer, load_vocabulary
from sensorium_compile.errors import CompileError

PICTURE, SOUND = ImageInput(height=16, width=16), SoundInput(samples=4000)
DIGITS = tuple(map(str, range(10)))
TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "the", "shape", "?", "blue")


def read(name: str, data: Path, spec: InputSpec, labels: tuple[str, ...] = (), **values: object) -> Pool:
    return find_reader(name)(data, spec, labels, Options(values))


def picture(path: Path, value: int = 100, side: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(value).integers(0, 80, (side, side, 3))
    cv2.imwrite(str(path), (noise + value).astype(np.uint8))


def sound(path: Path, seconds: float = 0.3, rate_hz: int = 8000, hz: float = 440.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tone = 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate_hz)) / rate_hz)
    soundfile.write(path, tone.astype(np.float32), rate_hz)


def test_pictures_are_stored_at_the_size_of_the_spec_with_their_folder_as_label(tmp_path: Path) -> None:
    picture(tmp_path / "set" / "cat" / "1.png")
    picture(tmp_path / "set" / "dog" / "2.jpg", 50)
    pool = read("image_folders", tmp_path, PICTURE, ("dog", "cat"), path="set")
    assert pool.samples.shape == (2, 16, 16, 3)
    assert pool.samples.dtype == np.uint8
    assert pool.names == ("cat/1.png", "dog/2.jpg")
    assert pool.labels.tolist() == [1, 0]


def test_the_data_folder_may_be_the_set_itself(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    assert len(read("image_folders", tmp_path, PICTURE, ("cat",), path="set")) == 1


def test_folders_may_be_called_otherwise_than_labels(tmp_path: Path) -> None:
    picture(tmp_path / "n01" / "1.png")
    assert read("image_folders", tmp_path, PICTURE, ("a cat",), folders=["n01"]).labels.tolist() == [0]
    with pytest.raises(CompileError, match="2 folders for 1 labels"):
        read("image_folders", tmp_path, PICTURE, ("a cat",), folders=["n01", "n02"])


def test_a_folder_that_is_not_there_is_told_with_the_layout_that_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"sign_digits is not there: a folder laid out as 0/\*"):
        read("image_folders", tmp_path, PICTURE, DIGITS, path="sign_digits")
    with pytest.raises(CompileError, match=r"no data folder .*--data"):
        read("fsdd", tmp_path / "nowhere", SOUND, DIGITS)
    with pytest.raises(CompileError, match="DIGIT_SPEAKER_INDEX"):
        read("fsdd", tmp_path, SOUND, DIGITS)
    with pytest.raises(CompileError, match=r"questions\.json"):
        read("easy_vqa", tmp_path, PICTURE)


def test_a_label_without_a_folder_is_an_error_and_a_folder_without_a_label_is_counted(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    picture(tmp_path / "cow" / "2.png")
    with pytest.raises(CompileError, match="no folder for dog"):
        read("image_folders", tmp_path, PICTURE, ("cat", "dog"))
    told = Told()
    find_reader("image_folders")(tmp_path, PICTURE, ("cat",), Options({}, told))
    assert told.counts.found == {"label unknown": ["cow/2.png"]}


def test_what_cannot_be_read_is_counted_and_left_out(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    (tmp_path / "cat" / "2.png").write_bytes(b"no picture")
    seen: list[tuple[str, int, int]] = []
    told = Told(lambda *step: seen.append(step))
    pool = find_reader("image_folders")(tmp_path, PICTURE, ("cat",), Options({}, told))
    assert pool.names == ("cat/1.png",)
    assert told.counts.count("unreadable") == 1
    assert "1 unreadable (cat/2.png: " in str(told.counts)
    assert seen[-1] == ("pictures", 2, 2)


def test_a_set_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "2.png").write_bytes(b"no picture")
    with pytest.raises(CompileError, match="none of the 1 pictures can be read"):
        read("image_folders", tmp_path, PICTURE, ("cat",))


def test_a_key_that_a_reader_does_not_have_is_told_with_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"data: no key 'grouping'; known there: path, folders, group"):
        read("image_folders", tmp_path, PICTURE, grouping="sequence")


def test_a_spec_of_another_kind_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "cat" / "1.png")
    with pytest.raises(CompileError, match="image_folders reads single pictures; the model's input is of kind sound"):
        read("image_folders", tmp_path, SOUND, ("cat",))


def test_spoken_digits_are_resampled_and_grouped_by_speaker(tmp_path: Path) -> None:
    sound(tmp_path / "fsdd" / "7_jackson_0.wav")
    sound(tmp_path / "fsdd" / "0_theo_11.wav", seconds=0.1)
    pool = read("fsdd", tmp_path, SOUND, DIGITS)
    assert pool.names == ("0_theo_11.wav", "7_jackson_0.wav")
    assert pool.labels.tolist() == [0, 7]
    assert pool.groups == ("theo", "jackson")
    assert pool.samples.shape == (2, 4000)
    assert pool.samples.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(pool.samples[1]))
    assert abs(spectrum.argmax() * 16000 / 4000 - 440) < 8


def test_environmental_sounds_are_grouped_by_fold(tmp_path: Path) -> None:
    for name in ("1-100-A.wav", "4-7-B.wav"):
        sound(tmp_path / "rain" / name, 0.4, 16000)
    pool = read("esc10", tmp_path, SOUND, ("rain",))
    assert pool.groups == ("1", "4")


def test_long_sound_is_cut_into_stretches_where_a_stride_is_given(tmp_path: Path) -> None:
    sound(tmp_path / "rain" / "a.wav", 1.0, 16000)
    pool = read("audio_folders", tmp_path, SOUND, ("rain",), stride_s=0.25)
    assert pool.names == tuple(f"rain/a.wav@{s:g}s" for s in (0, 0.25, 0.5, 0.75))
    with pytest.raises(CompileError, match="one group in parentheses"):
        read("audio_folders", tmp_path, SOUND, ("rain",), group="abc")


def write_vqa(folder: Path) -> None:
    for number in range(3):
        picture(folder / "train" / "images" / f"{number}.png", 10 * number)
    questions = [["what is the shape?", "circle", 2], ["is the shape blue?", "no", 0], ["what is blue?", "mauve", 1]]
    (folder / "train" / "questions.json").write_text(json.dumps(questions))
    (folder / "answers.txt").write_text("circle\nno\n")
    (folder / "vocab.txt").write_text("\n".join(TOKENS) + "\n")


def test_questions_and_pictures_of_easy_vqa_share_groups(tmp_path: Path) -> None:
    write_vqa(tmp_path / "easy_vqa")
    answers = load_answers(tmp_path)
    assert answers == ("circle", "no")
    told = Told()
    vocabulary = str(tmp_path / "easy_vqa" / "vocab.txt")
    asked = find_reader("easy_vqa")(tmp_path, TextInput(tokens=8), answers, Options({"vocabulary": vocabulary}, told))
    seen = read("easy_vqa", tmp_path, PICTURE)
    assert asked.groups == ("image2", "image0")
    assert asked.labels.tolist() == [0, 1]
    assert asked.samples[0].tolist() == [2, 5, 6, 7, 8, 9, 3, 0]
    assert seen.groups == ("image0", "image1", "image2")
    assert told.counts.found == {"label unknown": ["question2: mauve"]}


def test_the_part_of_easy_vqa_may_be_the_data_folder(tmp_path: Path) -> None:
    write_vqa(tmp_path)
    assert len(read("easy_vqa", tmp_path / "train", PICTURE)) == 3
    assert len(read("easy_vqa", tmp_path, PICTURE)) == 3
    with pytest.raises(CompileError, match="vocabulary"):
        read("easy_vqa", tmp_path, TextInput(tokens=8))


def test_a_vocabulary_is_read_from_both_kinds_of_file(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(json.dumps({"model": {"vocab": {t: i for i, t in enumerate(TOKENS)}}}))
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENS))
    assert load_vocabulary(tmp_path / "tokenizer.json") == load_vocabulary(tmp_path / "vocab.txt") == TOKENS
    (tmp_path / "other.txt").write_text("a\nb\n")
    with pytest.raises(CompileError, match="it is no BERT vocabulary"):
        load_tokenizer(tmp_path / "other.txt")


def test_sessions_are_cut_into_windows_of_the_columns_asked_for(tmp_path: Path) -> None:
    (tmp_path / "kiwi").mkdir()
    rows = "\n".join(f"{i},{i * 2},{i * 3}" for i in range(20))
    (tmp_path / "kiwi" / "a.csv").write_text(f"CO,LPG,T\n{rows}\n")
    spec = ReadingsInput(channels=2, window=8, period_ms=100)
    pool = read("csv_sessions", tmp_path, spec, ("kiwi",), columns=["T", "CO"], stride=6, skip=2)
    assert pool.names == ("kiwi/a.csv@0", "kiwi/a.csv@6")
    assert pool.groups == ("kiwi/a.csv", "kiwi/a.csv")
    assert pool.samples[0, 0].tolist() == [6.0, 2.0]
    assert read("csv_sessions", tmp_path, spec, ("kiwi",), columns=["T", "CO"]).samples[0, -1].tolist() == [57.0, 19.0]
    with pytest.raises(CompileError, match=r"none of the 1 sessions .*unreadable.*its header is CO, LPG, T"):
        read("csv_sessions", tmp_path, spec, ("kiwi",), columns=["NO2", "CO"])


def test_coco_photos_are_chosen_by_split_and_licence(tmp_path: Path) -> None:
    known = {
        "1": {"split": "val2017", "boxes": [[3, 0.5, 0.5, 0.2, 0.2], [7, 0.5, 0.5, 0.9, 0.9]], "licence": "x/by/2.0"},
        "2": {"split": "val2017", "captions": ["a cat"], "licence": "x/by-nc/2.0"},
        "3": {"split": "train2017"},
    }
    (tmp_path / "labels.json").write_text(json.dumps(known))
    for name, photo in known.items():
        picture(tmp_path / str(photo["split"]) / f"{name}.jpg")
    assert read("coco", tmp_path, PICTURE, split="val2017").names == ("val2017/1.jpg", "val2017/2.jpg")
    pool = read("coco", tmp_path, PICTURE, tuple("abcdefghij"), licences=["/by/"])
    assert pool.names == ("val2017/1.jpg",)
    assert pool.labels.tolist() == [7]
    assert photos(tmp_path)[1]["2"].captions == ("a cat",)


def test_a_person_begins_where_the_label_falls_or_the_numbers_jump() -> None:
    labels = [0, 1, 2, 3, 0, 1, 2, 3, 2, 3]
    numbers = [10, 11, 12, 13, 14, 15, 16, 17, 40, 41]
    names = [f"{label}/IMG_{number}.jpg" for label, number in zip(labels, numbers, strict=True)]
    assert sequence_groups(names, labels, 4) == ("run0000",) * 4 + ("run0001",) * 4 + ("run0002",) * 2
    shuffled = np.random.default_rng(0).permutation(10)
    groups = sequence_groups([names[i] for i in shuffled], [labels[i] for i in shuffled], 4)
    assert groups == tuple(sequence_groups(names, labels, 4)[i] for i in shuffled)


def test_a_photo_taken_twice_or_two_exchanged_do_not_cut_a_person() -> None:
    labels = [0, 1, 1, 3, 2, 4, 5, 6, 8, 7, 9, 0, 1]
    names = [f"IMG_{100 + i}.jpg" for i in range(len(labels))]
    assert sequence_groups(names, labels, 10) == ("run0000",) * 11 + ("run0001",) * 2
    assert sequence_groups(["a/hand.jpg"], [0], 10) == ("unnumbered",)


def test_a_plugin_registers_a_reader_under_a_name_of_its_own() -> None:
    def mine(folder: Path, spec: InputSpec, labels: object, options: Options) -> Pool:
        raise CompileError("mine")

    register_reader("test_only", mine)
    register_reader("test_only", mine)
    assert find_reader("test_only") is mine
    with pytest.raises(CompileError, match="there is a reader 'fsdd' already"):
        register_reader("fsdd", mine)
    with pytest.raises(CompileError, match=r"no reader 'fsd'; known: .*fsdd"):
        find_reader("fsd")
    assert "options" not in reader_names()


@pytest.fixture
def real() -> Path:
    folder = os.environ.get("SENSORIUM_DATA")
    if not folder:
        pytest.skip("SENSORIUM_DATA does not name the folder of the real sets")
    return Path(folder)


def test_photos_of_sign_digits_are_of_persons_with_each_digit_about_once(real: Path) -> None:
    pool = read("image_folders", real, PICTURE, DIGITS, path="sign_digits", group="sequence")
    sizes = Counter(pool.groups).values()
    assert sum(9 <= size <= 11 for size in sizes) > 0.9 * len(sizes)
    assert max(sizes) <= 20


def test_spoken_digits_have_ten_labels_of_each_speaker(real: Path) -> None:
    pool = read("fsdd", real, SoundInput(samples=16000), DIGITS)
    assert len(set(zip(pool.groups, pool.labels.tolist(), strict=True))) == 10 * len(set(pool.groups))
