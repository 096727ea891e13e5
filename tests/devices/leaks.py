"""Proof that what was closed is gone: no thread, no file descriptor left."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LIMIT_S = 3.0  # a server's thread may still be on its way out when its client is done


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Fails when what ran inside left a thread or a descriptor behind."""
    threads = set(threading.enumerate())
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


def _descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


def _target(descriptor: Path) -> Path | None:
    """What it is open on; None for the one that listed the folder, which is closed by now."""
    try:
        return descriptor.readlink()
    except FileNotFoundError:
        return None
