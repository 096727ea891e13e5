"""Has the speaker finished, or is this only a pause? Smart Turn v3: a Whisper-tiny encoder with a small head.

https://github.com/pipecat-ai/smart-turn (BSD-2). It hears tone and rhythm of the last 8 s, not the words.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sensorium.bundle import Part
from sensorium.errors import SampleError
from sensorium.mel import HOP, RATE_HZ, whisper_log_mel


class TurnEndConfig(BaseModel):
    """Settings of the part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_s: float = Field(gt=0)  # how much it hears; what is longer loses its beginning


class TurnEnd:
    """Tells how likely a speaker has finished. Keeps nothing from call to call."""

    def __init__(self, part: Part, threads: int = 0) -> None:
        self._samples = int(TurnEndConfig.model_validate(part.config).window_s * RATE_HZ) // HOP * HOP
        self._graph = part.graph("model", threads=threads)
        self._input, self._output = self._graph.inputs[0].name, self._graph.outputs[0].name

    def probability(self, audio: NDArray[np.float32]) -> float:
        """Probability in [0, 1] that the turn ends with audio, float32 (n,) at 16 kHz; 0 where there is none.

        Give the whole turn so far with the short silence after it (200 ms in pipecat); above 0.5 it is over.
        Raises SampleError for another type or shape, NaN or infinity.
        """
        if audio.dtype != np.float32 or audio.ndim != 1:
            raise SampleError(f"a turn is float32 (n,) at {RATE_HZ} Hz; given {audio.dtype} {audio.shape}")
        heard = audio[-self._samples :]
        if not np.isfinite(heard).all():
            raise SampleError("the turn holds NaN or infinite samples; repair or drop them first")
        if not heard.any():
            return 0.0
        features = whisper_log_mel(heard, self._samples)[None]  # (1, 80, window / 160)
        # The output is named logits, but the graph ends in a sigmoid.
        return float(self._graph.run({self._input: features})[self._output].item())
