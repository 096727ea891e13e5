"""MediaPipe's graphs from Python, with calculators that its wheel has.

Default input policy: a node runs once the packets of all its input streams have come to one timestamp.
https://ai.google.dev/edge/mediapipe/framework/framework_concepts/synchronization
"""

import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

import mediapipe
import numpy as np
from google.protobuf import text_format
from mediapipe.framework import calculator_pb2
from mediapipe.python import packet_creator
from mediapipe.python._framework_bindings import calculator_graph
from peer import HEIGHT, WIDTH, Load, beats, fresh_frame, main

STAGES = 5
PERIOD_US = 33_333


def passes(frames: int) -> dict[str, Any]:
    """Five PassThroughCalculators; the packet is made before, without a copy."""
    names = ["in", *(f"s{i}" for i in range(1, STAGES)), "out"]
    nodes = "".join(
        f'node {{ calculator: "PassThroughCalculator" input_stream: "{a}" output_stream: "{b}" }}\n'
        for a, b in pairwise(names)
    )
    graph = _graph(f'input_stream: "in" output_stream: "out"\n{nodes}')
    us: list[float] = []
    began = [0.0]
    graph.observe_output_stream("out", lambda _, __: us.append((time.perf_counter() - began[0]) * 1e6))
    graph.start_run()
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image.setflags(write=False)  # what may not be written is not copied
    for i in range(frames):
        packet = _packet(image, i + 1)
        began[0] = time.perf_counter()
        graph.add_packet_to_input_stream("in", packet)
        graph.wait_until_idle()
    return {"us": us}


def overload(seconds: float, fps: float, stage_ms: float) -> dict[str, Any]:
    """Behind the FlowLimiterCalculator, one frame in flight; the slow stage is a thread: the wheel has no such node.

    https://ai.google.dev/edge/mediapipe/framework/framework_concepts/realtime_streams
    """
    graph = _graph(
        'input_stream: "in" input_stream: "finished" output_stream: "limited"\n'
        'node { calculator: "FlowLimiterCalculator" input_stream: "in" input_stream: "FINISHED:finished" '
        'output_stream: "limited" }'
    )
    load, taken = Load(seconds), SimpleQueue[int | None]()
    graph.observe_output_stream("limited", lambda _, packet: taken.put(packet.timestamp.value - 1))

    def work() -> None:
        while (number := taken.get()) is not None:
            time.sleep(stage_ms / 1e3)
            load.done(number)
            graph.add_packet_to_input_stream("finished", packet_creator.create_bool(True).at(number + 1))

    worker = threading.Thread(target=work)
    worker.start()
    graph.start_run()
    for at in beats(seconds, fps):
        number = load.give(at)
        image = np.frombuffer(bytes(fresh_frame()), np.uint8).reshape(HEIGHT, WIDTH, 3)
        graph.add_packet_to_input_stream("in", _packet(image, number + 1))
    taken.put(None)
    worker.join()
    return load.told(dropped=None)


def absent(ticks: int) -> dict[str, Any]:
    """A node of camera and microphone, whose microphone gives nothing."""
    graph = _graph(
        'input_stream: "camera" input_stream: "microphone" output_stream: "out" output_stream: "out2"\n'
        'node { calculator: "PassThroughCalculator" input_stream: "camera" input_stream: "microphone" '
        'output_stream: "out" output_stream: "out2" }'
    )
    answers: list[int] = []
    graph.observe_output_stream("out", lambda _, packet: answers.append(packet.timestamp.value))
    graph.start_run()
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image.setflags(write=False)
    for i in range(ticks):
        graph.add_packet_to_input_stream("camera", _packet(image, (i + 1) * PERIOD_US))
        graph.wait_until_idle()
    return {"ticks": ticks, "answered": len(answers)}


def _graph(config: str) -> Any:
    parsed = text_format.Parse(config, calculator_pb2.CalculatorGraphConfig())
    return calculator_graph.CalculatorGraph(graph_config=parsed)


def _packet(image: Any, at_us: int) -> Any:
    return packet_creator.create_image_frame(image_format=mediapipe.ImageFormat.SRGB, data=image).at(at_us)


PROBES: dict[str, Callable[..., dict[str, Any]]] = {"overhead": passes, "overload": overload, "absent": absent}

if __name__ == "__main__":
    main(version("mediapipe"), PROBES)
