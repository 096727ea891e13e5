"""Telling a network address from a file or a device, and showing it without its password."""

from urllib.parse import urlsplit, urlunsplit

SCHEMES = frozenset({"http", "https", "rtsp", "rtsps", "rtmp", "udp", "tcp"})


def is_url(text: str) -> bool:
    """Whether it is a network address of a kind that a source can open."""
    scheme, found, _ = text.partition("://")
    return bool(found) and scheme.lower() in SCHEMES


def without_password(text: str) -> str:
    """The same text; ``rtsp://me:secret@host/`` becomes ``rtsp://me:***@host/``, fit for logs and errors."""
    if not is_url(text):
        return text
    parts = urlsplit(text)
    if parts.password is None:
        return text
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:***@{host}"))
