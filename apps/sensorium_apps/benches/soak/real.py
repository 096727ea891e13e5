"""A chaos run in real time: a session with all its threads."""

import threading
import time
from collections import deque
from collections.abc import Sequence

from sensorium.clock import NS_PER_MS, NS_PER_S, MonotonicClock
from sensorium.events import Event
from sensorium.session import Session, SessionSettings
from sensorium_apps.benches.machine import descriptors
from sensorium_apps.benches.soak.checker import Checker
from sensorium_apps.benches.soak.draw import LONGEST_S
from sensorium_apps.benches.soak.lateness import Metronome
from sensorium_apps.benches.soak.memory import Held
from sensorium_apps.benches.soak.outcome import Outcome, Plan, Progress
from sensorium_apps.benches.soak.world import PERIODS_NS, Light, Probe, parts, seed_of
from sensorium_devices.faults import Fault

POLL_S = 0.5
LAG_NS = 2 * NS_PER_S  # an event is judged so much later, when it is known whether the machine was busy
LEAVE_S = 2.0  # for threads to end, beside those that hang on purpose


def run_real(plan: Plan, faults: Sequence[Fault], encoders: dict[str, Light], progress: Progress) -> Outcome:
    """Run a session for the plan's length; Ctrl-C ends it early."""
    clock = MonotonicClock()
    threads, files = set(threading.enumerate()), descriptors()
    checker, memory = Checker(faults, plan.tick_ns), Held(plan.length_ns)
    sources = [Probe(name, faults, clock, seed_of(plan.seed, name)) for name in PERIODS_NS]
    settings = SessionSettings(tick_ms=plan.tick_ns / NS_PER_MS)
    session = Session(parts({**encoders}), sources, settings=settings, clock=clock)
    waiting: deque[Event] = deque()
    began_ns, interrupted = clock.now_ns(), False
    with Metronome(checker.hiccup) as metronome:
        try:
            with session:
                while (at_ns := clock.now_ns() - began_ns) < plan.length_ns:
                    event = session.next_event(POLL_S)
                    if event is not None:
                        waiting.append(event)
                    checker.began_ns = {s.modality: s.began_ns for s in sources if s.began_ns is not None}
                    while waiting and waiting[0].at_ns < clock.now_ns() - LAG_NS:
                        checker.take(waiting.popleft())
                    memory.step(at_ns)
                    progress(at_ns, plan.length_ns)
        except KeyboardInterrupt:
            interrupted = True
    ended_ns = clock.now_ns()
    for event in [*waiting, *session]:
        checker.take(event)
    if session.events_dropped:
        checker.violate("every tick is answered", f"{session.events_dropped} events dropped", ended_ns)
    left, more_files = _left(threads), descriptors() - files
    for thread in left:
        checker.violate("nothing leaked", f"thread {thread.name}", ended_ns)
    checker.account(session.counts, {s.modality: s.given for s in sources}, encoders, ended_ns)
    checker.close(session.ticks, more_files, memory, ended_ns)
    return Outcome(
        plan,
        checker,
        memory,
        lasted_ns=ended_ns - began_ns,
        took_s=(ended_ns - began_ns) / NS_PER_S,
        ticks=session.ticks,
        threads_leaked=len(left),
        fds_leaked=more_files,
        interrupted=interrupted,
        machine_late=metronome.lateness,
    )


def _left(before: set[threading.Thread]) -> set[threading.Thread]:
    """The threads that do not end; one that hangs on purpose does when its fault is over."""
    deadline = time.monotonic() + LONGEST_S + LEAVE_S
    for thread in set(threading.enumerate()) - before:
        thread.join(max(0.0, deadline - time.monotonic()))
    return set(threading.enumerate()) - before
