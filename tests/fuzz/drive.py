"""One target under atheris, for ``scripts/fuzz``: python -m tests.fuzz.drive TARGET FOLDER SECONDS.

FOLDER keeps the inputs that reached something new, and ``crash-*``, ``timeout-*``, ``oom-*``: what is to be mended.
"""

import logging
import sys
import warnings
from pathlib import Path

import atheris

OURS = ["sensorium", "sensorium_devices", "sensorium_compile", "sensorium_apps"]
PARSERS = ["tomllib", "zipfile", "mcap", "http", "email"]  # in plain Python, so that what they reach guides as well

with atheris.instrument_imports(include=OURS + PARSERS):
    from tests.fuzz.check import check
    from tests.fuzz.inputs import CORPUS, NASTY
    from tests.fuzz.targets import TARGETS

TIMEOUT_S = 20  # for one input, on a machine that does other things too
LONGEST_WORD = 60  # [bytes] of libFuzzer's dictionary, which takes no more than 64
MOST_BYTES = 65536  # of an input


def main(name: str, folder: Path, seconds: str) -> None:
    def read(data: bytes) -> None:
        check(TARGETS[name], data)

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("error")  # as in the tests
    found, words = folder / "corpus", folder / "words"
    found.mkdir(parents=True, exist_ok=True)
    escaped = ["".join(rf"\x{byte:02x}" for byte in word) for word in NASTY if len(word) < LONGEST_WORD]
    words.write_text("".join(f'"{word}"\n' for word in escaped))
    options = {
        "max_total_time": seconds,
        "timeout": TIMEOUT_S,
        "max_len": MOST_BYTES,
        "rss_limit_mb": 4096,
        "artifact_prefix": f"{folder}/",
        "dict": words,
        "print_final_stats": 1,
        "verbosity": 1,
    }
    arguments = [sys.argv[0], *(f"-{key}={value}" for key, value in options.items()), str(found), str(CORPUS / name)]
    atheris.Setup(arguments, read)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
