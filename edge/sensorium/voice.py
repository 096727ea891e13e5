"""The thread that speaks: synthesises phrase by phrase, so that the first is heard while the next is made."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from sensorium.clock import Clock
from sensorium.echo import EchoGuard
from sensorium.errors import SinkError
from sensorium.source import AudioSink
from sensorium.steps import Spoke

log = logging.getLogger(__name__)

JOIN_S = 0.6  # within what a session takes to close


class Synthesiser(Protocol):
    """Turns text into speech."""

    @property
    def rate_hz(self) -> int:
        """Sample rate of the speech [Hz]."""
        ...

    def stream(self, text: str) -> Iterator[NDArray[np.float32]]:
        """Speech as float32 (n,), a phrase at a time."""
        ...


class Voice:
    """Speaks one text after the other into ``speaker``; progress goes to ``report``, what is heard to ``echo``."""

    def __init__(
        self,
        synthesiser: Synthesiser,
        speaker: AudioSink,
        clock: Clock,
        echo: EchoGuard,
        report: Callable[[Spoke], None],
    ) -> None:
        self._synthesiser = synthesiser
        self._speaker = speaker
        self._clock = clock
        self._echo = echo
        self._report = report
        self._texts: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._wanted = -1  # the reply that may be heard: hushing moves on from it
        self._lock = threading.Lock()  # so that no utterance starts just after it was hushed
        self._thread = threading.Thread(target=self._run, name="voice", daemon=True)

    def start(self) -> None:
        """Begin to wait for texts."""
        self._thread.start()

    def say(self, reply_id: int, text: str) -> None:
        """Say ``text``; whatever was being said stops."""
        self.hush()
        self._wanted = reply_id
        self._texts.put((reply_id, text))

    def hush(self) -> None:
        """Fall silent at once."""
        with self._lock:
            self._wanted = -1
            self._speaker.stop()
            self._echo.stop(self._clock.now_ns())

    def close(self) -> None:
        """Fall silent and end the thread. Twice is fine."""
        self.hush()
        self._texts.put(None)
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)
            if self._thread.is_alive():
                log.warning("the speaker %s does not return; left behind", self._speaker.name)
        self._speaker.close()

    def _run(self) -> None:
        while (item := self._texts.get()) is not None:
            reply_id, text = item
            phase, reason = self._speak(reply_id, text)
            self._report(Spoke(reply_id, phase, reason))

    def _speak(self, reply_id: int, text: str) -> tuple[Literal["finished", "stopped", "failed"], str]:
        try:
            started = False
            for samples in self._synthesiser.stream(text):
                if not started and self._begin(reply_id):
                    self._report(Spoke(reply_id, "started"))
                    started = True
                with self._lock:
                    if self._wanted != reply_id:
                        return "stopped", ""
                    self._echo.play(samples, self._synthesiser.rate_hz, self._clock.now_ns())
                self._speaker.write(samples)
            if started:
                self._speaker.drain()
        except SinkError as err:
            return "failed", str(err)
        except Exception as err:  # a broken synthesiser must not end the conversation
            log.exception("speaking failed")
            return "failed", f"{type(err).__name__}: {err}"
        return ("finished", "") if self._wanted == reply_id else ("stopped", "")

    def _begin(self, reply_id: int) -> bool:
        with self._lock:
            if self._wanted != reply_id:
                return False
            self._speaker.start(self._synthesiser.rate_hz)
            return True
