"""Sensorium's runtime: streams camera, microphone and any other sensor through a bundle, and keeps answering.

with Bundle("companion") as bundle, Session(assemble(bundle), sources, speaker) as session:
    for event in session:
        print(to_json(event))
"""

from sensorium.assemble import assemble
from sensorium.bundle import Bundle
from sensorium.clock import Clock, MonotonicClock, VirtualClock
from sensorium.encoders import Encoder
from sensorium.errors import (
    BackendError,
    BundleError,
    LadderError,
    PrivacyError,
    RecordingError,
    SampleError,
    SensoriumError,
    SinkError,
    SourceError,
)
from sensorium.events import (
    BackendChanged,
    Candidate,
    ConsentChanged,
    Event,
    Fault,
    Guess,
    HealthChanged,
    Percept,
    Reply,
    RungChanged,
    Sensed,
    Speech,
    Thing,
    Utterance,
    to_json,
)
from sensorium.evidence import Evidence, Phrase
from sensorium.fusion import Fusion
from sensorium.guard import Patience
from sensorium.health import Health, State
from sensorium.jobs import Workshop
from sensorium.ladder import Readings, Rung, read_ladder
from sensorium.policy import FAITHFUL, PrivacyPolicy, read_policy
from sensorium.replay import replay
from sensorium.samples import AudioChunk, Frame, Line, Reading, Sample
from sensorium.session import Parts, Session, SessionSettings
from sensorium.shared import SharedGraphs
from sensorium.source import AudioSink, Source, SourceInfo
from sensorium.steps import Finding

__all__ = [
    "FAITHFUL",
    "AudioChunk",
    "AudioSink",
    "BackendChanged",
    "BackendError",
    "Bundle",
    "BundleError",
    "Candidate",
    "Clock",
    "ConsentChanged",
    "Encoder",
    "Event",
    "Evidence",
    "Fault",
    "Finding",
    "Frame",
    "Fusion",
    "Guess",
    "Health",
    "HealthChanged",
    "LadderError",
    "Line",
    "MonotonicClock",
    "Parts",
    "Patience",
    "Percept",
    "Phrase",
    "PrivacyError",
    "PrivacyPolicy",
    "Reading",
    "Readings",
    "RecordingError",
    "Reply",
    "Rung",
    "RungChanged",
    "Sample",
    "SampleError",
    "Sensed",
    "SensoriumError",
    "Session",
    "SessionSettings",
    "SharedGraphs",
    "SinkError",
    "Source",
    "SourceError",
    "SourceInfo",
    "Speech",
    "State",
    "Thing",
    "Utterance",
    "VirtualClock",
    "Workshop",
    "assemble",
    "read_ladder",
    "read_policy",
    "replay",
    "to_json",
]
