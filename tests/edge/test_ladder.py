from sensorium.clock import NS_PER_MS
from sensorium.ladder import RUNGS, Ladder

TICK_NS = 200 * NS_PER_MS


def _run(ladder: Ladder, lateness_ms: float, ticks: int, start: int = 0) -> list[str]:
    changes = [ladder.step(lateness_ms, (start + n) * TICK_NS) for n in range(ticks)]
    return [change.rung for change in changes if change]


def test_late_ticks_step_down_one_rung_at_a_time_and_never_below_the_last() -> None:
    assert _run(Ladder(), 80.0, 500) == [rung.name for rung in RUNGS[1:]]


def test_ticks_in_time_step_up_again() -> None:
    ladder = Ladder()
    _run(ladder, 80.0, 500)
    assert _run(ladder, 1.0, 500, start=500) == [rung.name for rung in RUNGS[-2::-1]]


def test_one_hiccup_changes_nothing() -> None:
    ladder = Ladder()
    assert _run(ladder, 1.0, 50) + _run(ladder, 500.0, 1, 50) + _run(ladder, 1.0, 100, 51) == []


def test_between_late_and_early_it_stays() -> None:
    ladder = Ladder()
    _run(ladder, 80.0, 20)
    assert _run(ladder, 30.0, 500, start=20) == []
