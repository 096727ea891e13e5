"""Proof for graphs that a processor executes: written, checked, opened by their backend, and run on the chip itself.

No times are in it: a bundle's bytes are the same each time. They are in the report.
"""

from dataclasses import replace
from importlib import metadata

from sensorium.backends import open_graph
from sensorium.bundle import Evidence, prove
from sensorium.host import Host
from sensorium_compile.draft import GraphDraft
from sensorium_compile.lower.candidates import entry_of
from sensorium_devices.targets import Target

_PACKAGES = {"litert": "ai-edge-litert"}  # where a backend's package is called something else


def proved(name: str, draft: GraphDraft, target: Target) -> GraphDraft:
    """The draft with evidence; measured where this machine is the target, else no further than linted."""
    package = _PACKAGES.get(draft.backend, draft.backend)
    tool = metadata.version(package)
    command = f"sensorium.backends.open_graph(..., {draft.backend!r}) in {draft.precision}"
    made: tuple[Evidence, ...] = (
        prove("exported", package, tool, f"sensorium_compile.lower.{draft.backend}, {draft.precision}", draft.model),
        prove(
            "linted", package, tool, "sensorium_compile.lower: operators, static shapes, finite weights", draft.model
        ),
    )
    if target.is_here and draft.golden:
        graph = open_graph(entry_of(name, draft), draft.model, threads=1)
        out = b"".join(v.tobytes() for feeds in draft.golden.values() for v in graph.run(feeds).values())
        made = (
            *made,
            prove("compiled", package, tool, command, draft.model),
            prove("measured", package, tool, command, out, machine=Host.here().machine),
        )
    return replace(draft, evidence=made)
