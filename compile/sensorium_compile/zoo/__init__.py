"""The zoo of real weights: declared as data, pulled by the user's own index client, checked before use."""

from sensorium_compile.zoo.catalogue import ALL, COMPANION, Entry, choose, load_zoo
from sensorium_compile.zoo.errors import PullError
from sensorium_compile.zoo.progress import Bars, PullProgress, Silent
from sensorium_compile.zoo.pull import PullReport, pull
from sensorium_compile.zoo.weights import Weights

__all__ = [
    "ALL",
    "COMPANION",
    "Bars",
    "Entry",
    "PullError",
    "PullProgress",
    "PullReport",
    "Silent",
    "Weights",
    "choose",
    "load_zoo",
    "pull",
]
