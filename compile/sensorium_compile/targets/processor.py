"""Proof for graphs that a processor executes: written, checked, opened by their backend, and run on the chip itself, or
on one that is emulated.

No times are in it: a bundle's bytes are the same each time. They are in the report.
"""

from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING

from sensorium.bundle import Evidence, prove
from sensorium.host import Host
from sensorium.learned.config import FUSION
from sensorium_compile.draft import GraphDraft, PartDraft
from sensorium_compile.errors import CompileError
from sensorium_compile.targets import qemu
from sensorium_compile.targets.graphs import LEAST_COSINE, Answers, answers, decibels, least_cosine, opener
from sensorium_compile.verify.gate import figures, worst
from sensorium_compile.verify.opened import OpenedModel
from sensorium_devices.targets import Target

if TYPE_CHECKING:  # PyTorch; ready parts need none
    from sensorium_compile.bench import Bench
    from sensorium_compile.lower.candidates import Candidate

_PACKAGES = {"litert": "ai-edge-litert"}  # where a backend's package is called something else
EMULATED = 20  # held-out examples that an emulated processor answers: each takes seconds


def proved(parts: Mapping[str, PartDraft], target: Target) -> dict[str, PartDraft]:
    """The parts, whose graphs have evidence: measured where this machine is the target, emulated where its processor
    can be, else no further than linted.

    Raises CompileError where an emulated processor gives something else than this one.
    """
    return {
        part: replace(draft, graphs={name: _proved(name, graph, target) for name, graph in draft.graphs.items()})
        for part, draft in parts.items()
    }


def agreement(bench: "Bench", candidate: "Candidate", target: Target) -> str | None:
    """How often an emulated processor decides as this one; None where there are no data, or no emulation.

    Raises CompileError where that costs some subset of senses more accuracy than the gate allows.
    """
    if bench.material.data is None or not _emulated_here(target, candidate.backend):
        return None
    here = candidate.open()
    opened = {name: qemu.opened(name, graph) for name, graph in candidate.graphs.items()}
    there = OpenedModel({name: opened[name] for name in here.modalities}, opened[FUSION], here.size_bytes)
    wanted, given = (bench.some_scores(form, EMULATED) for form in (here, there))
    told = figures(given, wanted)
    subset, least = worst(told)
    agreed = min((one.agreement for one in told.values() if one.agreement is not None), default=1.0)
    lost = max((one.drop.mean for one in told.values() if one.drop is not None), default=0.0)
    text = (
        f"{candidate.name} as {target.host}, emulated: worst subset {subset} {least.accuracy:.1%} of {least.n} "
        f"held-out examples, {agreed:.0%} of decisions as on this processor"
    )
    if lost > bench.recipe.gate.max_drop:
        raise CompileError(f"{text}: {lost:.1f} points are lost; allowed: {bench.recipe.gate.max_drop:g}")
    return text


def _proved(name: str, draft: GraphDraft, target: Target) -> GraphDraft:
    package = _PACKAGES.get(draft.backend, draft.backend)
    tool = metadata.version(package)
    lowered = f"sensorium_compile.lower.{draft.backend}, {draft.precision}"
    checked = "sensorium_compile.lower: operators, static shapes, finite weights"
    made = (
        prove("exported", package, tool, lowered, draft.model),
        prove("linted", package, tool, checked, draft.model),
    )
    if not draft.golden:
        return replace(draft, evidence=made)
    if target.is_here:
        return replace(draft, evidence=(*made, *_measured(name, draft, package)))
    if _emulated_here(target, draft.backend):
        return replace(draft, evidence=(*made, *_emulated(name, draft, target, package)))
    return replace(draft, evidence=made)


def _emulated_here(target: Target, backend: str) -> bool:
    return bool(qemu.emulator(target)) and qemu.missing(backend) is None


def _measured(name: str, draft: GraphDraft, package: str) -> tuple[Evidence, ...]:
    tool, command = metadata.version(package), _command(draft)
    given = answers(opener(name, draft)(), draft)
    return (
        prove("compiled", package, tool, command, draft.model),
        prove("measured", package, tool, command, _bytes(given), machine=Host.here().machine),
    )


def _emulated(name: str, draft: GraphDraft, target: Target, package: str) -> tuple[Evidence, ...]:
    """What the emulated processor gives, and how near that is to what this one gives."""
    tool = qemu.installed(package)
    command = f"{qemu.emulator(target)}: {_command(draft)}"
    wanted = answers(opener(name, draft)(), draft)
    given = answers(qemu.opened(name, draft), draft)
    found, where = least_cosine(wanted, given)
    if found < LEAST_COSINE:
        raise CompileError(
            f"graph {name} ({draft.backend}, {draft.precision}) comes out wrong on {target.host}, emulated: "
            f"cosine {found:.3f} to what this processor gives for {where}; at least {LEAST_COSINE}: "
            "choose another --backend"
        )
    near = {"cosine": round(found, 4), "db": round(decibels(wanted, given), 1)}
    return (
        prove("compiled", package, tool, command, draft.model),
        prove("emulated", package, tool, command, _bytes(given), figures=near),
    )


def _command(draft: GraphDraft) -> str:
    return f"sensorium.backends.open_graph(..., {draft.backend!r}) in {draft.precision}"


def _bytes(given: Answers) -> bytes:
    return b"".join(value.tobytes() for outputs in given.values() for value in outputs.values())
