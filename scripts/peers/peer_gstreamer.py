"""GStreamer's own elements from Python: https://gstreamer.freedesktop.org/documentation/coreelements/."""

import threading
import time
from collections import deque
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
from gi.repository import Gst, GstApp  # noqa: E402, F401 - GstApp gives appsrc and appsink their methods
from peer import HEIGHT, WIDTH, Load, beats, fresh_frame, main  # noqa: E402

Gst.init(None)
STAGES = 5
SOURCE = f"appsrc name=source format=time caps=video/x-raw,format=RGB,width={WIDTH},height={HEIGHT},framerate=30/1"


def overhead(frames: int) -> dict[str, Any]:
    """Five identities between appsrc and appsink; the buffer is made before, without a copy."""
    identities = " ! ".join(["identity"] * STAGES)
    pipeline, source = _play(f"{SOURCE} ! {identities} ! appsink name=sink sync=false")
    sink = pipeline.get_by_name("sink")
    image, us = bytes(fresh_frame()), []
    for i in range(frames):
        buffer = _buffer(image, i)
        began = time.perf_counter()
        source.push_buffer(buffer)
        sink.pull_sample()
        us.append((time.perf_counter() - began) * 1e6)
    return {"us": us}


def overload(seconds: float, fps: float, stage_ms: float) -> dict[str, Any]:
    """A queue of one buffer that leaks the oldest, before an identity that sleeps."""
    slow = f"identity sleep-time={round(stage_ms * 1e3)}"
    pipeline, source = _play(
        f"{SOURCE} ! queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 "
        f"! {slow} ! appsink name=sink sync=false"
    )
    load, sink = Load(seconds), pipeline.get_by_name("sink")

    def work() -> None:
        while (sample := sink.pull_sample()) is not None:
            load.done(sample.get_buffer().offset)

    worker = threading.Thread(target=work)
    worker.start()
    for at in beats(seconds, fps):
        number = load.give(at)
        source.push_buffer(_buffer(bytes(fresh_frame()), number))
    source.end_of_stream()
    worker.join()
    return load.told(dropped=None)


def absent(ticks: int) -> dict[str, Any]:
    """A compositor of two live sources, one of which is silent: what it puts out in the time of ``ticks`` frames."""
    live = f"{SOURCE} is-live=true do-timestamp=true"
    pipeline, source = _play(
        f"compositor name=mix ! appsink name=sink sync=false max-buffers=1 drop=true emit-signals=true "
        f"{live} ! mix. {live.replace('name=source', 'name=silent')} ! mix."
    )
    answers: deque[float] = deque()

    def came(sink: Any) -> Any:
        sink.pull_sample()
        answers.append(time.perf_counter())
        return Gst.FlowReturn.OK

    pipeline.get_by_name("sink").connect("new-sample", came)
    image = bytes(fresh_frame())
    for _ in beats(ticks / 30, 30):
        source.push_buffer(Gst.Buffer.new_wrapped(image))
    return {"ticks": ticks, "answered": min(ticks, len(answers))}


def _play(description: str) -> tuple[Any, Any]:
    pipeline = Gst.parse_launch(description)
    pipeline.set_state(Gst.State.PLAYING)
    return pipeline, pipeline.get_by_name("source")


def _buffer(image: bytes, number: int) -> Any:
    buffer = Gst.Buffer.new_wrapped(image)
    buffer.pts = number * Gst.SECOND // 30
    buffer.offset = number
    return buffer


if __name__ == "__main__":
    main(
        Gst.version_string().removeprefix("GStreamer "), {"overhead": overhead, "overload": overload, "absent": absent}
    )
