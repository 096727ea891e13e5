"""How soon the machine falls silent for a user who speaks over it, and whether it falls silent for its own voice.

A whole session on a real microphone and loudspeaker: PortAudio's, on a null sink of PulseAudio (``room``). It recites;
another process speaks over it; what was heard of each is on a side of its own of one recording, so that the last
sample of the machine's voice is told apart from the user's, and timed. The floor is the loudspeaker alone: from
``stop`` to the last sample that is heard. How often a user is noticed is counted apart from that (``double_talk``).
"""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sensorium.bundle import Bundle
from sensorium.clock import NS_PER_MS
from sensorium.components.synthesiser import Synthesiser
from sensorium.components.voice_activity import VoiceActivity
from sensorium.encoders.audio import AudioEncoder
from sensorium.encoders.text import TextEncoder
from sensorium.errors import SensoriumError
from sensorium.events import Speech
from sensorium.evidence import Evidence
from sensorium.jobs import Workshop
from sensorium.samples import Sample
from sensorium.session import Parts, Session
from sensorium.steps import Finding, Responded, SpeechBegan
from sensorium_apps.benches.double_talk import LEVELS_DB, Trial, double_talk, utterances
from sensorium_apps.benches.figures import percentile, spread
from sensorium_apps.benches.machine import machine
from sensorium_apps.benches.room import OWN, USER, Heard, Room, open_room
from sensorium_apps.parts import make
from sensorium_devices.sound import RATE_HZ, load_soxr, read_audio

LIMIT_S = 60.0  # for anything to happen on a busy machine
USER_SPEED, USER_PITCH = (
    0.9,
    1.18,
)  # where no recording is given, the user is the machine's own voice, slower and higher
UTTERANCE_S = 2.5  # about, of short recordings
USER_SAYS = "Stop. That is enough for now, thank you very much."
ENDS = ("finished", "stopped")  # of what was being said
BEFORE_S = (1.0, 2.5)  # of the recital, before the user speaks
RECITALS = 8  # times that the text is said: longer than any round
RECITAL = (
    "I keep talking until somebody stops me. The rain has washed the street, and the lamps are lit. "
    "A dog is waiting at the door of the bakery, where the bread has just come out of the oven. "
    "Two children count the steps to the river, and an old man reads his newspaper aloud. "
    "The bell of the tower strikes, a tram comes around the corner, and the pigeons fly away. "
)


class Reciting:
    """Answers whatever is asked with a text that lasts."""

    def __init__(self, text: str) -> None:
        self._text = text

    def answer(self, question: str, evidences: Sequence[Evidence], now_ns: int) -> Responded | None:
        """The text."""
        return Responded(self._text, ("text",))


class Rehearsed:
    """A synthesiser that said it all before, so that a slow machine does not run dry between two phrases."""

    def __init__(self, synthesiser: Synthesiser, text: str, times: int) -> None:
        self.rate_hz = synthesiser.rate_hz
        self._phrases, self._times = list(synthesiser.stream(text)), times

    def stream(self, text: str) -> Iterator[NDArray[np.float32]]:
        """The text that was rehearsed, again and again, whatever is asked for."""
        for _ in range(self._times):
            yield from self._phrases


class Noting:
    """An audio encoder that notes when it had found that a voice began."""

    modality = "audio"

    def __init__(self, encoder: AudioEncoder) -> None:
        self._encoder = encoder
        self.began_ns: list[int] = []

    def encode(self, sample: Sample) -> Finding:
        """The encoder's finding."""
        found = self._encoder.encode(sample)
        if any(isinstance(sign, SpeechBegan) for sign in found.speech):
            self.began_ns.append(time.monotonic_ns())
        return found


@dataclass(slots=True)
class Talk:
    """A session that recites when it is told to, in a room."""

    session: Session
    noting: Noting
    room: Room

    def recite(self) -> None:
        """Begin anew; raises SensoriumError where nothing is said."""
        self.session.say("Go on.")
        if self.wait(("started",), LIMIT_S) is None:
            raise SensoriumError(f"nothing is said within {LIMIT_S:g} s")

    def wait(self, phases: Collection[str], limit_s: float) -> str | None:
        """The next of these phases that the speaking comes to; None when none does within the limit."""
        deadline = time.monotonic() + limit_s
        while (left_s := deadline - time.monotonic()) > 0:
            event = self.session.next_event(left_s)
            if isinstance(event, Speech) and event.phase == "failed":
                raise SensoriumError(f"speaking failed: {event.reason}")
            if isinstance(event, Speech) and event.phase in phases:
                return event.phase
        return None


@dataclass(frozen=True, slots=True)
class Stop:
    """One interruption; times from the user's first sample [ms]."""

    detected_ms: float  # until the encoder had found that a voice began
    silent_ms: float  # until the last sample of the machine's voice

    def __str__(self) -> str:
        return f"{self.stop_ms:.0f} ms"

    @property
    def stop_ms(self) -> float:
        """From the detection to the last sample."""
        return self.silent_ms - self.detected_ms


class Missed(StrEnum):
    """Why a round gives no time."""

    UNNOTICED = "not noticed"
    UNHEARD = "the machine was not heard just before, so this does not count"


def barge_in(
    bundle: Path,
    rounds: int,
    alone_s: float,
    trials: int,
    speech: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
    seed: int = 0,
) -> dict[str, Any]:
    """Figures, floor, spread and machine.

    ``speech``: a recording of the user, or a folder of them; None: the machine's own voice, higher. ``trials``: how
    many interruptions are computed.
    """
    dice = np.random.default_rng(seed)
    with Bundle(bundle) as opened, open_room() as room:
        activity = _part(opened, "voice_activity", VoiceActivity)
        noting = Noting(AudioEncoder(activity, None))
        voice = _part(opened, "synthesiser", Synthesiser)
        users = _users(speech, voice)
        recital = Rehearsed(voice, RECITAL, RECITALS)
        parts = Parts({"audio": noting, "text": TextEncoder()}, None, Workshop(answers=Reciting(RECITAL)), recital)
        floor = floor_ms(room, recital, rounds, dice)
        with Session(parts, [room.microphone()], room.speaker()) as session:
            talk = Talk(session, noting, room)
            spoken_s, false_alarms = self_interruptions(talk, alone_s)
            tell(f"{false_alarms} self-interruptions in {spoken_s:.0f} s")
            outcomes: list[Stop | Missed] = []
            for number in range(rounds):
                user = users[number % len(users)]
                outcomes.append(interrupt(talk, user, float(dice.uniform(*BEFORE_S))))
                tell(f"{number + 1} of {rounds}: {outcomes[-1]}")
        own = np.concatenate(list(recital.stream("")))
        tell(f"{trials} interruptions are computed")
        heard = list(double_talk(activity, own, recital.rate_hz, users, trials))
    stops = [outcome for outcome in outcomes if isinstance(outcome, Stop)]
    if not stops:
        raise SensoriumError(f"the machine did not fall silent for the user in any of {rounds} rounds")
    return {
        "figures": {
            "stop_ms": percentile([s.stop_ms for s in stops], 95),
            "stop_p50_ms": percentile([s.stop_ms for s in stops], 50),
            "onset_to_silence_p50_ms": percentile([s.silent_ms for s in stops], 50),
            "onset_to_silence_p95_ms": percentile([s.silent_ms for s in stops], 95),
            "onset_to_detection_p50_ms": percentile([s.detected_ms for s in stops], 50),
            "interrupted_ratio": round(len(stops) / (rounds - outcomes.count(Missed.UNHEARD)), 3),
            "self_interruptions": false_alarms,
            "own_speech_s": round(spoken_s, 1),
        },
        "double_talk": _double_talk_figures(heard),
        "spread": {"stop_ms": spread([s.stop_ms for s in stops])},
        "floor": {"speaker_stop_p50_ms": percentile(floor, 50), "speaker_stop_p95_ms": percentile(floor, 95)},
        "rounds": rounds,
        "devices": room.told,
        "machine": machine(),
    }


def self_interruptions(talk: Talk, seconds: float) -> tuple[float, int]:
    """How long the machine spoke with nobody else there [s], and how often it took itself for a user."""
    before, spoken_s, began_s = len(talk.noting.began_ns), 0.0, time.monotonic()
    while spoken_s < seconds:
        talk.recite()
        talk.wait(ENDS, seconds - spoken_s)
        spoken_s = time.monotonic() - began_s
    return spoken_s, len(talk.noting.began_ns) - before


def interrupt(talk: Talk, user: NDArray[np.float32], after_s: float) -> Stop | Missed:
    """Let the machine recite for so long, then speak over it."""
    room = talk.room
    talk.recite()
    if not room.wait_heard(OWN, after_s):
        return Missed.UNHEARD
    start, before = room.heard().place, len(talk.noting.began_ns)
    with room.saying(user, RATE_HZ):
        if talk.wait(ENDS, LIMIT_S) != "stopped":
            return Missed.UNNOTICED
        heard = room.heard_until_silent(OWN, start)
    return _stop(heard, talk.noting.began_ns[before])


def _stop(heard: Heard, detected_ns: int) -> Stop | Missed:
    onset, last = heard.first(USER), heard.last(OWN)
    if onset is None or last is None:
        return Missed.UNHEARD
    onset_ns, last_ns = heard.time_ns(onset), heard.time_ns(last)
    stop = Stop((detected_ns - onset_ns) / NS_PER_MS, (last_ns - onset_ns) / NS_PER_MS)
    return stop if stop.stop_ms >= 0 else Missed.UNHEARD  # it had run dry


def _double_talk_figures(trials: Sequence[Trial]) -> dict[str, float]:
    """Of the computed interruptions."""
    figures: dict[str, float] = {}
    for level_db in LEVELS_DB:
        noticed = [trial.noticed for trial in trials if trial.level_db == level_db]
        figures[f"noticed_at_{level_db}_db_ratio"] = round(float(np.mean(noticed)), 3)
    delays = [t.began_s for t in trials if t.began_s is not None and t.noticed]
    return figures | {
        "onset_to_detection_p50_ms": percentile([1000 * s for s in delays], 50) if delays else 0.0,
        "self_interruptions": sum(t.itself for t in trials),
        "own_speech_s": round(sum(t.alone_s for t in trials), 1),
        "trials": len(trials),
    }


def floor_ms(room: Room, voice: Rehearsed, rounds: int, dice: np.random.Generator) -> list[float]:
    """From ``stop`` to the last sample that is heard, of the loudspeaker alone [ms]."""
    speaker, told = room.speaker(), []
    samples = np.concatenate(list(voice.stream("")))
    try:
        for _ in range(rounds):
            speaker.start(voice.rate_hz)
            talking = threading.Thread(target=speaker.write, args=(samples,), daemon=True)
            start = room.heard().place
            talking.start()
            room.wait_heard(OWN, float(dice.uniform(*BEFORE_S)) / 2)
            stopped_ns = time.monotonic_ns()
            speaker.stop()
            talking.join(LIMIT_S)
            heard = room.heard_until_silent(OWN, start)
            last = heard.last(OWN)
            told += [(heard.time_ns(last) - stopped_ns) / NS_PER_MS] if last is not None else []
    finally:
        speaker.close()
    return told


def _users(speech: Path | None, voice: Synthesiser) -> list[NDArray[np.float32]]:
    """What users say at RATE_HZ, float32 (n,) each."""
    if speech is None:
        spoken = voice.synthesise(USER_SAYS, speed=USER_SPEED)
        return [np.asarray(load_soxr().resample(spoken, voice.rate_hz * USER_PITCH, RATE_HZ), np.float32)]
    if not speech.is_dir():
        return [read_audio(speech)[0]]
    words = [read_audio(path)[0] for path in sorted(speech.iterdir()) if path.suffix in (".wav", ".flac")]
    if not words:
        raise SensoriumError(f"{speech}: holds no .wav or .flac; give another --speech, or none")
    return utterances(words, UTTERANCE_S)


def _part(bundle: Bundle, role: str, kind: type[Any]) -> Any:
    made = make(bundle, role, 1)
    if not isinstance(made, kind):
        raise SensoriumError(f"{bundle.path} has no {role}; give another --bundle, e.g. companion")
    return made
