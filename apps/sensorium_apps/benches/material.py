"""What an hour in front of camera and microphone is made of: pictures, videos and sounds, real or synthesised.

Real videos with a clean licence: vtest.avi, cup.mp4 and box.mp4 of Debian's package opencv-doc (Apache-2.0), which a
fixed camera above a street and a camera in a hand have taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SensoriumError
from sensorium.images import resize
from sensorium_devices.images import read_image
from sensorium_devices.sound import RATE_HZ, read_audio

HEIGHT, WIDTH = 240, 320
MOST = 400  # files of each kind: an hour shows 360 scenes
PHOTOS = ("photos/*/**/*.jpg", "photos1k/*.jpg", "coco256/**/*.jpg")
VIDEOS = ("videos/*.avi", "videos/*.mp4", "videos/*.mkv", "videos/*.webm")
SOUNDS = ("esc10/**/*.flac", "fsdd/*.flac", "noise_rir/noise/**/*.wav")


@dataclass(frozen=True, slots=True)
class Material:
    """Pictures, uint8 (h, w, 3) at least 240x320, sounds, float32 (n,) at 16 kHz, and files of videos."""

    pictures: Sequence[NDArray[np.uint8]]
    sounds: Sequence[NDArray[np.float32]]
    origin: str
    videos: Sequence[Path] = ()


def synthesised(seed: int = 0) -> Material:
    """Blocks of shades and bursts of coloured noise: what is needed where no recordings are at hand."""
    rng = np.random.default_rng(seed)
    pictures = [
        np.kron(rng.integers(20, 235, (12, 16, 3)), np.ones((22, 22, 1))).astype(np.uint8)  # 264x352: room to pan
        for _ in range(4)
    ]
    sounds = []
    for _ in range(4):
        noise = rng.normal(0, 1, RATE_HZ * 2)
        loudness = np.repeat(rng.choice([0.0, 0.05, 0.3], 20), RATE_HZ // 10)  # syllables and pauses
        sounds.append((np.convolve(noise, np.ones(5) / 5, "same") * loudness).clip(-1, 1).astype(np.float32))
    return Material(pictures, sounds, "synthesised")


def recorded(folder: Path, seed: int = 0) -> Material:
    """Of a folder that is laid out as PHOTOS, SOUNDS and VIDEOS say; raises SensoriumError without photos or sounds."""
    rng = np.random.default_rng(seed)
    pictures = [large_enough(read_image(path)) for path in _some(folder, PHOTOS, rng)]
    sounds = [read_audio(path)[0] for path in _some(folder, SOUNDS, rng)]
    videos = [path for pattern in VIDEOS for path in sorted(folder.glob(pattern))]
    return Material(pictures, sounds, str(folder), videos)


def large_enough(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, made just large enough to pan a camera's picture of 240x320 over it."""
    scale = max(1.15 * HEIGHT / image.shape[0], 1.15 * WIDTH / image.shape[1])
    return resize(image, round(image.shape[0] * scale), round(image.shape[1] * scale))


def _some(folder: Path, patterns: Iterable[str], rng: np.random.Generator) -> list[Path]:
    """As many files of each pattern as there is room for."""
    every = [sorted(folder.glob(pattern)) for pattern in patterns]
    found = [paths for paths in every if paths]
    if not found:
        raise SensoriumError(f"{folder}: holds none of {', '.join(patterns)}; give another --data, or none")
    chosen = [rng.permutation(len(paths))[: MOST // len(found)] for paths in found]
    return [paths[index] for paths, indices in zip(found, chosen, strict=True) for index in indices]
