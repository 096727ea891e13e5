"""What the runtime's tests need of pyproject.toml, a line each: the runtime, its backends, what tests import."""

import re
import sys
import tomllib
from pathlib import Path

NEEDED = {
    *("numpy", "pydantic", "onnxruntime", "ai-edge-litert", "openvino", "onnx", "platformdirs", "rich", "packaging"),
    *("soundfile", "soxr", "tokenizers", "pywebrtc-audio", "pytest", "pytest-xdist", "pytest-timeout", "hypothesis"),
}


def main() -> None:
    """Print them."""
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    told = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    by_name = {re.split(r"[\[<>=~ ]", one)[0]: one for one in told}
    sys.stdout.write("".join(f"{by_name[name]}\n" for name in sorted(NEEDED)))


if __name__ == "__main__":
    main()
