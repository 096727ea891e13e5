"""Roboflow's InferencePipeline on a camera of our own: https://inference.roboflow.com/using_inference/inference_pipeline/."""

import os
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

os.environ |= {"TELEMETRY_OPT_OUT": "True", "METRICS_ENABLED": "False", "OFFLINE_MODE": "True"}

import numpy as np
import torch

# torchvision is built for CUDA: beside a torch for the CPU its native part does not load, and its import fails for want
# of these operators' schemas. Nothing here runs them.
if not torch.version.cuda:
    OPERATORS = torch.library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        OPERATORS.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from inference import InferencePipeline
from inference.core.interfaces.camera.entities import SourceProperties, VideoFrameProducer
from peer import HEIGHT, WIDTH, Load, main

FPS = 30
SETTLED_S = 3.0
OUTAGE_S = 2.5


class Camera(VideoFrameProducer):
    """Gives frames in time; ``unplugged`` ends its stream and keeps it shut, ``stalled`` lets a grab never return."""

    unplugged = threading.Event()
    stalled = threading.Event()
    grabbed = staticmethod(lambda: None)

    def __init__(self) -> None:
        self._open = not self.unplugged.is_set()
        self._due = time.perf_counter()

    def isOpened(self) -> bool:  # noqa: N802 - its name
        """As its name says."""
        return self._open

    def grab(self) -> bool:
        """Wait for the next frame."""
        self._due += 1 / FPS
        time.sleep(max(0.0, self._due - time.perf_counter()))
        if self.stalled.is_set():
            threading.Event().wait()
        if self.unplugged.is_set():
            return False
        self.grabbed()
        return True

    def retrieve(self) -> tuple[bool, Any]:
        """The frame."""
        return True, np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def release(self) -> None:
        """Close."""
        self._open = False

    def discover_source_properties(self) -> Any:
        """A live camera that can be opened again."""
        return SourceProperties(
            width=WIDTH, height=HEIGHT, total_frames=0, is_file=False, fps=FPS, is_reconnectable=True
        )

    def connection_error_message(self) -> str:
        """Why it is shut."""
        return "unplugged"


def overload(seconds: float, fps: float, stage_ms: float) -> dict[str, Any]:
    """A model that takes its time. Ages by its frames' own time stamps."""
    assert fps == FPS
    load = Load(seconds)
    Camera.grabbed = staticmethod(lambda: load.give(time.perf_counter()))

    def infer(frames: list[Any]) -> list[Any]:
        time.sleep(stage_ms / 1e3)
        return [{} for _ in frames]

    def sink(_: Any, frame: Any) -> None:
        load.ages_ms.append((time.time() - frame.frame_timestamp.timestamp()) * 1e3)

    _start(infer, sink)
    time.sleep(seconds)
    return load.told(dropped=None)


def stall(watch_s: float) -> dict[str, Any]:
    """Until anything is told of a grab that never returns: an event of its own, or a warning."""
    told: list[float] = []
    began = [0.0]

    def update(event: Any) -> None:
        if began[0] and event.severity.name != "DEBUG":
            told.append((time.perf_counter() - began[0]) * 1e3)

    _start(lambda frames: [{} for _ in frames], lambda *_: None, [update])
    time.sleep(SETTLED_S)
    began[0] = time.perf_counter()
    Camera.stalled.set()
    time.sleep(watch_s)
    return {"ms": told[:1], "watched_s": watch_s}


def recovery(cycles: int) -> dict[str, Any]:
    """From each return of the camera to the first prediction."""
    came = threading.Event()
    _start(lambda frames: [{} for _ in frames], lambda *_: came.set())
    time.sleep(SETTLED_S)
    ms: list[float] = []
    for _ in range(cycles):
        Camera.unplugged.set()
        time.sleep(OUTAGE_S)
        came.clear()
        began = time.perf_counter()
        Camera.unplugged.clear()
        if not came.wait(60):
            break
        ms.append((time.perf_counter() - began) * 1e3)
        time.sleep(1.0)
    return {"ms": ms, "watched_s": 60.0}


def _start(infer: Callable[..., Any], sink: Callable[..., Any], handlers: list[Any] | None = None) -> None:
    came = threading.Event()

    def first(prediction: Any, frame: Any) -> None:
        came.set()
        sink(prediction, frame)

    pipeline = InferencePipeline.init_with_custom_logic(
        video_reference=Camera, on_video_frame=infer, on_prediction=first, status_update_handlers=handlers or []
    )
    pipeline.start(use_main_thread=False)
    came.wait(60)


if __name__ == "__main__":
    main(version("inference"), {"overload": overload, "stall": stall, "recovery": recovery})
