"""What a recipe says to a reader beside its name and folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sensorium.errors import first_fault
from sensorium_compile.data.told import Told
from sensorium_compile.errors import CompileError, keys_of


class LabelledOptions(BaseModel):
    """What readers of labelled files take: where, and what the folders are called there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = ""  # of the set inside the data folder; "" where the data folder is the set itself
    folders: tuple[str, ...] = Field(default=())  # one a label, where the set calls it otherwise


OptionsModel = TypeVar("OptionsModel", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Options:
    """The reader's keys of a recipe, not yet checked (each reader has its own), and whom to tell."""

    values: Mapping[str, object] = field(default_factory=dict)
    told: Told = field(default_factory=Told)

    def parse(self, model: type[OptionsModel]) -> OptionsModel:
        """Checked by that pydantic model; raises CompileError naming the key and what is allowed."""
        try:
            return model.model_validate(dict(self.values))
        except ValidationError as err:
            raise CompileError(f"data: {first_fault(err, 'options', keys_of(model))}") from err
