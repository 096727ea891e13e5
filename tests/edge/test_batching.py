"""What runs together, decided without threads."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensorium.batching import LEAST_GAIN, Cost, Request, decide

MS = 1_000_000

costs = st.builds(Cost, st.integers(0, 50), st.integers(0, 50))  # whole numbers: sums are exact
requests = st.lists(
    st.builds(Request, st.just(0), st.sampled_from("ab"), st.integers(0, 600), st.integers(1, 3)), max_size=12
).map(lambda some: [Request(i, r.group, r.deadline_ns, r.rows) for i, r in enumerate(some)])
mosts = st.integers(1, 8)


def served(waiting: Sequence[Request], cost: Cost, most: int) -> dict[int, float]:
    """When each is done, by id, where nobody else comes."""
    left, now_ns, done = list(waiting), 0.0, {}
    while batch := decide(left, cost, most, int(now_ns)):
        now_ns += cost.of(sum(request.rows for request in batch))
        for request in batch:
            left.remove(request)
            done[request.id] = now_ns
    assert not left
    return done


@given(requests, costs, mosts)
def test_a_batch_is_of_one_group_and_holds_the_most_urgent(waiting: list[Request], cost: Cost, most: int) -> None:
    batch = decide(waiting, cost, most, 0)
    assert bool(batch) == bool(waiting)
    if batch:
        assert batch[0] == min(waiting, key=lambda r: (r.deadline_ns, r.id))
        assert {request.group for request in batch} == {batch[0].group}
        assert len(batch) == 1 or sum(request.rows for request in batch) <= most


@given(requests, costs, mosts)
def test_every_request_is_served_once_and_in_the_order_of_deadlines_within_its_group(
    waiting: list[Request], cost: Cost, most: int
) -> None:
    done = served(waiting, cost, most)
    assert sorted(done) == [request.id for request in waiting]
    for group in "ab":
        own = sorted((r for r in waiting if r.group == group), key=lambda r: (r.deadline_ns, r.id))
        times = [done[request.id] for request in own]
        assert times == sorted(times)


@given(requests, costs, mosts)
def test_who_meets_the_deadline_one_by_one_meets_it_in_batches(waiting: list[Request], cost: Cost, most: int) -> None:
    alone = served(waiting, cost, 1)
    together = served(waiting, cost, most)
    for request in waiting:
        assert together[request.id] <= request.deadline_ns or alone[request.id] > request.deadline_ns


@given(requests, costs, mosts)
def test_batches_are_never_slower_in_all_than_one_by_one(waiting: list[Request], cost: Cost, most: int) -> None:
    assert max(served(waiting, cost, most).values(), default=0) <= max(served(waiting, cost, 1).values(), default=0)


def test_a_lone_request_goes_at_once() -> None:
    lone = Request(1, "vision", 100 * MS)
    assert decide([lone], Cost(5 * MS, MS), 8, 0) == (lone,)


def test_a_batch_ends_where_a_deadline_would_be_missed_for_it() -> None:
    waiting = [Request(i, "vision", 9 * MS) for i in range(4)]
    assert len(decide(waiting, Cost(4 * MS, 2 * MS), 8, 0)) == 2  # one takes 6 ms, two take 8 ms, three 10 ms


def test_a_batch_is_as_large_as_allowed_where_all_are_late_already() -> None:
    waiting = [Request(i, "vision", 0) for i in range(9)]
    assert len(decide(waiting, Cost(4 * MS, 2 * MS), 8, MS)) == 8


def test_there_is_no_batch_where_it_saves_too_little() -> None:
    waiting = [Request(i, "vision", 100 * MS) for i in range(4)]
    assert len(decide(waiting, Cost(LEAST_GAIN * MS, MS), 8, 0)) == 1
    assert len(decide(waiting, Cost(MS, MS), 8, 0)) == 4


@given(st.floats(0.1, 10), st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=4))
def test_a_machine_that_turns_slower_or_faster_is_learned_from_batches_of_any_size(
    speed: float, sizes: list[int]
) -> None:
    before = Cost.fit(5_000.0, 12_000.0, 8)
    cost = before
    for rows in sizes * 100:
        cost = cost.learn(rows, speed * before.of(rows))
    for rows in (1, 8):
        assert cost.of(rows) == pytest.approx(speed * before.of(rows), rel=0.01)


@given(st.integers(0, 10_000), st.integers(0, 100_000), st.integers(1, 8))
def test_what_a_batch_costs_is_fitted_to_two_runs_and_never_negative(one: int, many: int, rows: int) -> None:
    cost = Cost.fit(one, many, 8)
    assert cost.call_ns >= 0
    assert cost.row_ns >= 0
    assert cost.of(1) == pytest.approx(one)
    assert cost.of(rows) <= rows * one + 1e-6
    assert cost.learn(rows, 5.0).of(rows) >= 0


def test_one_run_that_was_held_up_changes_little() -> None:
    cost = Cost(2.0 * MS, MS)
    assert cost.learn(1, 1_000 * MS).of(1) <= 1.1 * cost.of(1)
