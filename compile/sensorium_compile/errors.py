"""What can go wrong while a bundle is made."""

from collections.abc import Sequence
from typing import Any

from sensorium.errors import Known, SensoriumError


class CompileError(SensoriumError):
    """Weights that cannot be converted, or a graph that does not do what its original does."""


def keys_of(model: Any) -> Known:
    """The keys of a pydantic model's table and of the tables in it, for ``first_fault``."""

    def known(path: Sequence[str]) -> list[str]:
        kind = model
        for part in path:
            field = getattr(kind, "model_fields", {}).get(part)
            if field is None:
                return []
            kind = field.annotation
        return list(getattr(kind, "model_fields", {}))

    return known
