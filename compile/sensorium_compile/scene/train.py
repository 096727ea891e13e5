"""Makes the student that ships: the pretrained classifier factorised, the sound tagger factorised and distilled.

python -m sensorium_compile.scene.train --data DIR --teacher YAMNET_FOLDER --out FOLDER

DIR holds ``esc10`` (of which fold 4 is not heard) and ``fsdd``; no label is used. Its ``photos`` give ranges for int8.
Then sensorium_compile.scene.record measures it.
"""

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sensorium.components.sound import FRAMES, RATE_HZ
from sensorium_compile.checkpoint import CALIBRATION
from sensorium_compile.errors import CompileError
from sensorium_compile.scene.calibrate import calibrated
from sensorium_compile.scene.checkpoint import load_scene, save_scene
from sensorium_compile.scene.command import CLASS_MAP, YAMNET
from sensorium_compile.scene.distil import DistilPlan, Mixer, distil
from sensorium_compile.scene.evaluate import FOLD
from sensorium_compile.scene.factorise import factorised
from sensorium_compile.scene.made_up import made_up
from sensorium_compile.scene.model import STUDENT, build_scene, load_sound, load_vision
from sensorium_compile.scene.spectrum import LogMel
from sensorium_compile.scene.texts import TextSpace
from sensorium_compile.scene.towers import SoundTower, VisionTower
from sensorium_compile.scene.yamnet import SAMPLES, YamNet, load_yamnet
from sensorium_compile.zoo import Weights
from sensorium_devices.sound import read_audio

MADE_UP = 400  # sounds that nobody recorded
SPEECH_SHARE = 0.1  # of what is drawn: digits by four voices are one kind of sound out of many
UNFINISHED = "unfinished.pt"  # what a run that was stopped goes on with
PATCHES = 800  # that factors are chosen by


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, required=True, help="folder of yamnet.tflite and its class map")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=DistilPlan().steps)
    parser.add_argument("--start", type=Path, help="a student to distil further, instead of a factorised YAMNet")
    parser.add_argument("--sound", type=Path, help="a student whose sound tower is taken over, not distilled again")
    args = parser.parse_args()
    weights = Weights()
    space = TextSpace(weights)
    model = build_scene(STUDENT)
    load_vision(cast(VisionTower, model.encoders["vision"]), STUDENT.vision, weights, space)
    tower = cast(SoundTower, model.encoders["audio"])
    args.out.mkdir(parents=True, exist_ok=True)
    if args.sound is not None:
        load_sound(tower, net_of(args.sound), args.teacher / CLASS_MAP, space)
    else:
        start = net_of(args.start) if args.start is not None else None
        plan = DistilPlan(steps=args.steps)
        teach_sound(tower, args.data, args.teacher, space, plan, args.out / UNFINISHED, start)
    save_scene(model, args.out)
    (args.out / UNFINISHED).unlink(missing_ok=True)
    tell("ranges of activations")
    calibration = calibrated(model, STUDENT, args.data, clip_files(args.data))
    (args.out / CALIBRATION).write_text(calibration.to_json(), encoding="utf-8")


def net_of(checkpoint: Path) -> YamNet:
    """The sound tower's network of a student that was trained before."""
    return cast(SoundTower, load_scene(checkpoint).encoders["audio"]).net


def teach_sound(
    tower: SoundTower,
    data: Path,
    folder: Path,
    space: TextSpace,
    plan: DistilPlan,
    saved: Path,
    start: YamNet | None = None,
) -> None:
    """YAMNet factorised into the tower (or ``start``), and distilled."""
    teacher = load_yamnet(folder / YAMNET)
    clips, speech = (spectra_of(read(files)) for files in (clip_files(data), speech_files(data)))
    shape = STUDENT.sound
    student = start or factorised(teacher, shape.ranks, shape.rank, patches_of([*clips, *speech], PATCHES))
    load_sound(tower, student, folder / CLASS_MAP, space)
    other = spectra_of(made_up(MADE_UP, plan.seed))
    draw = mixer(((clips, 0.7), (speech, SPEECH_SHARE), (other, 0.3 - SPEECH_SHARE)), plan.seed)
    distil(tower.net, teacher, tower.places.matrix.weight.T.detach(), draw, plan, tell, saved)


def tell(line: str) -> None:
    """One line of progress."""
    print(line, flush=True)  # noqa: T201


def mixer(sets: Sequence[tuple[list[Tensor], float]], seed: int) -> Mixer:
    """Draws from sets of recordings, each by its share."""
    shares = [share / len(spectra) for spectra, share in sets for _ in spectra]
    return Mixer([one for spectra, _ in sets for one in spectra], shares, seed)


def clip_files(data: Path) -> list[Path]:
    """ESC-10 but for the fold that figures are reported on."""
    return _found(path for path in sorted((data / "esc10").glob("*/*.flac")) if not path.name.startswith(f"{FOLD}-"))


def speech_files(data: Path) -> list[Path]:
    """Spoken digits, every fourth: they resemble each other."""
    return _found(sorted((data / "fsdd").glob("**/*.flac"))[::4])


def read(files: Iterable[Path]) -> Iterator[NDArray[np.float32]]:
    """Sounds at 16 kHz."""
    return (read_audio(path, RATE_HZ)[0] for path in files)


def spectra_of(sounds: Iterable[NDArray[np.float32]]) -> list[Tensor]:
    """Log-mel (frames, 64) of whole recordings."""
    spectrum, made = LogMel(), []
    for one in sounds:
        sound = torch.from_numpy(one)
        missing = SAMPLES - len(sound)
        padded = torch.nn.functional.pad(sound, (0, missing)) if missing > 0 else sound
        with torch.no_grad():
            made.append(spectrum(padded[None])[0])
    return made


def patches_of(spectra: Sequence[Tensor], most: int) -> Tensor:
    """Patches (n, 96, 64) one after another out of whole recordings, thinned evenly to at most ``most``."""
    every = [s[at : at + FRAMES] for s in spectra for at in range(0, len(s) - FRAMES + 1, FRAMES)]
    return torch.stack(every[:: max(1, math.ceil(len(every) / most))])


def _found(files: Iterable[Path]) -> list[Path]:
    found = list(files)
    if not found:
        raise CompileError("the data folder lacks esc10/LABEL/FOLD-*.flac or fsdd/*.flac; correct --data")
    return found


if __name__ == "__main__":
    main()
