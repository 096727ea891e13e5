"""A chaos run in virtual time: the same core, streams, health, encoders and failing sources, without a thread.

Every source runs ahead on a clock of its own until it has something to give; what the three give, the ticks and the
looks at health are then taken in the order of their times, as a session's loop takes them.
"""

import heapq
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sensorium.capture import SourceChanged, attend
from sensorium.clock import NS_PER_MS, VirtualClock
from sensorium.core import Core, CoreSettings, events
from sensorium.encoders import attempt
from sensorium.events import Event
from sensorium.samples import Sample
from sensorium.session import ORDERED_CAPACITY, STREAM_CAPACITY
from sensorium.steps import Check, Finding, Step, Tick
from sensorium.stream import Stream
from sensorium.waiting import wait_virtual
from sensorium_apps.benches.machine import descriptors
from sensorium_apps.benches.soak.checker import Checker
from sensorium_apps.benches.soak.memory import Held
from sensorium_apps.benches.soak.outcome import Outcome, Plan, Progress
from sensorium_apps.benches.soak.world import PERIODS_NS, Light, Probe, parts, seed_of
from sensorium_devices.faults import Fault

ENCODE_NS = {"vision": 50 * NS_PER_MS}  # as a small detector takes; other encoders are at once
TOLD_EVERY = 100  # ticks between two looks of the progress bar

Happened: TypeAlias = "tuple[int, str, SourceChanged | Sample | None]"  # when, to which sense; None is a tick


@dataclass(slots=True)
class Simulation:
    """A session's inside, moved from one moment to the next."""

    core: Core
    encoders: dict[str, Light]
    checker: Checker
    streams: dict[str, Stream[Sample]] = field(default_factory=dict)
    arrivals: dict[str, int] = field(default_factory=dict)
    _encoding: dict[str, tuple[int, Finding]] = field(default_factory=dict)  # sense -> when it is found, and what

    def __post_init__(self) -> None:
        self.streams = {name: Stream(STREAM_CAPACITY.get(name, ORDERED_CAPACITY)) for name in self.encoders}

    def take(self, at_ns: int, name: str, happened: SourceChanged | Sample | None) -> None:
        """Let pass what comes before ``at_ns``, then take this in."""
        self._pass(at_ns)
        if happened is None:
            began_ns = time.thread_time_ns()
            told = self._handle(Tick(at_ns, self.arrivals), at_ns)
            late_ns = time.thread_time_ns() - began_ns  # what a tick's own work takes
            for event in told:
                self.checker.take(event, late_ns)
        elif isinstance(happened, SourceChanged):
            self._handle(happened, at_ns)
        else:
            self.streams[name].put(happened, at_ns)
            self.arrivals[name] = at_ns
            self._encode(name, at_ns)

    def _pass(self, until_ns: int) -> None:
        while True:
            check_ns = self.core.next_check_ns(self.arrivals)
            due = [(at_ns, name) for name, (at_ns, _) in self._encoding.items()]
            at_ns, name = min([*due, (check_ns, "")] if check_ns is not None else due, default=(until_ns, ""))
            if at_ns >= until_ns:
                return
            if not name:
                self._handle(Check(self.arrivals), at_ns)
            else:
                self._handle(self._encoding.pop(name)[1], at_ns)
                self._encode(name, at_ns)

    def _encode(self, name: str, at_ns: int) -> None:
        """Begin with the next sample unless one is being encoded."""
        if name not in self._encoding and self.streams[name].counts.waiting:
            sample = self.streams[name].take(0)
            if sample is not None:
                finding = attempt(self.encoders[name], sample)
                self._encoding[name] = (at_ns + ENCODE_NS.get(name, 0), finding)

    def _handle(self, step: Step, at_ns: int) -> list[Event]:
        return events(self.core.handle(step, at_ns))


def run_simulated(plan: Plan, faults: Sequence[Fault], encoders: dict[str, Light], progress: Progress) -> Outcome:
    """Run the plan's length as fast as the processor allows; Ctrl-C ends it early."""
    threads, files = set(threading.enumerate()), descriptors()
    checker, memory = Checker(faults, plan.tick_ns), Held(plan.length_ns)
    clocks = {name: VirtualClock() for name in PERIODS_NS}
    probes = {
        name: Probe(name, faults, clocks[name], seed_of(plan.seed, name), wait_virtual(clocks[name]))
        for name in PERIODS_NS
    }
    core = Core(CoreSettings(modalities=tuple(PERIODS_NS)), parts({**encoders}).fusion)
    simulation = Simulation(core, encoders, checker)
    checker.began_ns = dict.fromkeys(PERIODS_NS, 0)
    began_s, at_ns, ticks, interrupted = time.perf_counter(), 0, 0, False
    happening = [_attended(probes[name], clocks[name], plan.length_ns) for name in PERIODS_NS]
    try:
        for at_ns, name, happened in heapq.merge(*happening, _ticks(plan), key=lambda item: item[0]):
            simulation.take(at_ns, name, happened)
            if happened is None:
                ticks += 1
                memory.step(at_ns)
                if ticks % TOLD_EVERY == 0:
                    progress(at_ns, plan.length_ns)
    except KeyboardInterrupt:
        interrupted = True
    counts = {name: stream.counts for name, stream in simulation.streams.items()}
    checker.account(counts, {name: probe.given for name, probe in probes.items()}, encoders, at_ns, ahead=1)
    more_files = descriptors() - files
    checker.close(ticks, more_files, memory, at_ns)
    return Outcome(
        plan,
        checker,
        memory,
        lasted_ns=at_ns,
        took_s=time.perf_counter() - began_s,
        ticks=ticks,
        threads_leaked=len(set(threading.enumerate()) - threads),
        fds_leaked=more_files,
        interrupted=interrupted,
    )


def _attended(probe: Probe, clock: VirtualClock, length_ns: int) -> Iterator[Happened]:
    """What happens to a source until the end, as a capture would tell it."""
    for happened in attend(probe, clock, threading.Event(), wait_virtual(clock)):
        if clock.now_ns() >= length_ns:
            return
        yield clock.now_ns(), probe.modality, happened


def _ticks(plan: Plan) -> Iterator[Happened]:
    for at_ns in itertools.takewhile(lambda at_ns: at_ns < plan.length_ns, itertools.count(plan.tick_ns, plan.tick_ns)):
        yield at_ns, "", None
