import re
from importlib.metadata import packages_distributions, requires

import pytest

from sensorium_apps.extras import EXTRAS, extra_of


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def required(extra: str) -> set[str]:
    """The distributions that the package's own metadata names for an extra."""
    wanted = [line for line in requires("sensorium") or [] if re.search(rf"extra == ['\"]{extra}['\"]", line)]
    return {normal(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in wanted}


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_brings_the_modules_that_are_told_to_come_with_it(extra: str) -> None:
    brought = packages_distributions()
    for module in EXTRAS[extra]:
        if module in brought:  # what is not installed has no name to compare
            assert {normal(name) for name in brought[module]} & required(extra), module


def test_a_module_is_told_by_its_first_name() -> None:
    assert extra_of("torch.nn") == "train"
    assert extra_of("no_such_module") is None
