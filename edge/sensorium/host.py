"""Which machine this is, as far as a compiled graph cares."""

import platform
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict

CPUINFO, DEVICE_TREE = Path("/proc/cpuinfo"), Path("/proc/device-tree/model")


class Host(BaseModel):
    """How a machine is known to be a target; of a machine itself, all three are what it says."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    machine: str  # as platform.machine() says
    vendor: str = ""  # of the processor, as /proc/cpuinfo says
    device_tree: str = ""  # what the device tree's model begins with
    device: str = ""  # a file that its driver makes

    def fits(self, other: "Host") -> bool:
        """Whether that machine is one of these."""
        return (
            self.machine == other.machine
            and self.vendor in ("", other.vendor)
            and other.device_tree.startswith(self.device_tree)
            and (not self.device or Path(self.device).exists())
        )

    def __str__(self) -> str:
        return " ".join(word for word in (self.machine, self.vendor, self.device_tree) if word)

    @classmethod
    @cache
    def here(cls) -> Self:
        """This machine."""
        lines = _text(CPUINFO).splitlines()
        vendor = next((line.partition(":")[2].strip() for line in lines if line.startswith("vendor_id")), "")
        return cls(machine=platform.machine(), vendor=vendor, device_tree=_text(DEVICE_TREE).strip("\0\n "))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
