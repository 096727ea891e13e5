"""What hypothesis makes of the corpus: its inputs damaged, or (of JSON and TOML) with other values in them."""

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

CORPUS = Path(__file__).with_name("corpus")
MOST_CHANGES = 4

# What readers stumble over: ends, extremes of numbers, nesting, what is no text, names that lead elsewhere.
NASTY = (
    *(b"\0", b"\n", b"\r\n\r\n", b'"', b"'", b",", b"=", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"../", b"/", b"%"),
    *(b"-1", b"NaN", b"1e999", b"9" * 30, b"9" * 5000, b"null", b"{}", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\xff" * 8),
    *(b"[" * 3000, b'{"a":' * 3000, b"a=[" * 50, b"a." * 300, b"(" * 200, b"[[a.b]]\n" * 50, b"1," * 5000),
)


def seeds(target: str) -> list[Path]:
    """The committed inputs of a target."""
    return sorted((CORPUS / target).iterdir())


def inputs(target: str, kind: str) -> st.SearchStrategy[bytes]:
    """Inputs for a target: mostly its seeds with something changed."""
    known = [path.read_bytes() for path in seeds(target)]
    found = [st.sampled_from(known).flatmap(_damaged), st.binary(max_size=200)]
    if kind == "lines":
        found.append(st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
    if kind in ("json", "toml"):
        parsed = [value for data in known for value in _parsed(data, kind)]
        dump = _json if kind == "json" else _toml
        found.append(st.sampled_from(parsed).flatmap(_with_another_value).map(dump))
    return st.one_of(found)


@st.composite
def _damaged(draw: st.DrawFn, seed: bytes) -> bytes:
    data = bytearray(seed)
    for _ in range(draw(st.integers(1, MOST_CHANGES))):
        at = draw(st.integers(0, len(data)))
        until = at + draw(st.integers(1, 64))
        match draw(st.sampled_from(["change", "cut", "insert", "repeat", "end"])):
            case "change":
                data[at:until] = draw(st.binary(min_size=1, max_size=8))
            case "cut":
                del data[at:until]
            case "insert":
                data[at:at] = draw(st.sampled_from(NASTY))
            case "repeat":
                data[at:at] = data[at:until] * draw(st.integers(1, 40))
            case "end":
                del data[at:]
    return bytes(data)


_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.sampled_from(["-1", "../x", "none"])
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def _with_another_value(draw: st.DrawFn, document: Any) -> Any:
    """The document with the value at one place, any depth down, replaced, removed or joined by another one."""
    keys: Sequence[Any] = list(document) if isinstance(document, dict) else range(len(document))
    if not keys:
        return draw(_VALUES)
    key = draw(st.sampled_from(keys))
    changed = document.copy()
    if isinstance(document[key], dict | list) and draw(st.integers(0, 3)):
        changed[key] = draw(_with_another_value(document[key]))
    elif isinstance(document, dict) and not draw(st.integers(0, 4)):
        changed[draw(st.text(max_size=8))] = changed.pop(key)
    else:
        changed[key] = draw(_VALUES)
    return changed


def _parsed(data: bytes, kind: str) -> list[Any]:
    """What a seed holds: one value, or none where it is broken or nested deeply on purpose; of JSON lines a list."""
    try:
        if kind == "toml":
            values = tomllib.loads(data.decode())
        else:
            values = [json.loads(line) for line in data.splitlines()] if data.count(b"\n{") else json.loads(data)
        repr(values)  # hypothesis does that
    except (ValueError, RecursionError):
        return []
    return [values] if isinstance(values, dict | list) else []


def _json(value: Any) -> bytes:
    rows = value if isinstance(value, list) else [value]
    return "\n".join(map(json.dumps, rows)).encode()


def _toml(table: Any) -> bytes:
    """TOML, all tables inline; what TOML has no word for (null, a table that is none) is left as JSON."""
    if not isinstance(table, dict):
        return _json(table)
    return "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in table.items()).encode(errors="replace")


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    if isinstance(value, float):
        return str(value)  # nan and inf as TOML writes them
    return json.dumps(value, ensure_ascii=False)
