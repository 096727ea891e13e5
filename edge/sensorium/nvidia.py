"""What this machine's NVIDIA GPU and its software are: an engine that TensorRT builds serves for no other."""

import ctypes
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sensorium.engines import cache_folder

NONE = "none"
MODEL = Path("/proc/device-tree/model")
JETSON_LINUX = Path("/etc/nv_tegra_release")  # "# R36 (release), REVISION: 4.3, ..."
POWER_MODE = Path("/var/lib/nvpmodel/status")  # "pmode:0002"; nvpmodel keeps it there

# CUdevice_attribute of cuda.h.
_MAJOR, _MINOR = 75, 76


@dataclass(frozen=True, slots=True)
class Chip:
    """What an engine depends on beside its model; ``none`` where there is no such thing."""

    board: str
    jetson_linux: str  # 36.4.3 is of JetPack 6, 38 and 39 are of JetPack 7
    tensorrt: str
    compute_capability: str  # 8.7
    power_mode: str

    @property
    def key(self) -> str:
        """A name for a folder: the same where engines may be shared."""
        told = (self.board, self.jetson_linux, self.tensorrt, self.compute_capability, self.power_mode)
        return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]

    @property
    def tensorrt_major(self) -> int:
        """10 of TensorRT 10.3; 0 where there is none."""
        return int(self.tensorrt.partition(".")[0]) if self.tensorrt != NONE else 0

    def __str__(self) -> str:
        told = f"TensorRT {self.tensorrt}, Jetson Linux {self.jetson_linux}, SM {self.compute_capability}"
        return f"{self.board}, {told}, power mode {self.power_mode}"


def chip() -> Chip:
    """This machine's, as it is now: the power mode changes while it runs."""
    release = re.search(r"R(\d+).*?REVISION: ([\d.]+)", _text(JETSON_LINUX))
    mode = re.search(r"\d+", _text(POWER_MODE))
    return Chip(
        board=_text(MODEL) or NONE,
        jetson_linux=f"{release[1]}.{release[2]}" if release else NONE,
        tensorrt=_tensorrt(),
        compute_capability=_compute_capability(),
        power_mode=str(int(mode[0])) if mode else NONE,
    )


def engine_folder(digest: str) -> Path:
    """Where engines of a model (its sha256) for this chip are kept: below $SENSORIUM_ENGINES or the user's cache."""
    folder = cache_folder() / f"{digest[:16]}-{chip().key}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0\n ")
    except OSError:
        return ""


@cache
def _tensorrt() -> str:
    """10.3.0 of libnvinfer's 100300 (from version 10 on; 8.6.1 was 8601)."""
    library = _library("libnvinfer.so.11", "libnvinfer.so.10", "libnvinfer.so.8", "libnvinfer.so")
    if library is None:
        return NONE
    number = int(library.getInferLibVersion())
    major, rest = divmod(number, 10_000 if number >= 100_000 else 1_000)
    return f"{major}.{rest // 100}.{rest % 100}"


@cache
def _compute_capability() -> str:
    library = _library("libcuda.so.1")
    if library is None or library.cuInit(0) != 0:
        return NONE
    device, values = ctypes.c_int(), []
    if library.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return NONE
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        if library.cuDeviceGetAttribute(ctypes.byref(value), attribute, device) != 0:
            return NONE
        values.append(value.value)
    return f"{values[0]}.{values[1]}"


def _library(*names: str) -> ctypes.CDLL | None:
    for name in names:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None
