"""What a bundle says of itself: ``manifest.json``, parsed at the door by pydantic."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from sensorium.bundle.evidence import Evidence, Stage, status_of
from sensorium.host import Host

SCHEMA_VERSION = 1

DType = Literal["float32", "float16", "int64", "int32", "int8", "uint8", "bool", "string"]


def _inside(path: str) -> str:
    """A relative POSIX path that stays inside the bundle's folder."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\\" in path or not pure.parts or ":" in path:
        raise ValueError(f"path {path!r} leaves the bundle's folder; allowed: relative paths without '..'")
    return str(pure)


InnerPath = Annotated[str, AfterValidator(_inside)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)  # built when the first bundle is read


class TensorSpec(_Entry):
    """One input or output of a graph. A size of -1 is any size."""

    name: str
    dtype: DType
    shape: tuple[int, ...]


class FileEntry(_Entry):
    """One file of the bundle."""

    sha256: Sha256
    size: Annotated[int, Field(ge=0)]  # bytes


class FallbackEntry(_Entry):
    """The same graph for another backend, with the same inputs and outputs."""

    file: InnerPath
    backend: str
    precision: str = "float32"


class GraphEntry(_Entry):
    """A compiled graph and the backend that executes it."""

    file: InnerPath
    backend: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str = "float32"  # as shipped: float32, int8-dynamic, int8-static, ...
    fallback: FallbackEntry | None = None  # for when the backend fails while a session runs
    evidence: tuple[Evidence, ...] = ()  # how far it got on its way to the target
    status: Stage | None = None  # what the evidence proves; another claim is refused

    @model_validator(mode="before")
    @classmethod
    def _status_follows(cls, given: Any) -> Any:
        """The status is told for those who read the JSON; here it is derived."""
        if not isinstance(given, dict) or not given.get("evidence") or given.get("status") is not None:
            return given
        evidence = [one if isinstance(one, Evidence) else Evidence.model_validate(one) for one in given["evidence"]]
        return {**given, "status": status_of(evidence)}

    @model_validator(mode="after")
    def _status_is_proved(self) -> Self:
        proved = status_of(self.evidence)
        if self.status != proved:
            raise ValueError(f"status {self.status} is claimed for {self.file}, its evidence proves {proved}")
        return self

    @model_serializer(mode="wrap")
    def _without_nothing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """No word of what is not there: such a bundle is, byte for byte, what it was before there was such a word."""
        told: dict[str, Any] = dump(self)
        absent = {"fallback": self.fallback is None, "evidence": not self.evidence, "status": self.status is None}
        return {key: value for key, value in told.items() if not absent.get(key, False)}


class Origin(_Entry):
    """Where a part's weights or data come from."""

    package: str  # "PyPI silero-vad==6.2.3"
    file: str
    sha256: Sha256
    licence: str
    url: str = ""


class PartEntry(_Entry):
    """A ready part: encoder, detector, recogniser, synthesiser ..."""

    role: str
    graphs: dict[str, GraphEntry] = {}
    files: dict[str, InnerPath] = {}  # vocabularies, lexicons, label lists
    config: dict[str, JsonValue] = {}  # what the component of this role needs: rates, sizes, thresholds
    origins: tuple[Origin, ...] = ()
    figures: dict[str, float] = {}  # what was measured when it was packed


class Manifest(_Entry):
    """Everything that a runtime must know before it opens a single graph."""

    schema_version: int = SCHEMA_VERSION
    name: str
    target: str
    host: Host | None = None  # the machine that its runtime runs on; None: the target's name says it
    parts: dict[str, PartEntry]
    files: dict[InnerPath, FileEntry]
    tools: dict[str, str] = {}  # versions that made it
    notes: tuple[str, ...] = ()

    @model_serializer(mode="wrap")
    def _without_nothing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        told: dict[str, Any] = dump(self)
        return {key: value for key, value in told.items() if key != "host" or value is not None}
