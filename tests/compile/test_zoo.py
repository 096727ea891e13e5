"""The zoo as data, and the cache of what was pulled."""

import hashlib
import json
from pathlib import Path

import pytest

from sensorium_compile.zoo import Entry, PullError, Weights, choose, load_zoo

CONTENT = b"weights"
ENTRY = Entry(
    name="small-net",
    role="voice_activity",
    group=("companion",),
    registry="pypi",
    package="small-net==1.2",
    path="small_net/data/net.onnx",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    licence="MIT",
    url="https://example.org",
)
LICENCES = {
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CC-BY-2.0",
    "LicenseRef-Public-Domain",
}


def cached(folder: Path, content: bytes = CONTENT) -> Weights:
    weights = Weights(folder, [ENTRY])
    weights.place(ENTRY).parent.mkdir(parents=True)
    weights.place(ENTRY).write_bytes(content)
    return weights


def test_every_entry_of_the_zoo_may_be_shipped() -> None:
    assert {entry.licence for entry in load_zoo()} <= LICENCES


def test_the_zoo_has_ten_labelled_and_credited_photos() -> None:
    photos = choose(load_zoo(), ["photos"])
    assert len(photos) == 10
    assert all(photo.labels and photo.credit for photo in photos)


def test_recorded_speech_carries_its_transcript() -> None:
    speech = choose(load_zoo(), ["samples"])
    assert speech
    assert all(entry.transcript and entry.credit for entry in speech)


def test_the_companion_group_has_every_role_that_the_companion_bundle_needs() -> None:
    roles = {entry.role for entry in choose(load_zoo(), ["companion"])}
    assert roles >= {
        "recogniser",
        "voice_activity",
        "turn_end",
        "synthesiser",
        "classifier",
        "detector",
        "text_embedder",
    }


def test_names_roles_groups_and_all_choose_each_entry_once_in_the_zoos_order() -> None:
    zoo = load_zoo()
    assert choose(zoo, ["all"]) == tuple(entry for entry in zoo if not entry.apart)
    assert [entry.name for entry in choose(zoo, ["voice_activity", "silero-vad"])] == ["silero-vad"]


def test_what_is_kept_apart_is_pulled_by_name_role_or_group_only() -> None:
    apart = Entry.model_validate(ENTRY.model_dump() | {"name": "large-net", "group": ["speakers"], "apart": True})
    zoo = (ENTRY, apart)
    assert choose(zoo, ["all"]) == (ENTRY,)
    assert choose(zoo, ["speakers"]) == choose(zoo, ["large-net"]) == (apart,)
    assert choose(zoo, ["all", "speakers"]) == zoo


def test_files_alike_are_an_entry_each(tmp_path: Path) -> None:
    shared = ENTRY.model_dump(include={"role", "registry", "package", "size", "licence"})
    lines = "\n".join(f"{key} = {value!r}" for key, value in shared.items())
    files = "\n".join(f'"voices/{name}.bin" = "{letter * 64}"' for name, letter in (("ann", "a"), ("bob", "b")))
    text = f"file = []\n[[alike]]\nprefix = 'voice-'\ngroup = ['speakers']\n{lines}\n[alike.files]\n{files}\n"
    (tmp_path / "zoo.toml").write_text(text)
    ann, bob = load_zoo(tmp_path / "zoo.toml")
    assert (ann.name, ann.path, ann.sha256, ann.package) == ("voice-ann", "voices/ann.bin", "a" * 64, "small-net==1.2")
    assert (bob.name, bob.file_name) == ("voice-bob", "bob.bin")


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(PullError, match=r"no weight, role or group 'smal-net'; known: all, companion, small-net"):
        choose([ENTRY], ["smal-net"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../up"),
        ("path", "../secret"),
        ("path", "/etc/passwd"),
        ("package", "small-net"),
        ("package", "--index-url=http://x==1"),
        ("sha256", "abc"),
        ("size", "-1"),
    ],
)
def test_a_zoo_file_with_an_unsafe_or_unpinned_entry_is_refused(tmp_path: Path, field: str, value: str) -> None:
    facts = ENTRY.model_dump(exclude={"platform", "python"}) | {field: value}
    lines = "\n".join(f"{key} = {json.dumps(value)}" for key, value in facts.items())
    (tmp_path / "zoo.toml").write_text(f"[[file]]\n{lines}\n")
    with pytest.raises(PullError, match=rf"zoo\.toml: file\.0\.{field}"):
        load_zoo(tmp_path / "zoo.toml")


def test_a_zoo_file_that_is_no_toml_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "zoo.toml").write_text("[[file")
    with pytest.raises(PullError, match=r"zoo\.toml cannot be read"):
        load_zoo(tmp_path / "zoo.toml")


def test_a_cached_file_is_handed_out_with_its_origin(tmp_path: Path) -> None:
    weights = cached(tmp_path)
    assert weights.path("small-net").read_bytes() == CONTENT
    assert weights.missing(["small-net"]) == ()
    assert weights.origin("small-net").package == "PyPI small-net==1.2"


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    weights = Weights(tmp_path, [ENTRY])
    assert weights.missing(["small-net"]) == ("small-net",)
    with pytest.raises(PullError, match=r"not here yet .* run: sensorium pull small-net"):
        weights.path("small-net")


@pytest.mark.parametrize("content", [b"weightz", b"", b"weights and more"])
def test_a_damaged_file_is_not_handed_out(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(PullError, match=r"damaged .* run: sensorium pull small-net"):
        cached(tmp_path, content).path("small-net")


def test_a_file_that_was_damaged_after_it_was_checked_is_found_out(tmp_path: Path) -> None:
    weights = cached(tmp_path)
    weights.path("small-net").write_bytes(b"weight")
    assert weights.missing(["small-net"]) == ("small-net",)


def test_a_cache_that_was_moved_still_holds_its_files(tmp_path: Path) -> None:
    cached(tmp_path / "here")
    moved = (tmp_path / "here").rename(tmp_path / "there")
    assert Weights(moved, [ENTRY]).missing(["small-net"]) == ()


def test_the_cache_lies_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    assert Weights().folder == tmp_path / "weights"
    monkeypatch.delenv("SENSORIUM_HOME")
    assert Weights().folder.parts[-2:] == ("sensorium", "weights")
