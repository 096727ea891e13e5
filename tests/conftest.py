"""What tests of every package share: pulled weights and the companion bundle made of them."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from sensorium.bundle import Bundle
from sensorium.errors import SensoriumError
from sensorium_apps.paths import default_bundle
from sensorium_compile.zoo import ALL, Weights, choose, load_zoo

settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


def _missing(what: str) -> None:
    """Skip where a person runs tests without the weights; fail where the project's own check does."""
    message = f"{what}; scripts/test makes it"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def weights() -> Weights:
    """The zoo's weights, pulled."""
    pulled = Weights()
    missing = pulled.missing([entry.name for entry in choose(load_zoo(), [ALL]) if "reword" not in entry.group])
    if missing:
        _missing(f"weights are not pulled: {', '.join(missing)}")
    return pulled


@pytest.fixture(scope="session")
def companion() -> Iterator[Bundle]:
    """The companion bundle, opened."""
    try:
        bundle = Bundle(default_bundle())
    except SensoriumError as err:
        _missing(str(err))
        raise
    with bundle:
        yield bundle
