"""From text to what a voice needs: words, phrases, phonemes. English, no data of its own but tables."""

from sensorium.speech.normalise import normalise
from sensorium.speech.phrases import phrases
from sensorium.speech.pronounce import Pronouncer

__all__ = ["Pronouncer", "normalise", "phrases"]
