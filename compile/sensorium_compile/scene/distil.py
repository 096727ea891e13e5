"""Distils the factorised YAMNet from the whole one, on sounds without labels.

Both hear the same patches: mixtures, louder and softer, shifted in time and pitch. The student is to find the same
places, and the same probabilities of every class: a place alone leaves out what names alike do not tell apart.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.components.sound import FRAMES, LOG_OFFSET
from sensorium_compile.scene.space import FLOOR
from sensorium_compile.scene.yamnet import YamNet

Tell = Callable[[str], None]

SILENT = math.log(LOG_OFFSET)  # the log-mel of digital silence


@dataclass(frozen=True, slots=True)
class DistilPlan:
    """How long, and how."""

    steps: int = 1500
    batch: int = 32
    learning_rate: float = 3e-4
    seed: int = 0


class Mixer:
    """Draws patches (n, 96, 64) from log-mel spectra (frames, 64) of whole recordings, never two alike."""

    def __init__(self, spectra: list[Tensor], weights: list[float], seed: int) -> None:
        """``weights`` say how often each is drawn."""
        self._spectra = [_long_enough(spectrum) for spectrum in spectra]
        self._share = np.array(weights) / np.sum(weights)
        self._seed = seed
        self._rng = np.random.default_rng(seed)

    def draw(self, count: int, step: int = 0) -> Tensor:
        """(count, 96, 64), the same for a step each time: half of them two sounds at once."""
        self._rng = np.random.default_rng((self._seed, step))
        picks = self._rng.choice(len(self._spectra), (2, count), p=self._share)
        first, second = (torch.stack([self._patch(int(i)) for i in row]) for row in picks)
        gain = torch.from_numpy(self._rng.uniform(-2.5, 0.5, (count, 1, 1))).float()  # [ln] -22 to +4 dB
        gain[self._rng.random(count) < 0.5] = -torch.inf
        return torch.logaddexp(first, second + gain)

    def _patch(self, index: int) -> Tensor:
        rng, whole = self._rng, self._spectra[index]
        frames = min(len(whole), int(FRAMES * rng.uniform(0.8, 1.25)))
        start = rng.integers(0, len(whole) - frames + 1)
        patch = whole[start : start + frames]
        if frames != FRAMES:  # as if played faster or slower
            patch = nn.functional.interpolate(patch.T[None], FRAMES, mode="linear", align_corners=False)[0].T
        shift = int(rng.integers(-3, 4))  # bands: up to a third of an octave
        patch = torch.roll(patch, shift, 1)
        if shift:
            edge = slice(0, shift) if shift > 0 else slice(shift, None)
            patch = patch.clone()
            patch[:, edge] = patch[:, shift : shift + 1] if shift > 0 else patch[:, shift - 1 : shift]
        louder = float(rng.normal(0, 0.7))  # [ln] 6 dB
        return torch.logaddexp(patch + louder, torch.full_like(patch, SILENT))


def distil(
    student: YamNet,
    teacher: YamNet,
    matrix: Tensor,
    mixer: Mixer,
    plan: DistilPlan,
    tell: Tell,
    saved: Path | None = None,
) -> None:
    """Train ``student`` in place; ``matrix`` (classes, dims) takes probabilities to places.

    What was trained is kept in the file ``saved``, where there is one, and gone on with.
    """
    optimiser = torch.optim.AdamW(student.parameters(), plan.learning_rate, weight_decay=1e-4)
    first = _resumed(student, optimiser, saved)
    began, last = time.monotonic(), 0.0
    student.train()
    for step in range(first, plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = plan.learning_rate * min(1.0, (step + 1) / 200) * _cosine(step / plan.steps)
        patches = mixer.draw(plan.batch, step)
        with torch.no_grad():
            wanted = teacher(patches)
        loss = difference(student(patches), wanted, matrix)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        last = loss.item() if step == first else 0.98 * last + 0.02 * loss.item()
        if step % 100 == 0:
            tell(f"step {step} of {plan.steps}, loss {last:.4f}, {time.monotonic() - began:.0f} s")
        if saved is not None and (step + 1) % 100 == 0:
            torch.save({"step": step + 1, "net": student.state_dict(), "optimiser": optimiser.state_dict()}, saved)
    student.eval()


def difference(given: Tensor, wanted: Tensor, matrix: Tensor) -> Tensor:
    """Of two batches of logits: the angle between their places, and cross-entropy and distance of their classes."""
    places = [(logits.sigmoid() + FLOOR).sqrt() @ matrix for logits in (given, wanted)]
    angle = 1 - nn.functional.cosine_similarity(places[0], places[1]).mean()
    length = (places[0] - places[1]).square().sum(1).mean()
    classes = nn.functional.binary_cross_entropy_with_logits(given, wanted.sigmoid(), reduction="sum") / len(given)
    floor = torch.full_like(wanted, -9.0)  # a probability of 1e-4: how much less does not matter
    logits = (torch.maximum(given, floor) - torch.maximum(wanted, floor)).square().mean()
    return 3 * angle + length + 0.1 * classes + 0.1 * logits


def _cosine(done: float) -> float:
    """From 1 to 0 as training goes on (arXiv 1608.03983)."""
    return (1 + math.cos(math.pi * done)) / 2


def _resumed(student: YamNet, optimiser: torch.optim.Optimizer, saved: Path | None) -> int:
    """The step to go on with."""
    if saved is None or not saved.is_file():
        return 0
    state = torch.load(saved, weights_only=True)
    student.load_state_dict(state["net"])
    optimiser.load_state_dict(state["optimiser"])
    return int(state["step"])


def _long_enough(spectrum: Tensor) -> Tensor:
    """At least one patch, with silence after what is shorter."""
    missing = FRAMES - len(spectrum)
    return nn.functional.pad(spectrum, (0, 0, 0, missing), value=SILENT) if missing > 0 else spectrum
