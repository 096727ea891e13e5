import json
import math
from dataclasses import fields

from hypothesis import example, given
from hypothesis import strategies as st

from sensorium.events import Event, Fault, Guess, Percept, to_json


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@given(st.from_type(Event))
@example(Percept(0, 1, {}, (), (), (Guess("cat", math.nan),), (), "full", math.inf))
@example(Fault(0, "x", "a name that is no text: \udcff"))
def test_every_event_is_one_line_of_json_in_utf_8(event: Event) -> None:
    line = to_json(event)
    assert "\n" not in line
    told = json.loads(line.encode(), parse_constant=_no_json)
    assert next(iter(told.items())) == ("event", event.kind)
    assert list(told)[1:] == [field.name for field in fields(event)]


def test_a_number_that_is_not_finite_is_null() -> None:
    told = json.loads(to_json(Percept(0, 1, {}, (), (), (Guess("cat", math.nan),), (), "full", 0.25)))
    assert told["scene"] == [{"name": "cat", "probability": None}]
    assert told["latency_ms"] == 0.2
