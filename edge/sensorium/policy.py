"""What a session may let out, as data: the private default, a TOML file, or options of the command line.

keep = ["vision", "text", "readings", "events"]  # "audio" is sound; "text" is words, also those that were said
keep_days = 30
faces = "blurred"    # or "sharp"
network = "named"    # or "none"
consent = "given"    # or "awaited"
"""

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from sensorium.errors import PrivacyError, first_fault

# Pictures; sound; words that were typed, said or answered; any other sensor's readings; what was decided and when.
Kind: TypeAlias = Literal["vision", "audio", "text", "readings", "events"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class PrivacyPolicy:
    """What may be kept, for how long, and what is hidden before it leaves. By default no face and no voice leaves."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    keep: tuple[Kind, ...] = ("vision", "text", "readings", "events")  # in recordings, snapshots and message files
    keep_days: Annotated[float, Field(gt=0)] | None = None  # older files of ours beside a new one go; None: they stay
    faces: Literal["blurred", "sharp"] = "blurred"  # in every picture that leaves, kept or shown
    network: Literal["named", "none"] = "named"  # addresses that the user names are opened, or none at all
    consent: Literal["given", "awaited"] = "given"  # when the session begins

    @property
    def faithful(self) -> bool:
        """Whether a recording replays to the same decisions: all is kept, and as it was."""
        return self.faces == "sharp" and set(self.keep) == set(KINDS)

    def __str__(self) -> str:
        """What a recording under this policy lacks, in words; "" where that is nothing."""
        absent = [kind for kind in KINDS if kind not in self.keep]
        blurred = ["faces blurred"] if self.faces == "blurred" and "vision" in self.keep else []
        return ", ".join([*blurred, *(f"no {kind}" for kind in absent)])


PRIVATE = PrivacyPolicy()
FAITHFUL = PrivacyPolicy(keep=KINDS, faces="sharp")


def read_policy(path: Path) -> PrivacyPolicy:
    """The policy of a TOML file; raises PrivacyError naming the key and what is allowed."""
    from sensorium.toml import read_toml  # only who has a file of his own needs it

    return parse_policy(read_toml(path, "privacy policy", PrivacyError), f"privacy policy {path}")


def parse_policy(table: Any, where: str) -> PrivacyPolicy:
    """The policy of a table; raises PrivacyError that begins with ``where``."""
    try:
        return _adapter().validate_python(table)
    except ValidationError as err:
        fault = first_fault(err, "the policy", lambda _: (field.name for field in fields(PrivacyPolicy)))
        raise PrivacyError(f"{where}: {fault}") from err


@cache
def _adapter() -> TypeAdapter[PrivacyPolicy]:
    return TypeAdapter(PrivacyPolicy)
