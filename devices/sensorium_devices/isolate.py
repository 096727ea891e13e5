"""The user's choice of what runs in a process of its own; light, for the command line's options."""

from enum import StrEnum


class Isolate(StrEnum):
    """Which cameras and microphones run in a process of their own, so that a driver that hangs can be killed."""

    AUTO = "auto"  # those whose drivers are known to hang: cameras of this machine, RTSP, sound cards
    ALWAYS = "always"  # whatever is no file and no typed text
    NEVER = "never"
