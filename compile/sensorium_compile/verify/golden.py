"""Golden samples, and how nearly a lowered form agrees with PyTorch on them, for every subset of senses."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium.inputs import InputSpec
from sensorium.samples import Array
from sensorium_compile.data.examples import subsets
from sensorium_compile.verify.opened import OpenedModel

COUNT = 16  # of each modality


@dataclass(frozen=True, slots=True)
class Parity:
    """Agreement of one form with PyTorch over all golden samples and subsets."""

    cosine: float  # the least of any output
    decisions: float  # share of equal ones
    where: str  # the subset with the least cosine
    finite: bool


def golden_samples(specs: Mapping[str, InputSpec]) -> dict[str, Array]:
    """COUNT made-up samples (COUNT, ...) of every modality as its encoder takes them; the same on every machine.

    Pictures are smooth shapes with noise, sounds are tones under an envelope with noise: inside what was seen in
    training, so that ranges hold.
    """
    rng = np.random.default_rng(20)
    return {name: _made(spec, rng) for name, spec in specs.items()}


def check_parity(reference: OpenedModel, form: OpenedModel, samples: Mapping[str, Array]) -> Parity:
    """Compare the first output of both for every subset."""
    least, where, same, total, finite = 2.0, "", 0, 0, True
    wanted_tokens = {name: reference.encode(name, given) for name, given in samples.items()}
    given_tokens = {name: form.encode(name, given) for name, given in samples.items()}
    for subset, mask in subsets(reference.modalities).items():
        wanted = next(iter(reference.fuse(wanted_tokens, mask).values()))
        given = next(iter(form.fuse(given_tokens, mask).values()))
        if not np.isfinite(given).all():
            return Parity(0.0, 0.0, subset, False)
        cosine = float(_cosines(wanted, given).min())
        if cosine < least:
            least, where = cosine, subset
        same += int((wanted.argmax(-1) == given.argmax(-1)).sum())
        total += len(wanted)
    return Parity(least, same / total, where, finite)


def _cosines(a: Array, b: Array) -> NDArray[np.float64]:
    a, b = a.astype(np.float64), b.astype(np.float64)
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    out: NDArray[np.float64] = (a * b).sum(-1) / np.maximum(norms, 1e-12)
    return out


def _made(spec: InputSpec, rng: np.random.Generator) -> Array:
    shape = (COUNT, *spec.shape[1:])
    if spec.kind == "image":
        coarse = rng.uniform(20, 235, (*shape[:-2], 5, 5))
        rows, columns = (np.linspace(0, 4, size) for size in shape[-2:])
        smooth = coarse[..., np.round(rows).astype(int), :][..., np.round(columns).astype(int)]
        return np.clip(smooth + rng.normal(0, 6, shape), 0, 255).astype(np.float32)
    if spec.kind == "sound":
        t = np.arange(shape[-1]) / 16_000
        tones = sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(120, 3000, (4, COUNT, 1)))
        envelope = np.exp(-(((t - t.mean()) / rng.uniform(0.05, 0.3, (COUNT, 1))) ** 2))
        sound: Array = (0.05 * tones * envelope + rng.normal(0, 0.002, shape)).astype(np.float32)
        return sound
    if spec.kind == "text":
        return rng.integers(1, 30, shape)
    return rng.normal(0, 1, shape).astype(np.float32)
