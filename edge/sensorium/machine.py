"""How the machine is doing: temperature, memory and battery, read from the files of Linux.

A Jetson has its temperatures in the same files, from which tegrastats reads them. Elsewhere, and where a file is
missing or holds something strange, the reading is None and the ladder goes without it.
"""

from collections.abc import Iterator
from pathlib import Path

from sensorium.ladder import Readings

MILLI = 1000  # the kernel's unit of temperature: m°C (Documentation/ABI/testing/sysfs-class-thermal)
COLDEST_C, HOTTEST_C = -40.0, 150.0  # beyond, a sensor is not connected: chips are specified from -40 to 125 °C
# Of Jetsons: tells 100 °C whatever happens, and tegrastats leaves it out as well.
CONSTANT_ZONES = ("PMIC",)
BYTES_PER_KIB, BYTES_PER_MB = 1024, 10**6
NOT_DISCHARGING = ("Charging", "Full", "Not charging")


class Machine:
    """Reads in well under a millisecond; what there is to read is looked up once. Never raises."""

    def __init__(self, root: Path = Path("/")) -> None:
        """``root``: the folder that holds ``sys`` and ``proc``."""
        self._zones = [zone / "temp" for zone in _folders(root / "sys/class/thermal", "thermal_zone") if _varies(zone)]
        supplies = list(_folders(root / "sys/class/power_supply"))
        # Mice and headphones tell their batteries here, too.
        own = [supply for supply in supplies if _text(supply / "scope") != "Device"]
        self._batteries = [supply for supply in own if _text(supply / "type") == "Battery"]
        self._mains = [supply / "online" for supply in own if supply not in self._batteries]
        self._meminfo = root / "proc/meminfo"
        self._groups = [group for group in _memory_groups(root) if group.limit is not None]

    def read(self) -> Readings:
        """How it is doing now."""
        return Readings(
            temperature_c=self._temperature_c(),
            memory_free_mb=self._memory_free_mb(),
            battery=self._battery(),
            on_mains=self._on_mains(),
        )

    def _temperature_c(self) -> float | None:
        told = [value / MILLI for path in self._zones if (value := _number(path)) is not None]
        return max((value for value in told if COLDEST_C < value < HOTTEST_C), default=None)

    def _memory_free_mb(self) -> float | None:
        """The least of what the machine has and what each group of processes around this one may still take."""
        bounds = [group.free_bytes for group in self._groups]
        available = _field(self._meminfo, "MemAvailable:")
        bounds.append(None if available is None else available * BYTES_PER_KIB)
        free = min((bound for bound in bounds if bound is not None), default=None)
        return None if free is None else free / BYTES_PER_MB

    def _battery(self) -> float | None:
        charges = [value for battery in self._batteries if (value := _number(battery / "capacity")) is not None]
        return sum(charges) / len(charges) / 100 if charges else None

    def _on_mains(self) -> bool:
        plugged = any(_number(path) == 1 for path in self._mains)
        return plugged or any(_text(battery / "status") in NOT_DISCHARGING for battery in self._batteries)


class _MemoryGroup:
    """A control group that may limit memory: of a container, or of a service."""

    def __init__(self, folder: Path, limit: str, used: str, cached: str) -> None:
        self._limit, self._used, self._cached = folder / limit, folder / used, cached
        self._stat = folder / "memory.stat"

    @property
    def limit(self) -> int | None:
        """Bytes that its processes may take; None where there is no limit (``max``)."""
        return _number(self._limit)

    @property
    def free_bytes(self) -> int | None:
        """What is left of it. File contents that nobody has used for a while are given back first, and do not count."""
        limit, used = self.limit, _number(self._used)
        if limit is None or used is None:
            return None
        return limit - used + (_field(self._stat, self._cached) or 0)


def _memory_groups(root: Path) -> Iterator[_MemoryGroup]:
    """The groups of this process from its own up to the outermost, of either version (man 7 cgroups)."""
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            names, top = ("memory.max", "memory.current", "inactive_file"), base
        elif controllers == "memory":
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = base / "memory"
        else:
            continue
        folder = top / path.strip("/")
        while folder.is_relative_to(top):  # the path may be the host's, of which a container sees the root alone
            yield _MemoryGroup(folder, *names)
            folder = folder.parent


def _varies(zone: Path) -> bool:
    return not _text(zone / "type").startswith(CONSTANT_ZONES)


def _folders(parent: Path, prefix: str = "") -> Iterator[Path]:
    try:
        yield from sorted(path for path in parent.iterdir() if path.name.startswith(prefix))
    except OSError:
        return  # this kernel has none


def _text(path: Path) -> str:
    """What the file holds; "" where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:  # missing, or a driver that has no value now
        return ""


def _number(path: Path) -> int | None:
    return _integer(_text(path))


def _field(path: Path, name: str) -> int | None:
    """The number after ``name`` at the beginning of a line."""
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name:
            return _integer(words[1])
    return None


def _integer(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
