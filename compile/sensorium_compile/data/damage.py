"""What the hard protocol does to one picture or sound: recorded noise and rooms, covers, shakes, darkness."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium.errors import SensoriumError
from sensorium_compile.data.readers.folders import files_of, find_folder
from sensorium_compile.data.readers.prepared import SOUND_SUFFIXES
from sensorium_compile.errors import CompileError
from sensorium_devices.sound import read_audio

Image = NDArray[np.uint8]
Sound = NDArray[np.float32]

FRAME = 320  # 20 ms at 16 kHz: over which the level of speech is taken
QUIET = 1e-3  # of the loudest frame's power, 30 dB: pauses and padding are not speech
# Shake and darkness are set so that each costs a sense that is alone five points, or the other could bring nothing. Set
# on the persons that keypad's student learned from: it reads 0.999 of them clean, 0.947 shaken, 0.945 in the dark. Half
# covered it reads 0.81: a plain half is what it is, and was not made easier.
SHAKE = 0.32  # length of a shake, of the picture's side: at 96 pixels 31, a hand's finger is about 8 wide
LIGHT = 0.003  # of the light that there was: more than 8 stops
SHOT = 0.08  # variance of the noise of photons, a step of brightness (of 255)
READ = 5.0  # deviation of the noise of the sensor, in steps of 255
PEAK = 0.99  # of full scale: what a mixture is brought to where it exceeds it


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """Recorded noises and room impulse responses, mono at 16 kHz."""

    noises: tuple[Sound, ...]
    rooms: tuple[Sound, ...]  # each begins with the direct sound and has energy 1

    def __post_init__(self) -> None:
        if not self.noises or not self.rooms:
            raise CompileError("the protocol needs at least one recorded noise and one room")


def load_scenery(data: Path, path: str = "noise_rir") -> Scenery:
    """From ``noise/*.flac`` and ``RIRs/*.flac`` in ``data/path``; raises CompileError telling the layout."""
    root = find_folder(
        data, path, lambda f: (f / "noise").is_dir() and (f / "RIRs").is_dir(), "noise/*.flac and RIRs/*.flac"
    )
    try:
        noises = [read_audio(file)[0] for file in files_of(root / "noise", SOUND_SUFFIXES)]
        rooms = [room_of(read_audio(file)[0]) for file in files_of(root / "RIRs", SOUND_SUFFIXES)]
    except SensoriumError as err:
        raise CompileError(f"a noise or room cannot be read: {err}") from err
    return Scenery(tuple(noises), tuple(rooms))


def room_of(recorded: Sound) -> Sound:
    """A response that begins with its direct sound (what comes before is the recording's delay), of energy 1."""
    begin = int(np.abs(recorded).argmax())
    response = recorded[begin:].astype(np.float64)
    room: Sound = (response / np.linalg.norm(response)).astype(np.float32)
    return room


def in_room(sound: Sound, scenery: Scenery, snr_db: float, rng: np.random.Generator) -> Sound:
    """The sound in one of the rooms with a piece of one of the noises, ``snr_db`` below its sounding part."""
    room = scenery.rooms[rng.integers(len(scenery.rooms))]
    noise = scenery.noises[rng.integers(len(scenery.noises))]
    start = int(rng.integers(len(noise)))
    piece = np.take(noise, np.arange(start, start + len(sound)), mode="wrap").astype(np.float64)
    return mixture(convolved(sound, room), piece, snr_db)


def convolved(sound: Sound, room: Sound) -> NDArray[np.float64]:
    """The sound in the room, as long as it was, its direct sound at its place, its power kept."""
    size = len(sound) + len(room)
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[: len(sound)]
    power = float(np.square(wet).mean())
    scale = np.sqrt(float(np.square(sound.astype(np.float64)).mean()) / power) if power > 0 else 0.0
    return np.asarray(wet * scale, np.float64)


def mixture(speech: NDArray[np.float64], noise: NDArray[np.float64], snr_db: float) -> Sound:
    """Their sum at that ratio, brought below full scale as a whole."""
    power = max(float(np.square(noise).mean()), 1e-12)
    mixed = speech + noise * np.sqrt(sounding_power(speech) / power / 10 ** (snr_db / 10))
    out: Sound = (mixed * min(1.0, PEAK / max(float(np.abs(mixed).max()), 1e-12))).astype(np.float32)
    return out


def sounding_power(sound: NDArray[np.float64]) -> float:
    """Mean power of the frames within 30 dB of the loudest."""
    whole = max(len(sound) // FRAME, 1) * FRAME
    frames = np.square(np.resize(sound, whole)).reshape(-1, FRAME).mean(axis=1)
    return float(frames[frames >= QUIET * frames.max()].mean())


def covered(image: Image, rng: np.random.Generator) -> Image:
    """One half (left, right, top or bottom) lies behind a striped board."""
    height, width, _ = image.shape
    first, second = rng.integers(30, 226, size=(2, 3))
    stripe = int(rng.integers(3, 9)) * max(height, width) / 96
    rows, columns = np.mgrid[:height, :width]
    band = ((rows + columns) / stripe).astype(int) % 2
    board = np.where(band[..., None], first, second).astype(np.uint8)
    hidden = np.zeros((height, width, 1), bool)
    side = rng.integers(4)
    if side < 2:
        hidden[:, slice(width // 2) if side == 0 else slice(width // 2, None)] = True
    else:
        hidden[slice(height // 2) if side == 2 else slice(height // 2, None)] = True
    return np.where(hidden, board, image)


def shaken(image: Image, rng: np.random.Generator) -> Image:
    """The camera moved in a straight line while the picture was taken."""
    height, width, _ = image.shape
    angle = rng.uniform(0, np.pi)
    length = SHAKE * max(height, width)
    steps = np.linspace(-0.5, 0.5, max(round(length) + 1, 3))
    total = np.zeros(image.shape, np.float64)
    for step in steps:
        rows = np.clip(np.arange(height) + round(step * length * np.sin(angle)), 0, height - 1)
        columns = np.clip(np.arange(width) + round(step * length * np.cos(angle)), 0, width - 1)
        total += image[rows][:, columns]
    return np.rint(total / len(steps)).astype(np.uint8)


def dim(image: Image, rng: np.random.Generator) -> Image:
    """Little light and a sensor's noise, rounded to 8 bits: most of the picture lies in the lowest steps."""
    light = np.square(image / 255.0) * LIGHT  # gamma 2
    stored = 255.0 * np.sqrt(light)  # white is stored as 14
    noisy = stored + np.sqrt(SHOT * stored) * rng.standard_normal(image.shape)
    noisy += READ * rng.standard_normal(image.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
