from pathlib import Path

import pytest

from sensorium.errors import BundleError
from sensorium_apps.options import texts
from sensorium_apps.paths import bundle_folder, bundles_folder, default_bundle, find_bundle


def test_the_home_variable_moves_the_bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    assert default_bundle() == tmp_path / "bundles" / "companion"
    assert bundle_folder("mine") == tmp_path / "bundles" / "mine"


def test_without_it_they_lie_in_the_users_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SENSORIUM_HOME", raising=False)
    assert bundles_folder().is_absolute()
    assert bundles_folder().name == "bundles"


def test_a_bundle_that_is_there_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    default_bundle().mkdir(parents=True)
    assert find_bundle(None) == default_bundle()
    assert find_bundle(tmp_path) == tmp_path


def test_a_missing_bundle_is_an_error_that_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSORIUM_HOME", str(tmp_path))
    with pytest.raises(BundleError, match="sensorium pull && sensorium compile companion"):
        find_bundle(None)


def test_what_to_look_for_is_cut_at_commas() -> None:
    assert texts("a cat,  a red   cup, , a cat") == ("a cat", "a red cup")
    assert texts("") == ()
