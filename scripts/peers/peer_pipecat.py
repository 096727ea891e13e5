"""Pipecat's pipeline of frame processors, run by its own worker: https://docs.pipecat.ai/server/pipeline."""

import asyncio
import os
import time
from importlib.metadata import version
from typing import Any

os.environ["LOGURU_LEVEL"] = "ERROR"  # before its import: it logs every processor

from loguru import logger
from peer import HEIGHT, WIDTH, Load, fresh_frame, main
from pipecat.frames.frames import EndFrame, OutputImageRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.runner import WorkerRunner
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor

STAGES = 5
NUMBER = "number"


class Pass(FrameProcessor):
    """Hands on what it gets."""

    async def process_frame(self, frame: Any, direction: Any) -> None:
        """Hand on."""
        await super().process_frame(frame, direction)
        await self.push_frame(frame, direction)


class Slow(FrameProcessor):
    """Takes its time with every picture."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def process_frame(self, frame: Any, direction: Any) -> None:
        """Wait, then hand on."""
        await super().process_frame(frame, direction)
        if isinstance(frame, OutputImageRawFrame):
            await asyncio.sleep(self._seconds)
        await self.push_frame(frame, direction)


class Sink(FrameProcessor):
    """Calls back with every picture."""

    def __init__(self, came: Any) -> None:
        super().__init__()
        self._came = came

    async def process_frame(self, frame: Any, direction: Any) -> None:
        """Call back."""
        await super().process_frame(frame, direction)
        if isinstance(frame, OutputImageRawFrame):
            self._came(frame)
        else:
            await self.push_frame(frame, direction)


def overhead(frames: int) -> dict[str, Any]:
    """Five processors that hand on, one frame after the other."""
    us: list[float] = []
    done = asyncio.Event()
    image = bytes(fresh_frame())

    def came(frame: Any) -> None:
        us.append((time.perf_counter() - frame.metadata["began"]) * 1e6)
        done.set()

    async def feed(worker: Any) -> None:
        for _ in range(frames):
            frame = _frame(image)
            done.clear()
            frame.metadata["began"] = time.perf_counter()
            await worker.queue_frame(frame)
            await done.wait()

    _run([*(Pass() for _ in range(STAGES)), Sink(came)], feed)
    return {"us": us}


def overload(seconds: float, fps: float, stage_ms: float) -> dict[str, Any]:
    """One slow processor; what still waits at the end of the feeding counts with its age then."""
    load = Load(seconds)
    done: set[int] = set()

    def came(frame: Any) -> None:
        done.add(frame.metadata[NUMBER])
        load.done(frame.metadata[NUMBER])

    async def feed(worker: Any) -> None:
        began = time.perf_counter()
        for i in range(round(seconds * fps)):
            await asyncio.sleep(max(0.0, began + i / fps - time.perf_counter()))
            frame = _frame(bytes(fresh_frame()))
            frame.metadata[NUMBER] = load.give(time.perf_counter())
            await worker.queue_frame(frame)
        told.update(load.told(dropped=0, waiting=tuple(load.given.keys() - done)))

    told: dict[str, Any] = {}
    _run([Slow(stage_ms / 1e3), Sink(came)], feed, drain=False)
    return told


def _frame(image: bytes) -> Any:
    return OutputImageRawFrame(image=image, size=(WIDTH, HEIGHT), format="RGB")


def _run(processors: list[Any], feed: Any, *, drain: bool = True) -> None:
    """The pipeline until it is fed, and where ``drain`` until its end came out."""

    async def both() -> None:
        worker = PipelineWorker(Pipeline(processors), cancel_on_idle_timeout=False)
        running = asyncio.create_task(WorkerRunner(handle_sigint=False).run(worker))
        await asyncio.sleep(1.0)  # its start frame passes first
        await feed(worker)
        if drain:
            await worker.queue_frame(EndFrame())
            await running

    if drain:
        asyncio.run(both())
    else:  # asyncio.run would wait for what is to be left
        asyncio.new_event_loop().run_until_complete(both())


if __name__ == "__main__":
    logger.remove()
    main(version("pipecat-ai"), {"overhead": overhead, "overload": overload})
