"""What changed from one bundle to another, from what ``inspect_bundle`` tells of each."""

from collections.abc import Iterable, Mapping
from typing import Any

GRAPH_KEYS = ("backend", "precision", "size_bytes", "sha256")
POINTS = 100.0


def compare_bundles(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """Only what differs; ``same`` is whether the manifests are, byte for byte. Pairs are [of a, of b]."""
    parts_a, parts_b = a["parts"], b["parts"]
    changed = {name: _part(parts_a[name], parts_b[name]) for name in parts_a if name in parts_b}
    shipped_a, shipped_b = (told["stages"].get("shipped", {}) for told in (a, b))
    return {
        "a": a["bundle"],
        "b": b["bundle"],
        "same": a["digest"] == b["digest"],
        "target": _pair(a["target"], b["target"]),
        "size_bytes": [a["size_bytes"], b["size_bytes"]],
        "parts_added": [name for name in parts_b if name not in parts_a],
        "parts_removed": [name for name in parts_a if name not in parts_b],
        "parts_changed": {name: told for name, told in changed.items() if told},
        "subsets": _subsets(shipped_a.get("subsets", {}), shipped_b.get("subsets", {})),
        "ms": [shipped_a.get("ms"), shipped_b.get("ms")],
        "ms_by_subset": _keys(shipped_a.get("ms_by_subset", {}), shipped_b.get("ms_by_subset", {})),
        "licences_added": [licence for licence in b["licences"] if licence not in a["licences"]],
        "licences_removed": [licence for licence in a["licences"] if licence not in b["licences"]],
        "tools": _keys(a["tools"], b["tools"]),
    }


def _part(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    """What changed in a part that both have; empty where nothing did."""
    shared = [name for name in a["graphs"] if name in b["graphs"]]
    graphs = {name: _keys(a["graphs"][name], b["graphs"][name], GRAPH_KEYS) for name in shared}
    files = _keys(*({name: file["sha256"] for name, file in part["files"].items()} for part in (a, b)))
    told = {
        "role": _pair(a["role"], b["role"]),
        "graphs_added": [name for name in b["graphs"] if name not in a["graphs"]],
        "graphs_removed": [name for name in a["graphs"] if name not in b["graphs"]],
        "graphs": {name: changes for name, changes in graphs.items() if changes},
        "files": files,
        "config": _keys(a["config"], b["config"]),
        "figures": _keys(a["figures"], b["figures"]),
    }
    return {key: value for key, value in told.items() if value}


def _subsets(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Per subset, accuracy of both, the change in points, and whether the intervals keep apart."""
    told: dict[str, dict[str, Any]] = {}
    for subset in dict.fromkeys((*a, *b)):
        one, other = a.get(subset), b.get(subset)
        told[subset] = {"accuracy": [one and one["accuracy"], other and other["accuracy"]]}
        if one and other:
            apart = one["high"] < other["low"] or other["high"] < one["low"]
            told[subset] |= {"points": (other["accuracy"] - one["accuracy"]) * POINTS, "intervals_apart": apart}
    return told


def _keys(a: Mapping[str, Any], b: Mapping[str, Any], keys: Iterable[str] | None = None) -> dict[str, list[Any]]:
    """The keys whose values differ; None where a side has none."""
    every = dict.fromkeys((*a, *b)) if keys is None else keys
    return {key: [a.get(key), b.get(key)] for key in every if a.get(key) != b.get(key)}


def _pair(a: object, b: object) -> list[object] | None:
    return None if a == b else [a, b]
