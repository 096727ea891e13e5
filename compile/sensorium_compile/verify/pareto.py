"""The Pareto front of candidates (accuracy of the worst subset, latency, size), kept so that another budget is
answered without compiling again."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sensorium_compile.errors import CompileError

BYTES_PER_MB = 1e6


class Choice(BaseModel):
    """One candidate that was lowered and measured on this machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str  # "litert int8-dynamic", unique in its run
    backend: str
    precision: str
    variant: str = ""  # of the ladder: "", "small", ...
    accuracy: Annotated[float, Field(ge=0, le=1)]  # of the worst subset
    subset: str = ""  # which that is
    ms: Annotated[float, Field(ge=0)]  # median of one answer with every sense
    size_bytes: Annotated[int, Field(ge=0)]
    passed: bool = True  # the gate
    reasons: tuple[str, ...] = ()  # why it did not
    key: str = ""  # under which the cache holds its graphs


_CHOICES = TypeAdapter(tuple[Choice, ...])


def front(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """Those that passed the gate and that no other such beats in one figure without losing in another; by latency."""
    fit = [choice for choice in choices if choice.passed]
    kept = [one for one in fit if not any(_dominates(other, one) for other in fit)]
    return tuple(sorted(kept, key=_fastest))


def pick(
    choices: Sequence[Choice],
    *,
    max_ms: float | None = None,
    max_mb: float | None = None,
    min_accuracy: float | None = None,
) -> Choice:
    """The fastest candidate that passed the gate and keeps the budget [ms, 10^6 bytes, share of the worst subset].

    Raises CompileError, which lists what is possible, when there is none.
    """
    fit = [
        choice
        for choice in choices
        if choice.passed
        and (max_ms is None or choice.ms <= max_ms)
        and (max_mb is None or choice.size_bytes <= max_mb * BYTES_PER_MB)
        and (min_accuracy is None or choice.accuracy >= min_accuracy)
    ]
    if fit:
        return min(fit, key=_fastest)
    raise CompileError(f"no candidate {_budget(max_ms, max_mb, min_accuracy)}; {_possible(choices)}")


def save(path: Path, choices: Iterable[Choice]) -> None:
    """Write all candidates, those that failed too, so that reasons can be told."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_CHOICES.dump_json(tuple(choices), indent=1) + b"\n")


def load(path: Path) -> tuple[Choice, ...]:
    """The candidates of an earlier run; raises CompileError where there are none."""
    if not path.is_file():
        raise CompileError(f"no candidates were measured yet ({path} is missing); compile once without --pick")
    try:
        return _CHOICES.validate_json(path.read_bytes())
    except ValidationError as err:
        raise CompileError(f"{path} is damaged ({err.errors()[0]['msg']}); compile once without --pick") from err


def describe(choice: Choice) -> str:
    """``litert int8-dynamic: 4.20 ms, 1.9 MB, 0.981 (audio)``."""
    where = f" ({choice.subset})" if choice.subset else ""
    return f"{choice.name}: {choice.ms:.2f} ms, {choice.size_bytes / BYTES_PER_MB:.2f} MB, {choice.accuracy:.3f}{where}"


def _fastest(choice: Choice) -> tuple[float, float, int, str]:
    return choice.ms, -choice.accuracy, choice.size_bytes, choice.name


def _dominates(one: Choice, other: Choice) -> bool:
    """Whether ``one`` is nowhere worse than ``other`` and somewhere better."""
    mine, theirs = ((-c.accuracy, c.ms, c.size_bytes) for c in (one, other))
    return mine != theirs and all(a <= b for a, b in zip(mine, theirs, strict=True))


def _budget(max_ms: float | None, max_mb: float | None, min_accuracy: float | None) -> str:
    asked = [
        f"takes at most {max_ms:g} ms" if max_ms is not None else "",
        f"has at most {max_mb:g} MB" if max_mb is not None else "",
        f"reaches {min_accuracy:g} in its worst subset" if min_accuracy is not None else "",
    ]
    return " and ".join(filter(None, asked)) or "passed the gate"


def _possible(choices: Sequence[Choice]) -> str:
    best = front(choices)
    if best:
        return "possible: " + "; ".join(map(describe, best))
    if not choices:
        return "none was measured; compile once without --pick"
    return "refused: " + "; ".join(f"{c.name}: {c.reasons[0] if c.reasons else 'no reason kept'}" for c in choices)
