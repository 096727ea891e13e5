"""Proof that what was closed is gone: no thread, no file descriptor, no process left."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 3.0  # a server's thread may still be on its way out when its client is done


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Fails when what ran inside left a thread, a descriptor or a process behind."""
    threads = set(threading.enumerate())
    processes = _children()
    descriptors = _descriptors()
    yield
    deadline = time.monotonic() + LIMIT_S
    for thread in set(threading.enumerate()) - threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    left = [thread.name for thread in set(threading.enumerate()) - threads]
    assert not left, f"threads left: {left}"
    more = [_target(fd) for fd in _descriptors() - descriptors]
    more = [target for target in more if target is not None]
    assert not more, f"descriptors left: {more}"
    started = _children() - processes
    assert not started, f"processes left: {started}"


def _descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def _target(descriptor: Path) -> Path | None:
    """What it is open on; None for the one that listed the folder, which is closed by now."""
    try:
        return descriptor.readlink()
    except FileNotFoundError:
        return None


def _children() -> set[str]:
    """Of all threads: Linux lists children by the thread that started them."""
    return {child for task in Path("/proc/self/task").iterdir() for child in _listed(task / "children")}


def _listed(children: Path) -> list[str]:
    try:
        return children.read_text(encoding="ascii").split()
    except FileNotFoundError:  # that thread has ended
        return []
