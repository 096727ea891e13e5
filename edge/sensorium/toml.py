"""TOML from outside: what the standard library's parser takes without end, or in a time without end, is refused."""

import re
import tomllib
from pathlib import Path
from typing import Any

from sensorium.errors import SensoriumError

MOST_CHARACTERS = 2_000_000  # a recipe with a label for each of ImageNet's 21,841 classes has a fifth of that
MOST_DOTS = 64  # names in one key: the parser's time grows with the square of their number
_MANY_DOTS = re.compile(rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{MOST_DOTS}}}""")


def parse_toml(content: str) -> dict[str, Any]:
    """The table of a TOML document; raises ValueError that says why not."""
    if len(content) > MOST_CHARACTERS:
        raise ValueError(f"{len(content):,} characters; allowed: {MOST_CHARACTERS:,}")
    if _MANY_DOTS.search(content):
        raise ValueError(f"a key of more than {MOST_DOTS} names")
    try:
        return tomllib.loads(content)
    except RecursionError as err:
        raise ValueError("nested too deeply") from err


def read_toml(path: Path, what: str, error: type[SensoriumError]) -> dict[str, Any]:
    """The table of a TOML file that is ``what`` to the user; raises ``error`` that begins with it and the path."""
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as err:
        raise error(f"{what} {path} cannot be read: {err}") from err
    except ValueError as err:
        raise error(f"{what} {path} is no TOML: {err}") from err
