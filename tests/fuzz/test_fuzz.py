"""Every reader against its corpus and what hypothesis makes of it. ``scripts/fuzz`` goes on for longer."""

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from tests.fuzz.bombs import BOMBS
from tests.fuzz.check import check
from tests.fuzz.inputs import CORPUS, inputs, seeds
from tests.fuzz.targets import TARGETS

EXAMPLES = 60
SLOW = {"network_sound": 15, "network_video": 8, "video": 30}  # connections and decoders that take their time

pytestmark = pytest.mark.timeout(120)  # a reader that hangs


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What is logged of a broken input is not read here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", TARGETS)
def test_every_input_of_the_corpus_is_read_or_refused(name: str) -> None:
    understood = [path for path in seeds(name) if check(TARGETS[name], path.read_bytes()) is None]
    assert understood, "no input is whole: nothing behind the door was tried"


@pytest.mark.parametrize("name", TARGETS)
def test_whatever_is_made_of_the_corpus_is_read_or_refused(name: str) -> None:
    @settings(max_examples=SLOW.get(name, EXAMPLES), suppress_health_check=list(HealthCheck), database=None)
    @given(inputs(name, TARGETS[name].kind))
    def run(data: bytes) -> None:
        check(TARGETS[name], data)

    run()


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_unfolds_to_something_huge_takes_little_memory(bomb: str) -> None:
    name, make = BOMBS[bomb]
    check(TARGETS[name], make())


def test_every_folder_of_the_corpus_belongs_to_a_target() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(TARGETS)
