"""Splitting, pairing, cleaning."""

from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium_compile.data.clean import clean, leaks
from sensorium_compile.data.examples import Pool
from sensorium_compile.data.pairs import filter_pairs, pair_by_group, pair_by_label
from sensorium_compile.data.split import split_fractions, split_named, split_pool
from sensorium_compile.errors import CompileError

groups_of_rows = st.lists(st.integers(0, 12).map(lambda i: f"person{i}"), min_size=1, max_size=80)


def pool_of(samples: np.ndarray, labels: list[int], groups: list[str] | None = None) -> Pool:
    names = tuple(f"file{i}" for i in range(len(labels)))
    return Pool(samples, np.array(labels, np.int64), tuple(groups or names), names)


def pictures(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (count, 6, 6, 3)).astype(np.uint8)
    return np.stack([cv2.resize(image, (48, 48), interpolation=cv2.INTER_CUBIC) for image in small])


def sounds(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = np.repeat(rng.uniform(0, 1, (count, 40)), 200, axis=1)
    tone = np.sin(2 * np.pi * np.cumsum(np.repeat(rng.uniform(200, 3000, (count, 40)), 200, axis=1), axis=1) / 16000)
    return (0.3 * shape * tone).astype(np.float32)


@given(groups_of_rows, st.integers(0, 5))
def test_no_group_is_in_two_parts_of_a_split_and_every_row_is_in_one(groups: list[str], seed: int) -> None:
    fractions = {"train": 0.6, "check": 0.2, "test": 0.2}
    if len(set(groups)) < 3:
        with pytest.raises(CompileError, match="cannot be split"):
            split_fractions(groups, fractions, seed)
        return
    parts = split_fractions(groups, fractions, seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(groups)))
    seen = [{groups[row] for row in rows} for rows in parts.values()]
    assert all(seen)
    assert sum(map(len, seen)) == len(set(groups))
    again = split_fractions(groups, fractions, seed)
    assert all(np.array_equal(parts[part], again[part]) for part in parts)


def test_parts_have_about_the_shares_asked_for() -> None:
    groups = [f"person{i // 10}" for i in range(1000)]
    parts = split_fractions(groups, {"train": 0.8, "test": 0.2}, 3)
    assert len(parts["test"]) == 200


def test_named_groups_go_where_they_are_named_and_all_others_to_the_rest() -> None:
    groups = ["a", "b", "c", "a"]
    parts = split_named(groups, {"test": ["b"]}, "train")
    assert {name: rows.tolist() for name, rows in parts.items()} == {"train": [0, 2, 3], "test": [1]}
    with pytest.raises(CompileError, match="no group 'd'; known: a, b, c"):
        split_named(groups, {"test": ["d"]}, "train")
    with pytest.raises(CompileError, match="group b is in test and in check"):
        split_named(groups, {"test": ["b"], "check": ["b"]}, "train")
    with pytest.raises(CompileError, match="part train of the split is empty"):
        split_named(groups, {"test": ["a", "b", "c"]}, "train")


def test_a_pair_has_one_label_and_every_sample_of_the_larger_pool_comes_once() -> None:
    vision = pool_of(np.zeros((30, 4, 4, 3), np.uint8), [i % 3 for i in range(30)])
    audio = pool_of(np.zeros((7, 5), np.float32), [0, 0, 1, 1, 1, 2, 3])
    pairs = pair_by_label({"vision": vision, "audio": audio}, seed=1)
    assert (vision.labels[pairs.index["vision"]] == pairs.labels).all()
    assert (audio.labels[pairs.index["audio"]] == pairs.labels).all()
    assert sorted(pairs.index["vision"].tolist()) == list(range(30))
    times = Counter(pairs.index["audio"].tolist())
    assert times[0] == times[1] == 5
    assert 6 not in times


def test_pairs_are_drawn_anew_each_epoch_and_the_same_for_the_same_seed() -> None:
    pools = {name: pool_of(np.zeros((20, 5), np.float32), [i % 2 for i in range(20)]) for name in ("a", "b")}
    first, second, again = (pair_by_label(pools, 1, epoch, 50) for epoch in (0, 1, 0))
    assert len(first) == 50
    assert not np.array_equal(first.index["b"], second.index["b"])
    assert np.array_equal(first.index["b"], again.index["b"])
    with pytest.raises(CompileError, match="no label is in all of a, b"):
        pair_by_label({"a": pools["a"], "b": pool_of(np.zeros((1, 5), np.float32), [7])}, 1)


def test_a_question_is_paired_with_the_picture_of_its_group() -> None:
    asked = pool_of(np.ones((3, 4), np.int64), [0, 1, 0], ["image2", "image0", "image9"])
    seen = pool_of(np.zeros((3, 4, 4, 3), np.uint8), [-1, -1, -1], ["image0", "image1", "image2"])
    pairs = pair_by_group("text", {"vision": seen, "text": asked})
    assert pairs.index["vision"].tolist() == [2, 0, -1]
    assert pairs.labels.tolist() == [0, 1, 0]


def test_pairs_that_match_badly_are_dropped_by_share_or_by_cosine() -> None:
    rng = np.random.default_rng(0)
    first = rng.standard_normal((100, 16)).astype(np.float32)
    second = first + 0.1 * rng.standard_normal((100, 16)).astype(np.float32)
    second[:10] = rng.standard_normal((10, 16))
    kept = filter_pairs(first, second, keep=0.9)
    assert kept.kept.tolist() == list(range(10, 100))
    assert kept.dropped == 10
    assert filter_pairs(first, second, threshold=0.9).kept.tolist() == list(range(10, 100))
    assert len(filter_pairs(first, second, keep=1.0).kept) == 100
    with pytest.raises(CompileError, match="give one of them"):
        filter_pairs(first, second)


def test_blank_pictures_and_silent_sound_are_left_out_and_counted() -> None:
    images = pictures(4)
    images[1] = 200
    made, counts = clean(pool_of(images, [0, 0, 1, 1]))
    assert made.names == ("file0", "file2", "file3")
    assert counts.found == {"blank": ["file1"]}
    heard = sounds(3)
    heard[2] = 1e-5
    assert clean(pool_of(heard, [0, 1, 2]))[1].found == {"silent": ["file2"]}


def test_of_what_is_there_twice_the_first_stays_and_contradictions_go() -> None:
    images = pictures(5)
    images[2], images[4] = images[0], images[3]
    made, counts = clean(pool_of(images, [0, 1, 0, 1, 2]))
    assert made.names == ("file0", "file1")
    assert counts.found == {"duplicate": ["file2 = file0"], "conflicting label": ["file3 = file4"]}


def recompressed(image: np.ndarray) -> np.ndarray:
    louder = np.clip(image.astype(np.float32) * 1.1 - 5, 0, 255).astype(np.uint8)
    cut = cv2.resize(louder[1:-1, 1:-1], image.shape[1::-1])
    return cv2.imdecode(cv2.imencode(".jpg", cut, [cv2.IMWRITE_JPEG_QUALITY, 70])[1], cv2.IMREAD_COLOR)


def test_a_recompressed_copy_is_found_and_another_picture_is_not() -> None:
    images = np.concatenate([pictures(20), recompressed(pictures(20)[7])[None]])
    made, counts = clean(pool_of(images, [0] * 21))
    assert counts.found == {"near duplicate": ["file20 ~ file7"]}
    assert len(made) == 20
    labels = [0] * 20 + [1]
    made, counts = clean(pool_of(images, labels))
    assert len(made) == 21
    assert counts.found == {"conflicting label": ["file7 = file20 (nearly the same; kept)"]}
    assert clean(pool_of(images, [-1] * 21))[1].found == {}


def test_a_noisy_copy_of_a_sound_is_found() -> None:
    heard = sounds(20)
    rng = np.random.default_rng(1)
    copy = 0.5 * np.roll(heard[4], 12) + 0.001 * rng.standard_normal(heard.shape[1]).astype(np.float32)
    _, counts = clean(pool_of(np.concatenate([heard, copy[None]]), [0] * 21))
    assert counts.found == {"near duplicate": ["file20 ~ file4"]}


def test_a_question_may_come_twice() -> None:
    assert clean(pool_of(np.ones((3, 4), np.int64), [0, 0, 0]))[1].found == {}


def test_what_is_on_both_sides_of_a_split_is_told() -> None:
    images = pictures(10)
    near = recompressed(images[3])
    train = pool_of(images[:6], [0] * 6, ["a", "b", "c", "d", "e", "f"])
    test = pool_of(np.stack([images[8], images[1], near]), [0] * 3, ["x", "y", "a"])
    assert leaks(train, test).found == {
        "group on both sides": ["a"],
        "same on both sides": ["file1 = file1"],
        "nearly the same on both sides": ["file2 ~ file3"],
    }
    parts = split_pool(train, split_named(train.groups, {"test": ["a"]}, "train"))
    assert leaks(parts["train"], parts["test"]).found == {}
