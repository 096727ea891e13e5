"""The chips: one TOML file each, whose name is the target's name everywhere."""

from sensorium_devices.targets.profile import (
    Capture,
    Memory,
    Operator,
    Operators,
    Power,
    Target,
    Tool,
    Unit,
    load_operators,
    target_names,
    targets,
)

__all__ = [
    "Capture",
    "Memory",
    "Operator",
    "Operators",
    "Power",
    "Target",
    "Tool",
    "Unit",
    "load_operators",
    "target_names",
    "targets",
]
