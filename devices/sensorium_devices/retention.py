"""How long files stay: those that Sensorium wrote, in the folder that it writes into now, go when they are too old.

Only a file with Sensorium's own mark in its first bytes goes, whatever it is called; its age counts from when it was
last written. A link, another program's file and the file being written stay.
"""

import logging
import os
import stat
import struct
import time
from pathlib import Path

log = logging.getLogger(__name__)

PROFILE = "sensorium"  # in the header of every recording, and the comment of every picture
DAY_S = 86_400
SWEEP_S = 60.0  # between two looks while files are written
SUFFIXES = frozenset({".mcap", ".jpg"})
HEAD_BYTES = 64

_MCAP = b"\x89MCAP0\r\n\x01"  # the magic and the header's opcode; its length follows (https://mcap.dev/spec)
_MCAP_PROFILE = struct.pack("<I", len(PROFILE)) + PROFILE.encode()
_JPEG = b"\xff\xd8"
# A comment right after the start of the image (ITU-T T.81, B.2.4.5).
JPEG_COMMENT = b"\xff\xfe" + struct.pack(">H", 2 + len(PROFILE)) + PROFILE.encode()


def marked(jpeg: bytes) -> bytes:
    """The same JPEG file with Sensorium's mark in it."""
    return jpeg[:2] + JPEG_COMMENT + jpeg[2:]


def is_ours(head: bytes) -> bool:
    """Whether a file that begins so was written by Sensorium."""
    recording = head.startswith(_MCAP) and head[17:].startswith(_MCAP_PROFILE)
    return recording or head.startswith(_JPEG + JPEG_COMMENT)


class Retention:
    """Deletes what is too old in one folder, at once and then now and then. One thread at a time."""

    def __init__(self, folder: Path, keep_days: float | None, current: Path | None = None) -> None:
        """``keep_days`` None: nothing goes. ``current``: the file that is being written."""
        self._folder, self._keep_days, self._current = folder, keep_days, current
        self._swept_s: float | None = None

    def sweep(self) -> None:
        """Look, unless it did within the last minute; a file that cannot be deleted is told in the log, and stays."""
        now_s = time.monotonic()
        if self._keep_days is None or (self._swept_s is not None and now_s - self._swept_s < SWEEP_S):
            return
        self._swept_s = now_s
        oldest_s = time.time() - self._keep_days * DAY_S
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            try:
                if path.suffix in SUFFIXES and path != self._current and _expired(path, oldest_s):
                    path.unlink()
                    log.warning("%s was kept for %g days and is deleted", path, self._keep_days)
            except OSError as err:
                log.warning("%s is too old and cannot be deleted: %s", path, err.strerror)


def _expired(path: Path, oldest_s: float) -> bool:
    """Whether it is a file of ours that was last written before that time [s since 1970]."""
    told = path.lstat()
    if not stat.S_ISREG(told.st_mode) or told.st_mtime >= oldest_s:
        return False
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW), "rb") as stream:
        return is_ours(stream.read(HEAD_BYTES))
