"""How far a graph got on its way to a chip, and what proves it.

A status is never set: it follows from evidence, each piece of which says which tool did what, and what came out. The
ladder is climbed rung by rung. Only ``emulated`` may be left out, by who measured on the chip itself.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Stage = Literal["exported", "linted", "compiled", "emulated", "measured"]
STAGES: tuple[Stage, ...] = get_args(Stage)
MAY_MISS: Stage = "emulated"


class Evidence(BaseModel):
    """What one tool did to a graph."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    stage: Stage
    tool: Annotated[str, Field(min_length=1)]
    version: Annotated[str, Field(min_length=1)]
    command: Annotated[str, Field(min_length=1)]  # as one would type it, or the call that was made
    output_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]  # of what came out: a file, a report, tensors
    machine: str = ""  # where it was measured
    figures: dict[str, float] = {}  # what the tool told: operators, bytes, cycles, milliseconds

    @model_validator(mode="after")
    def _measured_somewhere(self) -> Self:
        if bool(self.machine) != (self.stage == "measured"):
            raise ValueError(f"evidence of stage {self.stage} with machine {self.machine!r}; measured alone has one")
        return self


def prove(
    stage: Stage,
    tool: str,
    version: str,
    command: str,
    output: bytes,
    *,
    machine: str = "",
    figures: dict[str, float] | None = None,
) -> Evidence:
    """Evidence that ``command`` gave ``output``."""
    return Evidence(
        stage=stage,
        tool=tool,
        version=version,
        command=command,
        output_sha256=hashlib.sha256(output).hexdigest(),
        machine=machine,
        figures=figures or {},
    )


def status_of(evidence: Iterable[Evidence]) -> Stage | None:
    """The highest rung that was reached without leaving one out; None where nothing is proved."""
    proved = {one.stage for one in evidence}
    reached: Stage | None = None
    for stage in STAGES:
        if stage in proved:
            reached = stage
        elif stage != MAY_MISS or "measured" not in proved:
            break
    return reached


def lowest(statuses: Sequence[Stage | None]) -> Stage | None:
    """The status of something that has several graphs: that of the one that got least far."""
    if not statuses or None in statuses:
        return None
    return STAGES[min(STAGES.index(status) for status in statuses if status is not None)]
