"""``report.json``: every figure that a compile run measured, with what it rests on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from sensorium.bundle import Evidence, Origin, Stage
from sensorium.errors import first_fault
from sensorium_compile.errors import CompileError
from sensorium_compile.verify.gate import Form, Scores, Shift, SubsetFigures, Verdict, contribution_shift, figures

if TYPE_CHECKING:  # a report is read where nothing that measures is installed
    from sensorium_compile.verify.measure import FormLatency
    from sensorium_compile.verify.profile import BlockTime

JSON_NAME = "report.json"
SCHEMA_VERSION = 1

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SubsetRow(_Row):
    """One subset of senses of one form: the share that was right, with its 95% interval over n examples."""

    accuracy: Share
    low: Share
    high: Share
    n: Count
    ece: Share | None = None
    agreement: Share | None = None  # of decisions with the form it is compared with
    drop_points: float | None = None  # against that form, positive is worse
    drop_low: float | None = None
    drop_high: float | None = None

    @classmethod
    def of(cls, told: SubsetFigures) -> Self:
        """From the gate's figures."""
        drop = told.drop
        return cls(
            accuracy=told.accuracy,
            low=told.low,
            high=told.high,
            n=told.n,
            ece=told.ece,
            agreement=told.agreement,
            drop_points=drop and drop.mean,
            drop_low=drop and drop.low,
            drop_high=drop and drop.high,
        )


class StageFigures(_Row):
    """A form of the model that the table compares: teacher, student or what ships."""

    name: str = ""  # "litert int8-dynamic"
    subsets: dict[str, SubsetRow]
    size_bytes: Count | None = None
    ms: Positive | None = None  # median of one answer with every sense, one thread
    ms_by_subset: dict[str, Positive] = {}
    hard: dict[str, SubsetRow] = {}  # the hard protocol: cell AUDIO/VISION/THERE -> figures

    @classmethod
    def of(
        cls, name: str, scores: Scores, reference: Scores | None = None, latency: "FormLatency | None" = None
    ) -> Self:
        """From what was scored and measured."""
        return cls(
            name=name,
            subsets={subset: SubsetRow.of(one) for subset, one in figures(scores, reference).items()},
            size_bytes=latency.size_bytes if latency else None,
            ms=latency.ms if latency else None,
            ms_by_subset=_medians(latency),
        )

    @property
    def worst(self) -> tuple[str, SubsetRow]:
        """The subset that is answered worst."""
        return min(self.subsets.items(), key=lambda item: item[1].accuracy)


class CandidateRow(_Row):
    """One lowered form that was tried."""

    name: str
    backend: str
    precision: str
    variant: str = ""
    subsets: dict[str, SubsetRow] = {}  # empty where no data was there to measure with
    ms: Positive | None = None
    p95_ms: Positive | None = None
    spread_ms: Positive | None = None  # interquartile range
    ms_by_subset: dict[str, Positive] = {}
    size_bytes: Count = 0
    passed: bool = True
    on_front: bool = False
    shipped: bool = False
    reasons: tuple[str, ...] = ()  # why it did not pass
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        form: Form,
        verdict: Verdict,
        *,
        backend: str,
        precision: str,
        variant: str = "",
        reference: Scores | None = None,
        latency: "FormLatency | None" = None,
        size_bytes: int = 0,
    ) -> Self:
        """From what was scored, measured and judged."""
        whole = max(latency.subsets.items(), key=lambda item: item[0].count("+"))[1] if latency else None
        return cls(
            name=form.name,
            backend=backend,
            precision=precision,
            variant=variant,
            subsets={subset: SubsetRow.of(one) for subset, one in figures(form.scores, reference).items()},
            ms=whole.median_ms if whole else form.ms,
            p95_ms=whole.p95_ms if whole else None,
            spread_ms=whole.spread_ms if whole else None,
            ms_by_subset=_medians(latency),
            size_bytes=latency.size_bytes if latency else size_bytes,
            passed=verdict.passed,
            reasons=verdict.reasons,
            notes=verdict.notes,
        )

    @property
    def worst(self) -> tuple[str, SubsetRow] | None:
        """The subset that is answered worst."""
        return min(self.subsets.items(), key=lambda item: item[1].accuracy, default=None)


class GraphRow(_Row):
    """How far one graph got on its way to the target, what proves it, and where its operators run."""

    graph: str
    precision: str
    status: Stage | None
    evidence: tuple[Evidence, ...]
    operators: Count | None = None
    on_accelerator: Count | None = None
    predicted: bool = False  # whether the two are a prediction, because no tool was run
    fell_back: tuple[str, ...] = ()  # operator, layer, why, what to change
    cost: str = ""  # of that


class Contribution(_Row):
    """How much a sense moves answers: mean absolute log-odds when it is left out."""

    before: float  # in the float student
    after: float  # in what ships
    shift: float

    @classmethod
    def of(cls, told: Shift) -> Self:
        """From the gate's figures."""
        return cls(before=told.before, after=told.after, shift=told.change)


class Block(_Row):
    """A block of a graph: where the time goes, in which precision it ships and why."""

    graph: str
    block: str
    ms: Positive | None = None
    share: Share | None = None  # of its graph
    precision: str = ""  # as shipped; empty where it was not searched
    reason: str = ""  # why not quantized: "costs 2.1 points in audio", "slower in int8"

    @classmethod
    def of(cls, graph: str, told: "BlockTime", *, precision: str = "", reason: str = "") -> Self:
        """From a profile."""
        return cls(graph=graph, block=told.block, ms=told.ms, share=told.share, precision=precision, reason=reason)


class StageRow(_Row):
    """A stage of the run."""

    name: str
    seconds: Positive
    cached: bool = False
    detail: str = ""


class DataRow(_Row):
    """What became of one set of data."""

    modality: str
    source: str
    licence: str = ""
    credit: str = ""
    read: Count = 0
    dropped: dict[str, Count] = {}  # reason -> how many: unreadable, silent, duplicate, ...
    augmented: dict[str, Count] = {}  # kind -> how many
    split: dict[str, Count] = {}  # train, test -> how many
    held_out: tuple[str, ...] = ()  # groups that only measured: persons, speakers, sessions


class Report(_Row):
    """Everything; fields that could not be measured here are empty, and ``notes`` say why."""

    schema_version: int = SCHEMA_VERSION
    name: str
    description: str = ""
    target: str
    modalities: tuple[str, ...] = ()
    metric: str = "accuracy"
    teacher: StageFigures | None = None
    student: StageFigures | None = None
    shipped: StageFigures | None = None
    figures: dict[str, float] = {}  # size_ratio, speedup_vs_teacher_ort_fp32, compile_s, ...
    ece: dict[str, float] = {}  # of what ships, by subset
    agreement: dict[str, float] = {}  # of what ships with the float student, by subset
    contribution_shift: dict[str, Contribution] = {}  # by sense
    graphs: tuple[GraphRow, ...] = ()  # of what ships
    candidates: tuple[CandidateRow, ...] = ()
    blocks: tuple[Block, ...] = ()
    stages: tuple[StageRow, ...] = ()
    data: tuple[DataRow, ...] = ()
    provenance: tuple[Origin, ...] = ()
    tools: dict[str, str] = {}
    machine: dict[str, str] = {}
    seeds: dict[str, int] = {}
    recipe: str = ""  # its TOML
    notes: tuple[str, ...] = ()

    @property
    def forms(self) -> dict[str, StageFigures]:
        """Teacher, student, shipped, as far as they were measured."""
        named = {"teacher": self.teacher, "student": self.student, "shipped": self.shipped}
        return {name: form for name, form in named.items() if form is not None}

    @property
    def subsets(self) -> tuple[str, ...]:
        """Every subset that any form was measured for, in order."""
        return tuple(dict.fromkeys(subset for form in self.forms.values() for subset in form.subsets))


def shipped_figures(shipped: Scores, student: Scores) -> dict[str, Mapping[str, JsonValue]]:
    """``ece``, ``agreement`` and ``contribution_shift`` of a report, from what ships and the float student."""
    told = figures(shipped, student)
    shifts = contribution_shift(shipped, student)
    return {
        "ece": {subset: one.ece for subset, one in told.items() if one.ece is not None},
        "agreement": {subset: one.agreement for subset, one in told.items() if one.agreement is not None},
        "contribution_shift": {sense: Contribution.of(one).model_dump() for sense, one in shifts.items()},
    }


def parse_report(content: bytes | str, where: str) -> Report:
    """A report from its JSON; raises CompileError naming the field. ``where`` it came from is for the message."""
    try:
        return Report.model_validate_json(content)
    except ValidationError as err:
        raise CompileError(f"{where}: {first_fault(err, 'report')}") from err


def _medians(latency: "FormLatency | None") -> dict[str, float]:
    return {subset: one.median_ms for subset, one in latency.subsets.items()} if latency else {}
