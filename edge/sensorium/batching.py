"""Which of the requests that wait for one graph run together, pure: a batch is chosen against every deadline.

A batch pays for what a call costs by itself once. Nothing is held back for others that may come: a graph that is free
runs what is there, so a lone request goes at once, and batches form where requests come while the graph is busy. Where
a batch saves too little (a convolution on a processor does as much work for each sample alone), there is none.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

# Least share of the time one by one that a batch saves: every request in it waits for the last one's result.
LEAST_GAIN = 0.15
STEP = 0.1  # of a new measurement in what is expected: some ten runs for a machine that turned slower
OUTLIER = 2.0  # times what was expected: a run that took longer was held up by something else


@dataclass(frozen=True, slots=True)
class Request:
    """One run of a graph that somebody waits for."""

    id: int  # in the order in which they came
    group: Hashable  # which modalities it has, and their shapes: only equal ones run together
    deadline_ns: int
    rows: int = 1  # along the batch axis


@dataclass(frozen=True, slots=True)
class Cost:
    """How long a batch takes: ``call_ns`` and ``row_ns`` for each of its rows.

    How the two compare is the graph's and is fitted once; how fast the machine is changes, and is learned from every
    run. Where batches of one size are all that comes, learning both would take a slower machine for dearer calls.
    """

    call_ns: float
    row_ns: float

    @classmethod
    def fit(cls, one_ns: float, many_ns: float, many: int) -> "Cost":
        """From runs of one row and of ``many`` rows."""
        row_ns = max(0.0, (many_ns - one_ns) / (many - 1)) if many > 1 else one_ns
        return cls(max(0.0, one_ns - row_ns), min(row_ns, one_ns))

    def of(self, rows: int) -> float:
        """Expected time of so many rows [ns]."""
        return self.call_ns + self.row_ns * rows

    def learn(self, rows: int, took_ns: float) -> "Cost":
        """Nearer to a run that was measured."""
        expected = self.of(rows)
        if expected <= 0:
            return self
        factor = 1 + STEP * (min(took_ns / expected, OUTLIER) - 1)
        return Cost(self.call_ns * factor, self.row_ns * factor)


def decide(waiting: Sequence[Request], cost: Cost, most: int, now_ns: int) -> tuple[Request, ...]:
    """What to run now on a graph that is free: of the most urgent request's group, the most urgent ones.

    As many (at most ``most`` rows) as save most time, so that no request that one by one would meet its deadline misses
    it; one where too little is saved. Empty where nothing waits.
    """
    order = sorted(waiting, key=lambda request: (request.deadline_ns, request.id))
    if len(order) < 2 or most == 1:
        return tuple(order[:1])
    alone = [request for request in order if request.group == order[0].group]
    kept = _met((), order, cost, now_ns)
    best, best_saved = tuple(alone[:1]), 0.0
    for size in range(2, len(alone) + 1):
        batch = tuple(alone[:size])
        rows = sum(request.rows for request in batch)
        if rows > most:
            break
        one_by_one = sum(cost.of(request.rows) for request in batch)
        saved = one_by_one - cost.of(rows)
        if saved > max(best_saved, LEAST_GAIN * one_by_one) and kept <= _met(batch, order, cost, now_ns):
            best, best_saved = batch, saved
    return best


def _met(batch: tuple[Request, ...], order: Sequence[Request], cost: Cost, now_ns: int) -> set[int]:
    """Who meets the deadline where the batch runs first, and then one by one what is left."""
    done_ns = float(now_ns)
    met: set[int] = set()
    if batch:
        done_ns += cost.of(sum(request.rows for request in batch))
        met = {request.id for request in batch if done_ns <= request.deadline_ns}
    together = {request.id for request in batch}
    for request in order:
        if request.id not in together:
            done_ns += cost.of(request.rows)
            if done_ns <= request.deadline_ns:
                met.add(request.id)
    return met
