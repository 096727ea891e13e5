"""Which optional parts of Sensorium there are, and what each brings: told where a module is missing."""

# extra -> the modules of its own.
EXTRAS = {
    "camera": ("cv2",),
    "audio": ("soundfile", "soxr"),
    "mic": ("pyaudio",),
    "apps": ("typer", "rich", "matplotlib", "mcap", "platformdirs"),
    "compile": ("onnx", "jinja2", "packaging"),
    "reword": ("xllamacpp",),
    "openvino": ("openvino",),
    "litert": ("ai_edge_litert",),
    "executorch": ("executorch",),
    "train": (
        "torch",
        "torchao",
        "torch_pruning",
        "onnxscript",
        "litert_torch",
        "ai_edge_quantizer",
        "safetensors",
        "scipy",
    ),
}


def install(extra: str) -> str:
    """The command that installs it."""
    return f'pip install "sensorium[{extra}]"'


def extra_of(module: str) -> str | None:
    """The extra that brings a module, by its dotted name; None: none does."""
    name = module.partition(".")[0]
    return next((extra for extra, modules in EXTRAS.items() if name in modules), None)
